// The master that a sentinel watches becomes another one while everybody talks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { until } from "../harness/deadline.mjs";
import { ENDS } from "../harness/faults.mjs";
import { watched } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const UNDER_WAY = 1000;
const TOGETHER = 5000;
const RECOVERY = 30_000;
const servers = ["ours", "ours"];

describeOurs("another master under traffic, watched by a sentinel", () => {
  async function start(t) {
    const redis = await watched();
    t.after(() => redis.stop());
    return redis;
  }

  async function portOfMaster({ sentinel }) {
    return Number((await sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"))[1]);
  }

  async function afterwards(t, traffic, { time, allowed, moments }) {
    t.diagnostic(`all hear each other ${time} ms after the sentinel named the new master`);
    t.diagnostic(JSON.stringify(await traffic.verify(() => allowed, moments)));
    assert.ok(time < TOGETHER, `it took ${time} ms\n${traffic.evidence(moments)}`);
    for (const server of traffic.ours) {
      const { dropped } = await server.counters();
      assert.deepEqual([dropped.outbox_full, dropped.outbox_age, dropped.rejected], [0, 0, 0]);
      await until(async () => (await server.status()).state === "connected", `${server.label} is connected`);
    }
  }

  for (const [what, end] of Object.entries(ENDS)) {
    test(`the master ${what}: what was said in the dark is heard once and in order`, async (t) => {
      const redis = await start(t);
      const talks = await talking(t, redis, [CLASSIC, DYNAMIC], { servers });
      const [, replica] = redis.servers;
      const ending = performance.now();
      await end(t, redis.masterNow());
      const ended = performance.now();
      await until(async () => (await portOfMaster(redis)) === replica.port, "the sentinel names another one", RECOVERY);
      const named = performance.now();
      const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(named)));
      await Promise.all(talks.map((traffic) => traffic.end()));
      const underWay = [ending - UNDER_WAY, ended];
      const allowed = { lost: underWay, doubled: underWay };
      for (const [i, traffic] of talks.entries()) {
        const moments = { ending, ended, named };
        await t.test(traffic.world.bus.title, (t) => afterwards(t, traffic, { time: times[i], allowed, moments }));
      }
    });
  }

  test("the master is replaced on demand: they follow, each in its time", async (t) => {
    const redis = await start(t);
    const talks = await talking(t, redis, [CLASSIC, DYNAMIC], { servers });
    const asked = performance.now();
    await redis.failOver();
    const done = performance.now();
    const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(done)));
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const [i, traffic] of talks.entries()) {
      // While there are two masters, who has gone over to the new one does not hear those who have not.
      const allowed = { lost: [asked - UNDER_WAY, done + times[i]], doubled: [asked - UNDER_WAY, done + times[i]] };
      const moments = { asked, done };
      await t.test(traffic.world.bus.title, (t) => afterwards(t, traffic, { time: times[i], allowed, moments }));
    }
  });
});
