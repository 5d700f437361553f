import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCER } from "../harness/balancer.mjs";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();

inEveryMode("rooms", (transport) => {
  const chat = (node) => cluster.connect({ node, transport, namespace: "/chat" });

  test("rooms by name and by pattern may be joined", async () => {
    const ann = await chat("node-1");
    for (const room of ["paris", "lyon", "room:1", "room:blue sky", "room:*", "room:#", "room:Zürich 🏔"]) {
      const ack = await ann.join(room);
      assert.equal(ack.room, room);
      assert.ok(ack.members >= 1, `members: ${ack.members}`);
    }
    const { rooms } = await ann.whoami();
    assert.deepEqual(rooms.sort(), ["paris", "lyon", "room:1", "room:blue sky", "room:*", "room:#", "room:Zürich 🏔"].sort());
  });

  test("whoami tells id, node, namespace and rooms", async () => {
    const ann = await chat("node-2");
    const room = freshRoom();
    await ann.join(room);
    assert.deepEqual(await ann.whoami(), { ok: true, id: ann.id, node: "node-2", namespace: "/chat", rooms: [room] });
  });

  test("a client that the balancer has placed stays where it is, wherever its requests come in", async () => {
    const forwarded = async () => {
      const counts = cluster.names.map((name) => cluster.metric(name, "roomcast_forwarded_total", { outcome: "answered" }));
      return (await Promise.all(counts)).reduce((sum, count) => sum + count);
    };
    const before = await forwarded();
    const clients = await Promise.all([...cluster.names, undefined].map(chat));
    for (const [i, client] of clients.entries()) {
      const { node } = await client.whoami();
      assert.equal(node, cluster.names[i] ?? node);
      for (let times = 0; times < 5; times += 1) assert.equal((await client.whoami()).node, node);
    }
    const more = (await forwarded()) - before;
    if (BALANCER === "by-sid" || transport === "websocket") assert.equal(more, 0, "the nodes had to pass requests on");
    else if (transport === "polling") assert.ok(more > 0, "all requests came to their node");
  });

  test("a client may go to a node directly", async () => {
    const client = await cluster.connect({ direct: "node-3", transport, namespace: "/chat" });
    assert.equal((await client.whoami()).node, "node-3");
  });

  test("the ack of join and leave counts the members", async () => {
    const [ann, bob] = [await chat("node-1"), await chat("node-1")];
    const room = freshRoom();
    assert.deepEqual(await ann.join(room), { ok: true, room, members: 1 });
    assert.deepEqual(await bob.join(room), { ok: true, room, members: 2 });
    assert.deepEqual(await bob.leave(room), { ok: true, room, members: 1 });
    assert.deepEqual(await ann.leave(room), { ok: true, room, members: 0 });
  });

  test("joining twice is joining once", async () => {
    const [ann, bob] = [await chat("node-1"), await chat("node-2")];
    const room = freshRoom();
    await ann.join(room);
    assert.deepEqual(await ann.join(room), { ok: true, room, members: 1 });
    await bob.join(room);
    await bob.ok("message", room, "only once");
    await ann.hears("message", "only once");
    await nothingMore(bob, ann);
  });

  test("who has left a room hears nothing more of it", async () => {
    const [ann, bob, eve] = [await chat("node-1"), await chat("node-2"), await chat("node-3")];
    const room = freshRoom();
    for (const client of [ann, bob, eve]) await client.join(room);
    await ann.ok("message", room, "to both");
    await bob.hears("message", "to both");
    await eve.hears("message", "to both");

    await eve.leave(room);
    await ann.ok("message", room, "to bob");
    await bob.hears("message", "to bob");
    await nothingMore(ann, bob, eve);
    assert.deepEqual((await eve.whoami()).rooms, []);
  });

  test("a room of 128 bytes is allowed", async () => {
    const [ann, bob] = [await chat("node-1"), await chat("node-2")];
    const room = `room:${"x".repeat(123)}`;
    await ann.join(room);
    await bob.join(room);
    await ann.ok("message", room, "long name");
    assert.equal((await bob.hears("message", "long name")).room, room);
  });

  test("join and leave work without an ack", async () => {
    const [ann, bob] = [await chat("node-1"), await chat("node-2")];
    const room = freshRoom();
    await bob.join(room);
    ann.emit("join", room);
    ann.emit("message", room, "joined in silence");
    await bob.hears("message", "joined in silence");
    ann.emit("leave", room);
    await ann.refused("not_in_room", "message", room, "left in silence");
  });
});
