// Hash slots move between the masters of a cluster while everybody talks.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { describeOurs, DYNAMIC, STATIC } from "../adapter/buses.mjs";
import { moveSlot, ownerOf, stall } from "../harness/faults.mjs";
import { cluster } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const TOGETHER = 3000;
// less than the others wait for it
const SLOW = 300;

describeOurs("slots of a cluster move under traffic", () => {
  let redis;
  before(async () => {
    redis = await cluster();
  });
  after(() => redis?.stop());

  // the last server of each has nobody in the rooms, so it does not listen to their channels
  const isMember = (server) => server.label !== "ours-2";
  const begin = (t, buses) => talking(t, redis, buses, { servers: ["ours", "ours", "ours"], listening: isMember });

  /** Moves the slot of a room, or of all messages if rooms have no channels; gives when it began and when it was done. */
  async function move({ world, rooms: [room] }) {
    const { slot, server } = await ownerOf(redis, world.channelOf(room) ?? `${world.prefix}#/#`);
    const moving = performance.now();
    await moveSlot(redis, slot, server, redis.masters.find((one) => one !== server));
    return { moving, moved: performance.now() };
  }

  async function afterwards(t, traffic, moments, time) {
    t.diagnostic(`all hear each other ${time} ms after the move`);
    t.diagnostic(JSON.stringify(await traffic.verify(undefined, moments)));
    assert.ok(time < TOGETHER, `it took ${time} ms\n${traffic.evidence(moments)}`);
    for (const server of traffic.ours) {
      const { dropped } = await server.counters();
      assert.deepEqual([dropped.outbox_full, dropped.outbox_age, dropped.rejected], [0, 0, 0]);
      assert.equal((await server.status()).state, "connected");
    }
  }

  test("that of a room, and that of all messages", async (t) => {
    const talks = await begin(t, [DYNAMIC, STATIC]);
    const moves = [];
    for (const traffic of talks) {
      const moments = await move(traffic);
      moves.push({ moments, time: await traffic.togetherAgain(moments.moved) });
    }
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const [i, traffic] of talks.entries()) {
      const { moments, time } = moves[i];
      await t.test(traffic.world.bus.title, (t) => afterwards(t, traffic, moments, time));
    }
  });

  test("a listener that takes a while to follow is waited for", async (t) => {
    const talks = await begin(t, [DYNAMIC, STATIC]);
    for (const traffic of talks) {
      await t.test(traffic.world.bus.title, async (t) => {
        const goOn = stall(t, traffic.world.servers[1]);
        const moments = await move(traffic);
        await pause(SLOW);
        goOn();
        moments.goingOn = performance.now();
        const time = await traffic.togetherAgain(moments.goingOn);
        await traffic.end();
        await afterwards(t, traffic, moments, time);
      });
    }
  });
});
