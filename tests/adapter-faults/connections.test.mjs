// The way of one server to Redis fails, while Redis and the others are well.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { NOBODY } from "../adapter/world.mjs";
import { until } from "../harness/deadline.mjs";
import { OurServer } from "../harness/peer.mjs";
import { Proxy } from "../harness/proxy.mjs";
import { standalone } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const BUSES = [CLASSIC, DYNAMIC];
const UNDER_WAY = 1000;
const NOTICED = 5000;
const TOGETHER_AFTER_CUT = 3000;
// until it is noticed, and then some attempts on connections that lead nowhere either
const TOGETHER_AFTER_FREEZE = 15_000;

describeOurs("the connections of one server", () => {
  let redis;
  before(async () => {
    redis = await standalone();
  });
  after(() => redis?.stop());

  /** Three servers on each bus, the last of which goes by a proxy. */
  async function talkingByProxy(t, servers = ["ours", "node"]) {
    const proxy = await Proxy.start(redis.servers[0].port);
    t.after(() => proxy.stop());
    const prepare = async (world) => {
      const far = await OurServer.start({ ...world.options, redis: { url: proxy.url } });
      world.servers.push(far);
      world.far = far;
      await world.together();
    };
    return { proxy, talks: await talking(t, redis, BUSES, { servers, prepare }) };
  }

  /** What was on its way to the far server is lost with the connections, until it listens again. */
  function verify(traffic, { failed, together, moments }) {
    const toFar = { lost: [failed - UNDER_WAY, failed + together], doubled: undefined };
    const fromFar = { lost: undefined, doubled: [failed - UNDER_WAY, failed + UNDER_WAY] };
    const { far } = traffic.world;
    const allowed = ({ sender }, { server }) => (server === far ? toFar : sender === far ? fromFar : {});
    return traffic.verify(allowed, moments);
  }

  const noDrops = async ({ ours }) => {
    for (const server of ours) {
      const { dropped } = await server.counters();
      assert.deepEqual([dropped.outbox_full, dropped.outbox_age], [0, 0]);
    }
  };

  test("they are cut: nothing that this server says is lost", async (t) => {
    const { proxy, talks } = await talkingByProxy(t);
    const failed = performance.now();
    assert.ok(proxy.cut() > 2 * BUSES.length, "there were connections to cut");
    const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(failed)));
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const [i, traffic] of talks.entries()) {
      await t.test(traffic.world.bus.title, async (t) => {
        t.diagnostic(`all hear each other ${times[i]} ms after the cut`);
        t.diagnostic(JSON.stringify(await verify(traffic, { failed, together: times[i], moments: { failed } })));
        assert.ok(times[i] < TOGETHER_AFTER_CUT, `it took ${times[i]} ms\n${traffic.evidence({ failed })}`);
        await noDrops(traffic);
        assert.equal((await traffic.world.far.status()).state, "connected");
      });
    }
  });

  test("they lead nowhere, and nobody is told: noticed, and replaced by others", async (t) => {
    const { proxy, talks } = await talkingByProxy(t);
    const connects = await Promise.all(talks.map(async ({ world }) => (await world.far.counters()).connects));
    const failed = performance.now();
    assert.ok(proxy.freeze() > 2 * BUSES.length, "there were connections to freeze");
    const noticed = talks.map(async ({ world: { far } }, i) => {
      const sign = async () => {
        const { state, reason } = await far.status();
        return state !== "connected" ? reason : (await far.counters()).connects > connects[i] && "subscribed anew";
      };
      const what = await until(sign, "it is noticed", 2 * NOTICED);
      return { after: Math.round(performance.now() - failed), what };
    });
    const signs = await Promise.all(noticed);
    const times = await Promise.all(talks.map((traffic) => traffic.togetherAgain(failed)));
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const [i, traffic] of talks.entries()) {
      await t.test(traffic.world.bus.title, async (t) => {
        t.diagnostic(`noticed after ${signs[i].after} ms (${signs[i].what}), all hear each other after ${times[i]} ms`);
        t.diagnostic(JSON.stringify(await verify(traffic, { failed, together: times[i], moments: { failed } })));
        assert.ok(signs[i].after < NOTICED, `noticed after ${signs[i].after} ms\n${traffic.evidence({ failed })}`);
        assert.ok(times[i] < TOGETHER_AFTER_FREEZE, `it took ${times[i]} ms\n${traffic.evidence({ failed })}`);
        await noDrops(traffic);
        await until(async () => (await traffic.world.far.status()).state === "connected", "it is connected");
      });
    }
  });

  test("they lead nowhere: those that Redis still has are not taken for servers that should answer", async (t) => {
    const { proxy, talks } = await talkingByProxy(t, ["ours", "ours"]);
    const failed = performance.now();
    proxy.freeze();
    await Promise.all(talks.map((traffic) => traffic.togetherAgain(failed)));
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const { world, rooms } of talks) {
      await t.test(world.bus.title, async (t) => {
        const counted = `${world.prefix}${world.bus.sharded ? "" : "-request"}#/#`;
        t.diagnostic(`Redis counts ${await redis.listeners(counted, world.bus)} that listen to ${counted}`);
        for (const server of world.servers) await until(async () => (await server.nodes()).length === 3, "it knows all three");
        for (const server of world.servers) {
          const { sockets, missing } = await server.fetchSockets({});
          assert.equal(sockets.length, world.servers.length * rooms.length);
          assert.deepEqual(missing, NOBODY, `what ${server.label} misses`);
        }
      });
    }
  });

  test("they are slow: that is no fault", async (t) => {
    const { proxy, talks } = await talkingByProxy(t, ["ours"]);
    const connects = await Promise.all(talks.map(async ({ world }) => (await world.far.counters()).connects));
    proxy.delay(150);
    await Promise.all(talks.map((traffic) => traffic.more(1000)));
    const states = await Promise.all(talks.map(async ({ world }) => (await world.far.status()).state));
    await Promise.all(talks.map((traffic) => traffic.end()));
    for (const [i, traffic] of talks.entries()) {
      await t.test(traffic.world.bus.title, async () => {
        t.diagnostic(JSON.stringify(await traffic.verify()));
        assert.equal(states[i], "connected");
        assert.equal((await traffic.world.far.counters()).connects, connects[i], "it has not connected anew");
      });
    }
  });
});
