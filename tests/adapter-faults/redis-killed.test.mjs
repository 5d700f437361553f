// Redis dies while everybody talks, and comes back: what was said in the dark is heard afterwards.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { takeAway, withQuickClients } from "../harness/faults.mjs";
import { standalone } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const TOGETHER = 3000;
// what was accepted so shortly before the kill may have been on its way
const UNDER_WAY = 1000;

describeOurs("Redis is killed under traffic", () => {
  let redis;
  before(async () => {
    redis = withQuickClients(await standalone());
  });
  after(() => redis?.stop());

  test("it comes back: what was said in the dark is heard once and in order, soon", async (t) => {
    const talks = await talking(t, redis, [CLASSIC, DYNAMIC], { servers: ["ours", "ours", "node"] });
    const killing = performance.now();
    const bringBack = await takeAway(redis);
    const killed = performance.now();
    await Promise.all(talks.map((traffic) => traffic.more(1500)));
    const back = await bringBack();
    const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(back)));
    await Promise.all(talks.map((traffic) => traffic.end()));

    for (const [i, traffic] of talks.entries()) {
      await t.test(traffic.world.bus.title, async (t) => {
        t.diagnostic(`all hear each other ${times[i]} ms after Redis was back`);
        const underWay = [killing - UNDER_WAY, killed];
        // Node's servers do not wait for others when they are back
        const byNode = [killing - UNDER_WAY, back + TOGETHER];
        const allowed = ({ sender }) => {
          const time = sender.kind === "node" ? byNode : underWay;
          return { lost: time, doubled: time };
        };
        const sums = await traffic.verify(allowed, { killing, killed, back });
        t.diagnostic(JSON.stringify(sums));
        assert.ok(times[i] < TOGETHER, `it took ${times[i]} ms until all heard each other\n${traffic.evidence()}`);
        for (const server of traffic.ours) {
          const { dropped } = await server.counters();
          assert.deepEqual([dropped.outbox_full, dropped.outbox_age], [0, 0]);
          assert.equal((await server.status()).state, "connected");
        }
        assert.deepEqual(traffic.hearers.flatMap(({ disconnects }) => disconnects), []);
      });
    }
  });
});
