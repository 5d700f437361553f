// Redis is away for longer than the outbox can wait: the oldest are given up, and counted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { World } from "../adapter/world.mjs";
import { until } from "../harness/deadline.mjs";
import { takeAway } from "../harness/faults.mjs";
import { standalone } from "../harness/redis-servers.mjs";

const SAID = 300;
const KEPT = 100;
// longer than it takes to connect anew and to wait for the others
const LONG_AGE = 5000;
const SHORT_AGE = 500;
const ROOM = "room";
const RECOVERY = 30_000;
const upTo = (count) => [...Array(count).keys()];

/** Two servers with a limit, and a client at each in the same room. */
async function pair(t, redis, bus, outbox) {
  const world = await World.start(redis, bus, { servers: ["ours", "ours"], outbox });
  t.after(() => world.stop());
  const people = await Promise.all(world.servers.map((server) => world.client(server)));
  await world.join(ROOM, ...people);
  const say = async (event, numbers) => {
    for (const n of numbers) for (const server of world.servers) await server.emit({ to: [ROOM] }, event, server.node, n);
  };
  await say("before", [0]);
  for (const person of people) for (const { node } of world.servers) await person.expect("before", (from) => from === node);
  /** What each has heard of the other: nothing more comes when this, said when all is well, has come. */
  const heardOfOther = async (event) => {
    for (const server of world.servers) {
      // before that a fence would only make the outbox fuller
      await until(async () => (await server.counters()).outboxMessages === 0, "nothing waits any more", RECOVERY);
    }
    for (const [i, person] of people.entries()) {
      const other = world.servers[1 - i];
      const fence = async () => {
        await other.emit({ to: [ROOM] }, "fence", other.node);
        return person.drain("fence").some(([node]) => node === other.node);
      };
      await until(fence, "they hear each other again", RECOVERY);
    }
    return people.map((person, i) => {
      const others = person.drain(event).filter(([node]) => node === world.servers[1 - i].node);
      return others.map(([, n]) => n);
    });
  };
  const dropped = async () => Promise.all(world.servers.map(async (server) => (await server.counters()).dropped));
  return { world, bus, say, heardOfOther, dropped };
}

describeOurs("an outbox with little room", () => {
  let redis;
  before(async () => {
    redis = await standalone();
  });
  after(() => redis?.stop());

  test("Redis is away for too long", async (t) => {
    const pairs = (outbox) => Promise.all([CLASSIC, DYNAMIC].map((bus) => pair(t, redis, bus, outbox)));
    const [small, short, long] = await Promise.all([{ messages: KEPT }, { ageMs: SHORT_AGE }, { ageMs: LONG_AGE }].map(pairs));
    const all = [...small, ...short, ...long];
    const bringBack = await takeAway(redis);
    for (const { world } of all) {
      for (const server of world.servers) {
        // what is being published at the moment is not given up, which this is not about
        await until(async () => (await server.status()).state === "lost", "it has noticed");
      }
    }
    await Promise.all(all.map(({ say }) => say("old", upTo(SAID))));
    // there is nothing to see of age
    await pause(LONG_AGE);
    await Promise.all(long.map(({ say }) => say("young", upTo(KEPT))));
    await bringBack();

    for (const { bus, heardOfOther, dropped } of small) {
      await t.test(`too many: the last ones are heard, ${bus.title}`, async () => {
        const expected = upTo(SAID).slice(-KEPT);
        assert.deepEqual(await heardOfOther("old"), [expected, expected]);
        for (const { outbox_full, outbox_age } of await dropped()) {
          assert.deepEqual([outbox_full, outbox_age], [SAID - KEPT, 0]);
        }
      });
    }
    for (const { bus, heardOfOther, dropped } of short) {
      await t.test(`too old: none of them is heard, ${bus.title}`, async () => {
        assert.deepEqual(await heardOfOther("old"), [[], []]);
        for (const { outbox_full, outbox_age } of await dropped()) assert.deepEqual([outbox_full, outbox_age], [0, SAID]);
      });
    }
    for (const { bus, heardOfOther, dropped } of long) {
      await t.test(`too old or not: the younger ones are heard, ${bus.title}`, async () => {
        assert.deepEqual(await heardOfOther("young"), [upTo(KEPT), upTo(KEPT)]);
        assert.deepEqual(await heardOfOther("old"), [[], []]);
        for (const { outbox_full, outbox_age } of await dropped()) assert.deepEqual([outbox_full, outbox_age], [0, SAID]);
      });
    }
  });
});
