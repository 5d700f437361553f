// Redis dies and comes back; the nodes stay up all the while.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { emitterOf, takeAway } from "../harness/redis.mjs";

const RECONNECT = 30_000;
const texts = (client) => client.drain("message").map(([text]) => text);

test("Redis is lost and comes back", async (t) => {
  const cluster = await Cluster.start({ nodes: 2 });
  t.after(() => cluster.stop());
  const ready = async (node) => (await cluster.get(node, "/ready")).json;
  const room = freshRoom();
  const chat = (node) => cluster.connect({ node, namespace: "/chat" });
  const [ann, mate, bob, friend] = [await chat("node-1"), await chat("node-1"), await chat("node-2"), await chat("node-2")];
  for (const client of [ann, mate, bob, friend]) await client.join(room);
  const heardByAll = async (sender, text) => {
    await sender.ok("message", room, text);
    for (const other of [ann, mate, bob, friend]) if (other !== sender) await other.hears("message", text);
  };

  await t.test("before: ready, and all hear all", async () => {
    for (const node of cluster.names) assert.equal((await ready(node)).status, "ready");
    await heardByAll(ann, "all is well");
  });

  const bringBack = await takeAway(cluster);

  await t.test("without it: degraded with a reason, and still in service", async () => {
    for (const node of cluster.names) {
      await until(async () => (await ready(node)).status === "degraded", `${node} has noticed`);
      const { status, json } = await cluster.get(node, "/ready");
      assert.equal(status, 200);
      assert.equal(typeof json.reason, "string");
      assert.match(json.reason, /redis/i);
      assert.equal((await cluster.get(node, "/live")).status, 200);
    }
  });

  await t.test("without it: local delivery goes on", async () => {
    await ann.ok("message", room, "among us in node-1");
    assert.equal((await mate.hears("message", "among us in node-1")).from, ann.id);
    await bob.ok("message", room, "among us in node-2");
    await friend.hears("message", "among us in node-2");
  });

  const inTheDark = [...Array(50).keys()];
  await t.test("without it: what is sent waits for the others", async () => {
    for (const [sender, mates] of [[ann, mate], [bob, friend]]) {
      for (const n of inTheDark) await sender.ok("message", room, n);
      await mates.expect("message", (n) => n === inTheDark.at(-1));
      assert.deepEqual(texts(mates), inTheDark.slice(0, -1));
    }
  });

  await t.test("without it: newcomers connect, join and chat", async () => {
    const late = await cluster.connect({ namespace: "/chat" });
    const lateRoom = freshRoom("late");
    const { node } = await late.whoami();
    const other = await chat(node);
    for (const client of [late, other]) await client.join(lateRoom);
    await late.ok("message", lateRoom, "we met in the dark");
    await other.hears("message", "we met in the dark");
    await late.leave(lateRoom);
    await late.refused("room_not_allowed", "join", "berlin");
  });

  await bringBack();

  await t.test("afterwards: ready again", async () => {
    for (const node of cluster.names) {
      await until(async () => (await ready(node)).status === "ready", `${node} is ready again`, RECONNECT);
    }
  });

  await t.test("afterwards: the other node hears what was said in the dark, all of it, once and in order", async () => {
    await heardByAll(ann, "light on node-1");
    await heardByAll(bob, "light on node-2");
    for (const hearer of [bob, friend]) assert.deepEqual(texts(hearer), ["among us in node-1", ...inTheDark]);
    for (const hearer of [ann, mate]) assert.deepEqual(texts(hearer), ["among us in node-2", ...inTheDark]);
  });

  await t.test("afterwards: the cluster is one again, and nobody was disconnected", async () => {
    await nothingMore(ann, bob, friend);
    await nothingMore(bob, ann, mate);
    for (const client of [ann, mate, bob, friend]) assert.deepEqual(client.disconnects, []);
  });

  await t.test("afterwards: requests from the bus are heard, too", async () => {
    const emitter = await emitterOf(cluster);
    emitter.of("/chat").in(bob.id).socketsJoin("lyon");
    await until(async () => (await bob.whoami()).rooms.includes("lyon"), "the emitter has moved a socket");
    emitter.of("/chat").to("lyon").emit("news", "back");
    assert.deepEqual(await bob.expect("news"), ["back"]);
  });
});
