// Redis dies and comes back; the nodes stay up all the while.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { emitterOf, takeAway } from "../harness/redis.mjs";

const RECONNECT = 30_000;

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
    await friend.ok("message", room, "among us in node-2");
    await bob.hears("message", "among us in node-2");
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

  await t.test("afterwards: the cluster is one again, and nobody was disconnected", async () => {
    // what was said in the dark may come late or not at all, but not twice and not in between
    await heardByAll(ann, "light on node-1");
    await heardByAll(bob, "light on node-2");
    for (const client of [ann, mate, bob, friend]) {
      client.drain("message");
      assert.deepEqual(client.disconnects, []);
    }
    await nothingMore(ann, bob, friend);
    await nothingMore(bob, ann, mate);
  });

  await t.test("afterwards: requests from the bus are heard, too", async () => {
    const emitter = await emitterOf(cluster);
    emitter.of("/chat").in(bob.id).socketsJoin("lyon");
    await until(async () => (await bob.whoami()).rooms.includes("lyon"), "the emitter has moved a socket");
    emitter.of("/chat").to("lyon").emit("news", "back");
    assert.deepEqual(await bob.expect("news"), ["back"]);
  });
});

test("Redis is lost and comes back again and again, under way", async (t) => {
  const cluster = await Cluster.start({ nodes: 2 });
  t.after(() => cluster.stop());
  const room = freshRoom();
  const [ann, bob] = [
    await cluster.connect({ node: "node-1", namespace: "/chat" }),
    await cluster.connect({ node: "node-2", namespace: "/chat" }),
  ];
  for (const client of [ann, bob]) await client.join(room);

  for (const round of [1, 2, 3]) {
    const bringBack = await takeAway(cluster);
    for (let n = 0; n < 10; n += 1) await ann.ok("message", room, `${round}.${n}`);
    await bringBack();
    await until(async () => {
      const text = `round ${round}, are you there? ${Math.random()}`;
      await ann.ok("message", room, text);
      return bob.unread.some(([, heard]) => String(heard).startsWith(`round ${round}`));
    }, `node-2 hears node-1 after round ${round}`, RECONNECT);
  }
  // nothing was heard twice, and what was heard is in the order in which it was said
  await ann.ok("message", room, "the end");
  await bob.hears("message", "the end");
  const heard = bob.drain("message").map(([text]) => text);
  assert.equal(new Set(heard).size, heard.length, `heard twice: ${heard}`);
  const numbered = heard.filter((text) => /^\d\.\d$/.test(text));
  assert.deepEqual(numbered, [...numbered].sort());
});
