// Clients of the 2.x line (Engine.IO 3) beside those of today.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();

inEveryMode("socket.io-client 2.x", (transport) => {
  const old = (node) => cluster.connect({ node, transport, namespace: "/chat", eio3: true });
  const today = (node) => cluster.connect({ node, namespace: "/chat" });

  test("it is led to a node like any other, and joins", async () => {
    const ann = await old("node-2");
    assert.equal(ann.socket.io.engine.protocol, undefined, "this is not a client of today");
    const room = freshRoom();
    assert.deepEqual(await ann.join(room), { ok: true, room, members: 1 });
    const me = await ann.whoami();
    assert.deepEqual(me, { ok: true, id: me.id, node: "node-2", namespace: "/chat", rooms: [room] });
    // This client takes the key of its session for its id. On polling that is longer than the id that others know, and
    // remains so after an upgrade: such clients must ask whoami who they are.
    if (transport === "websocket") assert.equal(ann.id, me.id);
    else assert.match(ann.id, new RegExp(`^${me.id}n002[\\w-]{22}$`));
    assert.deepEqual(await ann.leave(room), { ok: true, room, members: 0 });
  });

  test("relays go both ways between old and new clients on all nodes", async () => {
    const room = freshRoom();
    const [ann, mate] = [await old("node-1"), await old("node-2")];
    const [bob, eve] = [await today("node-2"), await today("node-3")];
    for (const client of [ann, mate, bob, eve]) await client.join(room);

    const { id } = await ann.whoami();
    const { at } = await ann.ok("message", room, "from the past", { "ключ": [1.5, null, "🎉"] });
    for (const other of [mate, bob, eve]) {
      const args = await other.expect("message");
      assert.deepEqual(args, ["from the past", { "ключ": [1.5, null, "🎉"] }, { room, from: id, at }]);
    }
    await eve.ok("message", room, "from today");
    for (const other of [ann, mate, bob]) assert.equal((await other.hears("message", "from today")).from, eve.id);
    await nothingMore(bob, ann, mate, eve);
    await nothingMore(ann, mate, bob, eve);
  });

  test("binary goes both ways", async () => {
    const room = freshRoom();
    const [ann, bob] = [await old("node-1"), await today("node-2")];
    for (const client of [ann, bob]) await client.join(room);
    const file = { name: "a.bin", parts: [Buffer.from([0, 255, 128]), { more: Buffer.alloc(100_000, 7) }] };
    await ann.ok("file", room, file);
    assert.deepEqual((await bob.expect("file"))[0], file);
    await bob.ok("file", room, file);
    assert.deepEqual((await ann.expect("file"))[0], file);
  });

  test("a refusal comes as an ack, and the connection stays", async () => {
    const ann = await old("node-3");
    await ann.join("paris");
    await ann.refused("room_not_allowed", "join", "berlin");
    await ann.refused("invalid_room", "join", 7);
    await ann.refused("unknown_event", "shout", "hey");
    await ann.refused("not_in_room", "message", "lyon", "hey");
    await ann.refused("invalid_arguments", "message", "paris", Buffer.from("hey"));
    assert.deepEqual(ann.disconnects, []);
  });

  test("the lobby hears it, and twenty messages stay in order", async () => {
    const [ann, bob] = [
      await cluster.connect({ node: "node-1", transport, eio3: true }),
      await cluster.connect({ node: "node-2" }),
    ];
    const numbers = [...Array(20).keys()];
    await Promise.all(numbers.map((n) => ann.ok("message", n)));
    await bob.expect("message", (n) => n === 19);
    assert.deepEqual(bob.unread.map(([, n]) => n), numbers.slice(0, -1));
    await bob.ok("message", "well counted");
    await ann.hears("message", "well counted");
    assert.deepEqual(ann.unread, []);
  });
});
