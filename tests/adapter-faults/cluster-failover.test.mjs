// A master of a cluster dies while everybody talks, and its replica takes over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLASSIC, describeOurs, DYNAMIC, STATIC } from "../adapter/buses.mjs";
import { until } from "../harness/deadline.mjs";
import { ENDS, nameOn, ownerOf } from "../harness/faults.mjs";
import { cluster } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const UNDER_WAY = 1000;
const TOGETHER = 3000;
const RECOVERY = 30_000;
const servers = ["ours", "ours"];

describeOurs("a cluster loses a master under traffic", () => {
  /** Whether a server listens at this one, with a classic adapter. */
  async function listensAt(server, { node }, { prefix }) {
    const [, count] = await server.command("PUBSUB", "NUMSUB", `${prefix}-response#/#${node}#`);
    return Number(count) > 0;
  }

  /** Two rooms at each master. */
  const spread = (redis) => async ({ prefix }) => {
    const channelOf = (room) => `${prefix}#/#${room}#`;
    const wanted = [...redis.masters, ...redis.masters];
    return { rooms: await Promise.all(wanted.map((master, i) => nameOn(redis, master, channelOf, `room-${i}`))) };
  };

  for (const [what, end] of Object.entries(ENDS)) {
    test(`it ${what}, and its replica takes over: what is accepted is heard, in order`, async (t) => {
      const redis = await cluster({ replicas: 3 });
      t.after(() => redis.stop());
      const [classic] = await talking(t, redis, [CLASSIC], { servers, prepare: spread(redis) });
      const homes = new Map();
      for (const server of classic.world.servers) {
        for (const master of redis.masters) if (await listensAt(master, server, classic.world)) homes.set(server, master);
      }
      assert.equal(homes.size, servers.length, "each server listens at a master");
      const victim = homes.get(classic.world.servers[0]);
      const prefix = await nameOn(redis, victim, (name) => `${name}#/#`, "static");
      const [fixed] = await talking(t, redis, [STATIC], { servers, prepare: spread(redis), setup: { prefix } });
      const [dynamic] = await talking(t, redis, [DYNAMIC], { servers, prepare: spread(redis) });
      const talks = [classic, fixed, dynamic];
      const touched = new Map();
      for (const room of dynamic.rooms) touched.set(room, (await ownerOf(redis, dynamic.world.channelOf(room))).server === victim);

      const ending = performance.now();
      await end(t, victim);
      const ended = performance.now();
      const heir = async () => (await ownerOf(redis, `${prefix}#/#`)).server;
      await until(heir, "another one has its slots", RECOVERY);
      const back = performance.now();
      const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(back)));
      await Promise.all(talks.map((traffic) => traffic.end()));
      t.diagnostic(`the replica took over after ${Math.round(back - ended)} ms`);

      const underWay = [ending - UNDER_WAY, ended];
      const nothing = {};
      const both = { lost: underWay, doubled: underWay };
      const allowed = {
        // Messages go from master to master, and who says something at another one is not told that nobody listens here.
        // And who says it is connected to a master of its choice, not always to that at which it listens.
        [CLASSIC.title]: (_, hearer) => ({
          lost: homes.get(hearer.server) === victim ? [ending - UNDER_WAY, back + times[0]] : undefined,
          doubled: underWay,
        }),
        [STATIC.title]: () => both,
        [DYNAMIC.title]: ({ room }) => (touched.get(room) ? both : nothing),
      };
      for (const [i, traffic] of talks.entries()) {
        const { title } = traffic.world.bus;
        await t.test(title, async (t) => {
          t.diagnostic(`all hear each other ${times[i]} ms after that`);
          const sums = await traffic.verify(allowed[title], { ending, ended, back });
          t.diagnostic(JSON.stringify(sums));
          assert.ok(times[i] < TOGETHER, `it took ${times[i]} ms\n${traffic.evidence({ ending, ended, back })}`);
          for (const server of traffic.ours) {
            const { dropped } = await server.counters();
            assert.deepEqual([dropped.outbox_full, dropped.outbox_age, dropped.rejected], [0, 0, 0]);
            await until(async () => (await server.status()).state === "connected", `${server.label} is connected`);
          }
        });
      }
    });
  }
});
