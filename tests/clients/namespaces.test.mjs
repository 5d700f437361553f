import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

// Same rooms in two namespaces are what could leak.
const cluster = clusterForFile({ config: new URL("two-namespaces.toml", import.meta.url).pathname });

inEveryMode("namespaces", (transport) => {
  const on = (node, namespace) => cluster.connect({ node, transport, namespace });

  test("the same room in another namespace hears nothing", async () => {
    const [ann, bob] = [await on("node-1", "/red"), await on("node-2", "/red")];
    const [eve, mallory] = [await on("node-1", "/blue"), await on("node-2", "/blue")];
    const room = freshRoom();
    for (const client of [ann, bob, eve, mallory]) await client.join(room);

    await ann.ok("message", room, "only for red");
    await bob.hears("message", "only for red");
    // bob's node has it, so whatever it would tell mallory is on its way before this
    await eve.ok("message", room, "only for blue");
    await mallory.hears("message", "only for blue");
    for (const client of [ann, bob, eve, mallory]) assert.deepEqual(client.unread, []);
  });

  test("two namespaces over one connection stay apart", async () => {
    const [red, other] = [await on("node-1", "/red"), await on("node-2", "/blue")];
    const blue = await red.also("/blue");
    const room = freshRoom();
    await blue.join(room);
    await other.join(room);
    await red.refused("not_in_room", "message", room, "from red");
    assert.deepEqual((await red.whoami()).rooms, []);
    assert.deepEqual((await blue.whoami()).rooms, [room]);

    await other.ok("message", room, "for blue");
    assert.equal((await blue.hears("message", "for blue")).from, other.id);
    assert.deepEqual(red.unread, []);
  });

  test("leaving one namespace leaves the other connected", async () => {
    const red = await on("node-1", "/red");
    const blue = await red.also("/blue");
    const other = await on("node-2", "/blue");
    const room = freshRoom();
    for (const client of [red, blue, other]) await client.join(room);
    red.socket.disconnect();
    await other.ok("message", room, "still in blue");
    await blue.hears("message", "still in blue");
  });

  test("a namespace that nobody has declared is refused", async () => {
    for (const namespace of ["/nowhere", "/Red", "/red/", "/chat", "/constructor"]) {
      await assert.rejects(on("node-1", namespace), /Invalid namespace/, namespace);
    }
    const red = await on("node-1", "/red");
    await assert.rejects(red.also("/nowhere"), /Invalid namespace/);
    assert.equal((await red.whoami()).namespace, "/red");
  });
});
