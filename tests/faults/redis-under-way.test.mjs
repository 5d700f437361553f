// Redis dies, comes back, or just stops for a moment, while people talk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { stall, takeAway } from "../harness/redis.mjs";

const RECONNECT = 30_000;
const heardBy = (client) => client.unread.map(([, text]) => text);
const upTo = (count) => [...Array(count).keys()];

async function twoOnTwoNodes(t) {
  const cluster = await Cluster.start({ nodes: 2 });
  t.after(() => cluster.stop());
  const room = freshRoom();
  const [ann, bob] = [
    await cluster.connect({ node: "node-1", namespace: "/chat" }),
    await cluster.connect({ node: "node-2", namespace: "/chat" }),
  ];
  for (const client of [ann, bob]) await client.join(room);
  return { cluster, room, ann, bob };
}

/** They have heard exactly this, and a fence in both directions brings nothing more. */
async function nothingElse(ann, bob, { byAnn, byBob }) {
  assert.deepEqual(heardBy(ann), byAnn);
  assert.deepEqual(heardBy(bob), byBob);
  for (const hearer of [ann, bob]) hearer.drain("message");
  await nothingMore(ann, bob);
  await nothingMore(bob, ann);
}

test("Redis is lost and comes back again and again", async (t) => {
  const { cluster, room, ann, bob } = await twoOnTwoNodes(t);
  for (const round of [1, 2, 3]) {
    const numbers = upTo(20).map((n) => `${round}.${n}`);
    const bringBack = await takeAway(cluster);
    for (const text of numbers) for (const sender of [ann, bob]) await sender.ok("message", room, text);
    await bringBack();
    // nothing was under way when Redis died, so nothing may come twice
    for (const hearer of [ann, bob]) {
      await until(() => hearer.unread.length >= numbers.length, `${hearer.id} has heard round ${round}`, RECONNECT);
    }
    await nothingElse(ann, bob, { byAnn: numbers, byBob: numbers });
  }
  for (const client of [ann, bob]) assert.deepEqual(client.disconnects, []);
});

for (const talked of [false, true]) {
  test(`a node waits with what it has to say until slower ones are back, having talked before: ${talked}`, async (t) => {
    const { cluster, room, ann, bob } = await twoOnTwoNodes(t);
    if (talked) {
      await ann.ok("message", room, "before");
      await bob.hears("message", "before");
    }
    const connects = await cluster.metric("node-1", "roomcast_bus_connects_total");
    const bringBack = await takeAway(cluster);
    // what is said before would fail to be published, and by that the node would know of the outage in another way
    await until(async () => (await cluster.metric("node-1", "roomcast_bus_up")) === 0, "node-1 has noticed");
    for (const n of upTo(20)) await ann.ok("message", room, n);
    const goOn = stall(cluster, cluster.node("node-2"));
    await bringBack();
    const isBack = async () => (await cluster.metric("node-1", "roomcast_bus_connects_total")) > connects;
    await until(isBack, "node-1 is back, and node-2 is not", RECONNECT);
    goOn();
    await until(() => bob.unread.length >= 20, "bob has heard all", RECONNECT);
    await nothingElse(ann, bob, { byAnn: [], byBob: upTo(20) });
  });
}

test("Redis dies in the middle of a conversation", async (t) => {
  const { cluster, room, ann, bob } = await twoOnTwoNodes(t);
  let sent = 0;
  let talking = true;
  const talk = (async () => {
    while (talking) {
      await ann.ok("message", room, sent);
      sent += 1;
      // a conversation, not a flood: a client that is away from its queue for long loses what does not fit
      await pause(2);
    }
  })();
  await until(() => bob.unread.length >= 20, "they talk");
  const bringBack = await takeAway(cluster);
  // the next one was sent when Redis was dead: from there on nothing may be lost or come twice
  const safe = sent + 1;
  await until(() => sent >= safe + 50, "they talk in the dark");
  await bringBack();
  talking = false;
  await talk;

  await until(() => heardBy(bob).includes(sent - 1), "the last one is heard", RECONNECT);
  const heard = heardBy(bob);
  // what was being published when Redis died may be lost with it or be repeated, but never overtake
  const firsts = heard.filter((n, i) => heard.indexOf(n) === i);
  assert.deepEqual(firsts, [...firsts].sort((a, b) => a - b), "in order");
  assert.deepEqual(firsts.slice(0, 20), upTo(20), "what was heard before");
  assert.deepEqual(heard.filter((n) => n >= safe), upTo(sent).slice(safe), "all that was said in the dark, and once");
  bob.drain("message");
  await nothingMore(ann, bob);
});

test("Redis stops for a moment, with all connections open: nothing is lost, repeated or out of order", async (t) => {
  const { cluster, room, ann, bob } = await twoOnTwoNodes(t);
  let said = 0;
  const say = async (count) => {
    for (let n = 0; n < count; n += 1) {
      await Promise.all([ann, bob].map((sender) => sender.ok("message", room, said)));
      said += 1;
      await pause(15);
    }
  };
  await say(20);
  const goOn = stall(cluster);
  // a hundred at this pace take a second and a half, which is the length of the stop
  await say(100);
  goOn();
  await say(20);
  for (const hearer of [ann, bob]) await until(() => hearer.unread.length >= said, `${hearer.id} has heard all`, RECONNECT);
  await nothingElse(ann, bob, { byAnn: upTo(said), byBob: upTo(said) });
  for (const client of [ann, bob]) assert.deepEqual(client.disconnects, []);
});
