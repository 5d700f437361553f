import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();

inEveryMode("disconnects", (transport) => {
  const chat = (node) => cluster.connect({ node, transport, namespace: "/chat" });

  /** A newcomer on this node is told that it is alone; asked again until the node has noticed who is gone. */
  async function aloneOn(node, room) {
    const newcomer = await chat(node);
    await until(async () => {
      const { members } = await newcomer.join(room);
      if (members > 1) await newcomer.leave(room);
      return members === 1;
    }, `a newcomer on ${node} is the only member of ${room}`);
    return newcomer;
  }

  test("who is gone is gone from its rooms on all nodes", async () => {
    const rooms = [freshRoom(), freshRoom()];
    const gone = await Promise.all([...cluster.names, ...cluster.names].map(chat));
    for (const client of gone) for (const room of rooms) await client.join(room);
    for (const client of gone) client.close();

    for (const room of rooms) {
      for (const node of cluster.names) {
        const newcomer = await aloneOn(node, room);
        await newcomer.leave(room);
      }
    }
  });

  test("a relay to a room that has lost a member reaches the rest", async () => {
    const room = freshRoom();
    const [ann, bob, eve] = await Promise.all(cluster.names.map(chat));
    for (const client of [ann, bob, eve]) await client.join(room);
    eve.close();
    const late = await aloneOn("node-3", freshRoom());
    await late.join(room);
    await ann.ok("message", room, "who is left?");
    await bob.hears("message", "who is left?");
    await late.hears("message", "who is left?");
    await nothingMore(ann, bob, late);
  });

  test("a client that comes back starts with no rooms and a new id", async () => {
    const room = freshRoom();
    const [ann, bob] = [await chat("node-1"), await chat("node-2")];
    await ann.join(room);
    await bob.join(room);
    const before = ann.id;
    ann.socket.disconnect();
    ann.socket.connect();
    await ann.connected();
    assert.notEqual(ann.id, before);
    assert.deepEqual((await ann.whoami()).rooms, []);
    await bob.ok("message", room, "are you there?");
    await nothingMore(bob, ann);
    await ann.join(room);
    await bob.ok("message", room, "welcome back");
    await ann.hears("message", "welcome back");
  });

  if (transport !== "polling") {
    test("a connection that breaks without a word is cleaned up as well", async () => {
      const room = freshRoom();
      const clients = [await chat("node-1"), await chat("node-1"), await chat("node-2")];
      for (const client of clients) await client.join(room);
      for (const client of clients) client.socket.io.engine.transport.ws.terminate();
      for (const client of clients) assert.match(await client.gone(), /transport/);
      for (const node of ["node-1", "node-2"]) await (await aloneOn(node, room)).leave(room);
    });
  }

  test("a client that leaves in the middle of its own burst harms nobody", async () => {
    const room = freshRoom();
    const [ann, bob, eve] = await Promise.all(cluster.names.map(chat));
    for (const client of [ann, bob, eve]) await client.join(room);
    for (let n = 0; n < 100; n += 1) {
      ann.emit("join", freshRoom());
      ann.emit("message", room, n);
    }
    ann.close();
    await bob.ok("message", room, "what was that?");
    await eve.hears("message", "what was that?");
    const heard = eve.drain("message").map(([n]) => n);
    assert.deepEqual(heard, [...heard].sort((a, b) => a - b));
  });
});
