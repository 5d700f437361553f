import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { fence, freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();

inEveryMode("relays", (transport) => {
  const on = (node, namespace) => cluster.connect({ node, transport, namespace });
  const everywhere = (namespace) => Promise.all(cluster.names.map((node) => on(node, namespace)));

  test("to a room: the other members on all nodes, not the sender", async () => {
    const [ann, bob, eve] = await everywhere("/chat");
    const [mate, stranger] = [await on("node-1", "/chat"), await on("node-2", "/chat")];
    const room = freshRoom();
    for (const member of [ann, bob, eve, mate]) await member.join(room);

    const before = Date.now();
    const ack = await ann.ok("message", room, "hello", { mood: "good" });
    const after = Date.now();
    assert.deepEqual(Object.keys(ack).sort(), ["at", "ok"]);
    assert.ok(ack.at >= before && ack.at <= after, `at: ${ack.at}, sent between ${before} and ${after}`);

    for (const member of [bob, eve, mate]) {
      const args = await member.expect("message");
      assert.deepEqual(args, ["hello", { mood: "good" }, { room, from: ann.id, at: ack.at }]);
    }
    await nothingMore(bob, ann, eve, mate, stranger);
  });

  test("to the namespace: all others in the lobby", async () => {
    const [ann, bob, eve] = await everywhere("/");
    const mate = await on("node-1", "/");
    const ack = await ann.ok("message", "hello", 42);
    for (const other of [bob, eve, mate]) {
      assert.deepEqual(await other.expect("message"), ["hello", 42, { from: ann.id, at: ack.at }]);
    }
    // the answer travels behind it
    await bob.ok("message", "welcome");
    for (const other of [ann, eve, mate]) await other.hears("message", "welcome");
    for (const client of [ann, bob, eve, mate]) assert.deepEqual(client.unread, []);
  });

  test("an event may carry no argument, or many", async () => {
    const [ann, bob] = [await on("node-1", "/chat"), await on("node-2", "/chat")];
    const room = freshRoom();
    for (const member of [ann, bob]) await member.join(room);
    const { at } = await ann.ok("message", room, ...Array.from({ length: 16 }, (_, i) => i));
    assert.deepEqual(await bob.expect("message"), [...Array(16).keys(), { room, from: ann.id, at }]);
    await ann.ok("message", room);
    const args = await bob.expect("message");
    assert.deepEqual(Object.keys(args[0]).sort(), ["at", "from", "room"]);
    assert.equal(args.length, 1);
  });

  test("a relay without an ack is a relay all the same", async () => {
    const [ann, bob] = [await on("node-1", "/chat"), await on("node-2", "/chat")];
    const room = freshRoom();
    for (const member of [ann, bob]) await member.join(room);
    ann.emit("message", room, "no answer, please");
    const meta = await bob.hears("message", "no answer, please");
    assert.equal(meta.from, ann.id);
    await nothingMore(bob, ann);
  });

  test("who is in several rooms hears each once", async () => {
    const [ann, bob] = [await on("node-1", "/chat"), await on("node-3", "/chat")];
    const [red, blue] = [freshRoom("red"), freshRoom("blue")];
    for (const member of [ann, bob]) for (const room of [red, blue]) await member.join(room);
    await ann.ok("message", red, "in red");
    await ann.ok("message", blue, "in blue");
    assert.equal((await bob.hears("message", "in red")).room, red);
    assert.equal((await bob.hears("message", "in blue")).room, blue);
    await nothingMore(ann, bob);
  });

  test("volatile typing arrives at idle clients on all nodes", async () => {
    const [ann, bob, eve] = await everywhere("/chat");
    const room = freshRoom();
    for (const member of [ann, bob, eve]) await member.join(room);
    // when the fence is through, nobody has anything else to be told
    await fence(ann, bob, eve);
    await ann.ok("typing", room, { name: "Ann" });
    for (const other of [bob, eve]) {
      const [what, meta] = await other.expect("typing");
      assert.deepEqual(what, { name: "Ann" });
      assert.equal(meta.room, room);
      assert.equal(meta.from, ann.id);
    }
    await nothingMore(bob, ann);
  });

  test("here, the demo page's list of members, is relayed like the rest", async () => {
    const [ann, bob] = [await on("node-1", "/chat"), await on("node-2", "/chat")];
    const room = freshRoom();
    for (const member of [ann, bob]) await member.join(room);
    const { at } = await ann.ok("here", room, { name: "Ann", colour: "teal" });
    assert.deepEqual(await bob.expect("here"), [{ name: "Ann", colour: "teal" }, { room, from: ann.id, at }]);
  });

  test("a client that sends through the volatile flag is heard too", async () => {
    const [ann, bob] = [await on("node-1", "/chat"), await on("node-2", "/chat")];
    const room = freshRoom();
    for (const member of [ann, bob]) await member.join(room);
    // the client drops a volatile event itself while a request of its own is on the way
    await until(() => ann.socket.io.engine.transport.writable, "the transport is writable");
    ann.socket.volatile.emit("typing", room, "Ann");
    assert.equal((await bob.hears("typing", "Ann")).from, ann.id);
  });
});
