// Redis watched by a sentinel, which says who is the master.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { OurServer } from "../harness/peer.mjs";
import { watched } from "../harness/redis-servers.mjs";
import { CLASSIC, describeOurs, DYNAMIC } from "./buses.mjs";
import { World } from "./world.mjs";

const RECOVERY = 30_000;

describeOurs("a sentinel", () => {
  let redis;
  before(async () => {
    redis = await watched();
  });
  after(() => redis?.stop());
  let world;
  afterEach(() => world?.stop());

  // the second failover is from the replica back to the first master
  for (const bus of [CLASSIC, DYNAMIC]) {
    test(`the master becomes another one, and they talk as before, ${bus.title}`, async () => {
      world = await World.start(redis, bus, { servers: ["ours", "ours"] });
      const people = await world.people();
      await world.talk(people);
      const master = await redis.failOver();
      const channel = `${world.prefix}${bus.sharded ? "" : "-request"}#/#`;
      const count = async () => {
        const [, listeners] = await master.command("PUBSUB", bus.sharded ? "SHARDNUMSUB" : "NUMSUB", channel);
        return Number(listeners) === 2;
      };
      await until(count, "both listen to the new master", RECOVERY);
      for (const server of world.servers) {
        await until(async () => (await server.status()).state === "connected", "it is connected", RECOVERY);
        await until(async () => (await server.nodes()).length === 2, "it knows the other", RECOVERY);
      }
      assert.deepEqual(people.map(({ disconnects }) => disconnects), [[], [], []]);
      await world.talk(people);
    });
  }

  test("a master that the sentinel does not know: it says so, and joins when it does", async (t) => {
    const server = await OurServer.start({ redis: { url: redis.url.replace("#mymaster", "#another") }, mode: "classic" });
    t.after(() => server.stop());
    const { state, reason } = await until(async () => {
      const now = await server.status();
      return now.reason && now;
    }, "there is a reason");
    assert.notEqual(state, "connected");
    assert.match(reason, /another|master|sentinel/i);
    const { port } = redis.masterNow();
    await redis.sentinel.command("SENTINEL", "MONITOR", "another", "127.0.0.1", port, 1);
    await until(async () => (await server.status()).state === "connected", "it is connected", RECOVERY);
  });
});
