// Every node knows all nodes, and how many sockets they have.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { OurServer } from "../harness/peer.mjs";
import { cluster, standalone } from "../harness/redis-servers.mjs";
import { CLASSIC, describeOurs, DYNAMIC } from "./buses.mjs";
import { World } from "./world.mjs";

const FORGOTTEN = 10_000;
const AT_ONCE = 500;

// most of the time they wait, and so they may do it side by side
describeOurs("the registry", { concurrency: true }, () => {
  for (const [start, bus, name] of [
    [standalone, CLASSIC, "classic"],
    [cluster, DYNAMIC, "sharded, in a cluster"],
  ]) {
    describe(name, { concurrency: false }, () => {
      let redis;
      let world;
      before(async () => {
        redis = await start();
        world = await World.start(redis, bus, { servers: ["ours", "ours", "ours"] });
      });
      afterEach(() => world?.clear());
      after(async () => {
        await world?.stop();
        await redis?.stop();
      });

      /** Waits until each of these servers lists exactly these, with so many sockets in `/` and `/custom`. */
      async function allList(counts, ms) {
        const expected = [...counts].map(([{ node }, sockets]) => [node, ...sockets]).sort();
        for (const server of counts.keys()) {
          const same = async () => {
            const nodes = await server.nodes();
            const listed = nodes.map(({ id, sockets }) => [id, sockets["/"] ?? 0, sockets["/custom"] ?? 0]);
            assert.deepEqual(listed.sort(), expected);
            assert.deepEqual(nodes.filter(({ self }) => self).map(({ id }) => id), [server.node]);
            return true;
          };
          await until(same, `${server.node} lists them`, ms);
        }
      }

      const empty = () => new Map(world.servers.map((server) => [server, [0, 0]]));

      test("each node lists all, itself as well, each with its name", async () => {
        await allList(empty());
        assert.equal(new Set(world.servers.map(({ node }) => node)).size, 3);
        for (const { name, address } of await world.caller.nodes()) {
          assert.match(name, /^peer-\d+$/);
          // nobody has told the peer where it can be reached
          assert.equal(address, "");
        }
      });

      test("the sockets are counted for each namespace, when they come and when they go", async () => {
        const [first, second, third] = world.servers;
        const ann = await world.client(first);
        await world.client(first);
        await world.client(second, { namespace: "/custom" });
        world.keep(await ann.also("/custom"), first);
        await allList(new Map([[first, [2, 1]], [second, [0, 1]], [third, [0, 0]]]));
        await world.clear();
        await allList(empty());
      });

      async function visitor(t) {
        const server = await OurServer.start(world.options);
        t.after(() => server.stop());
        return server;
      }

      test("a node that ends is forgotten, and one that is killed as well, within ten seconds", async (t) => {
        const [ending, killed] = [await visitor(t), await visitor(t)];
        await world.client(killed);
        await allList(empty().set(ending, [0, 0]).set(killed, [1, 0]));
        await Promise.all([ending.stop(), killed.kill()]);
        await allList(empty(), FORGOTTEN);
      });

      // behind the last one: nodes that have just come look around more often
      test("a node that closes is forgotten at once", async (t) => {
        // once might be luck
        for (const round of [1, 2, 3]) {
          const leaving = await visitor(t);
          await allList(empty().set(leaving, [0, 0]));
          await leaving.close();
          await allList(empty(), AT_ONCE).catch((error) => assert.fail(`round ${round}: ${error.message}`));
        }
      });

      test("Redis forgets everything: the nodes are there again, also for one that comes", async (t) => {
        await Promise.all(redis.servers.map((server) => server.command("FLUSHALL")));
        // what it lists it can only have from Redis
        const late = await visitor(t);
        await allList(empty().set(late, [0, 0]), FORGOTTEN);
      });
    });
  }
});
