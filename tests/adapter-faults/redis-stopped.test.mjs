// Redis stands still for a while with all its connections open, and goes on: nothing has happened but time.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { until } from "../harness/deadline.mjs";
import { stall, withQuickClients } from "../harness/faults.mjs";
import { standalone } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const STOP = 10_000;
const NOTICED = 5000;

describeOurs("Redis is stopped under traffic", () => {
  let redis;
  before(async () => {
    redis = withQuickClients(await standalone());
  });
  after(() => redis?.stop());

  test("for ten seconds: nothing is lost, doubled or overtaken", async (t) => {
    const talks = await talking(t, redis, [CLASSIC, DYNAMIC], { servers: ["ours", "ours", "node"] });
    const ours = talks.flatMap((traffic) => traffic.ours);
    const stopped = performance.now();
    const goOn = stall(t, redis.servers[0]);
    const reasons = await Promise.all(
      ours.map(async (server) => {
        const status = async () => {
          const { state, reason } = await server.status();
          return state === "degraded" && reason;
        };
        const reason = await until(status, `${server.label} says that it is degraded, and why`, NOTICED);
        return { after: performance.now() - stopped, reason };
      }),
    );
    await pause(stopped + STOP - performance.now());
    const states = await Promise.all(ours.map(async (server) => (await server.status()).state));
    const goingOn = performance.now();
    goOn();
    for (const server of ours) await until(async () => (await server.status()).state === "connected", `${server.label} is connected`);
    await Promise.all(talks.map((traffic) => traffic.end()));

    for (const { after, reason } of reasons) t.diagnostic(`noticed after ${Math.round(after)} ms: ${reason}`);
    for (const traffic of talks) {
      await t.test(traffic.world.bus.title, async (t) => {
        const sums = await traffic.verify(undefined, { stopped, goingOn });
        t.diagnostic(JSON.stringify(sums));
        for (const server of traffic.ours) {
          const { dropped } = await server.counters();
          assert.deepEqual([dropped.outbox_full, dropped.outbox_age], [0, 0]);
        }
        assert.deepEqual(traffic.hearers.flatMap(({ disconnects }) => disconnects), []);
      });
    }
    assert.deepEqual(states, ours.map(() => "degraded"), "it stays like that");
  });
});
