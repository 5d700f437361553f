// One connection, two namespaces, and a client that leaves one of them and is back before anybody could have noticed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();
const ROUNDS = 30;

inEveryMode("a namespace left and entered again at once", (transport) => {
  const chat = (node) => cluster.connect({ node, transport, namespace: "/chat" });

  function leaveAndEnter(client) {
    client.socket.disconnect();
    client.socket.connect();
    return client.connected();
  }

  for (const stays of ["/", "/chat"]) {
    const leaves = stays === "/" ? "/chat" : "/";

    test(`${leaves} works each time, and ${stays} notices nothing`, async () => {
      const room = freshRoom();
      const bob = await chat("node-2");
      await bob.join(room);
      const lobbyist = await cluster.connect({ node: "node-2", transport });
      const first = await cluster.connect({ node: "node-1", transport, namespace: stays });
      const second = await first.also(leaves);
      const [ann, lobby] = stays === "/" ? [second, first] : [first, second];
      if (stays === "/chat") await ann.join(room);

      for (let round = 0; round < ROUNDS; round += 1) {
        await leaveAndEnter(second);
        if (stays === "/") {
          assert.deepEqual((await ann.whoami()).rooms, [], "it starts with no rooms");
          assert.equal((await ann.join(room)).members, 1, `members in round ${round}`);
        }
        await bob.ok("message", room, `to ann ${round}`);
        await ann.hears("message", `to ann ${round}`);
        await ann.ok("message", room, `from ann ${round}`);
        assert.equal((await bob.hears("message", `from ann ${round}`)).from, ann.id);
        await lobbyist.ok("message", `to the lobby ${round}`);
        await lobby.hears("message", `to the lobby ${round}`);
        await lobby.ok("message", `from the lobby ${round}`);
        assert.equal((await lobbyist.hears("message", `from the lobby ${round}`)).from, lobby.id);
      }

      assert.deepEqual(first.disconnects, [], `${stays} stays connected`);
      // a ghost would be counted as a member, and the client would hear twice
      assert.equal((await (await chat("node-1")).join(room)).members, 2);
      await nothingMore(bob, ann);
      assert.deepEqual(lobby.unread, []);
    });
  }

  test("no ghosts stay behind", async () => {
    const sockets = (namespace) => cluster.metric("node-1", "roomcast_sockets", { namespace });
    for (const namespace of ["/", "/chat"]) await until(async () => (await sockets(namespace)) === 0, `${namespace} is empty`);
    const room = freshRoom();
    const lobby = await cluster.connect({ node: "node-1", transport });
    const ann = await lobby.also("/chat");
    for (let round = 0; round < ROUNDS; round += 1) {
      await ann.join(room);
      await leaveAndEnter(ann);
    }
    assert.equal((await ann.join(room)).members, 1);
    assert.deepEqual([await sockets("/"), await sockets("/chat")], [1, 1]);
    ann.close();
    await until(async () => (await sockets("/")) + (await sockets("/chat")) === 0, "both namespaces are empty");
  });

  test("leaving and entering without waiting in between ends connected", async () => {
    const room = freshRoom();
    const lobby = await cluster.connect({ node: "node-1", transport });
    const [ann, bob] = [await lobby.also("/chat"), await chat("node-2")];
    for (let round = 0; round < ROUNDS; round += 1) {
      ann.socket.disconnect();
      ann.socket.connect();
    }
    await ann.connected();
    assert.equal((await ann.join(room)).members, 1);
    await bob.join(room);
    await bob.ok("message", room, "are you there?");
    await ann.hears("message", "are you there?");
    await nothingMore(bob, ann);
    assert.deepEqual(lobby.disconnects, []);
  });
});
