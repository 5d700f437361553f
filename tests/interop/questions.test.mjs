// What a Node server asks of all servers, our nodes answer: who is there, and which rooms there are. One server that
// does not answer, and Node waits in vain.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until, within } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { nodeServer } from "../harness/node-server.mjs";

const cluster = clusterForFile();
let neighbour;
before(async () => {
  neighbour = await nodeServer(cluster);
});

// Node gives up after 5 s by failing; answers that come only just before would be wrong as well.
const soon = (promise, what) => within(promise, what, 2500);

const ours = (options) => Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat", ...options })));
const theirs = () => neighbour.connect({ namespace: "/chat" });
const ids = (sockets) => sockets.map(({ id }) => id).sort();

describe("fetchSockets", () => {
  const fetch = (target) => soon(target.fetchSockets(), "fetchSockets");

  test("finds the members of a room on all servers, with id and rooms", async () => {
    const [room, extra] = [freshRoom(), freshRoom("extra")];
    const [ann, bob, eve] = await ours();
    const [nora, nils] = [await theirs(), await theirs()];
    for (const member of [ann, bob, nora]) await member.join(room);
    for (const member of [bob, eve, nils]) await member.join(extra);
    const found = await fetch(neighbour.chat.in(room));
    assert.deepEqual(ids(found), ids([ann, bob, nora]));
    for (const socket of found) {
      const expected = [socket.id, room, ...(socket.id === bob.id ? [extra] : [])];
      assert.deepEqual([...socket.rooms].sort(), expected.sort());
      assert.equal(typeof socket.handshake, "object");
      assert.equal(typeof socket.data, "object");
    }
    assert.deepEqual(ids(await fetch(neighbour.chat.in(room).in(extra))), ids([ann, bob, eve, nora, nils]));
    assert.deepEqual(ids(await fetch(neighbour.chat.in(room).except(extra))), ids([ann, nora]));
  });

  test("finds nobody in a room that nobody is in", async () => {
    await ours();
    assert.deepEqual(await fetch(neighbour.chat.in(freshRoom())), []);
  });

  test("finds all, and only of this namespace", async () => {
    const clients = [...(await ours()), ...(await ours({ transport: "polling" })), await theirs()];
    const lobby = await cluster.connect({ node: "node-1" });
    // those of the tests before may still be on their way out
    const all = await until(async () => {
      const found = await fetch(neighbour.chat);
      return found.length === clients.length && found;
    }, "exactly these are found");
    assert.deepEqual(ids(all), ids(clients));
    await until(async () => ids(await fetch(neighbour.io)).join() === lobby.id, "only one is in the lobby");
  });

  test("finds a single socket by its id, and what it finds can be acted on", async () => {
    const [, bob] = await ours();
    const [socket] = await fetch(neighbour.chat.in(bob.id));
    assert.equal(socket.id, bob.id);
    const room = freshRoom();
    socket.join(room);
    await until(async () => (await fetch(neighbour.chat.in(room))).length === 1, "it has joined");
    socket.emit("news", "for you");
    assert.deepEqual(await bob.expect("news"), ["for you"]);
    bob.socket.on("question", (ack) => ack("here"));
    assert.equal(await soon(socket.timeout(4000).emitWithAck("question"), "the answer of one"), "here");
    socket.disconnect();
    assert.equal(await bob.gone(), "io server disconnect");
    assert.deepEqual(await fetch(neighbour.chat.in(bob.id)), []);
  });

  test("twenty at a time are all answered", async () => {
    const room = freshRoom();
    const clients = await ours();
    for (const client of clients) await client.join(room);
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(neighbour.chat.in(room))));
    for (const answer of answers) assert.deepEqual(ids(answer), ids(clients));
  });
});

describe("allRooms and serverCount", () => {
  const allRooms = () => soon(neighbour.chat.adapter.allRooms(), "allRooms");

  test("allRooms lists the rooms and the ids of all servers, each once", async () => {
    const [shared, own] = [freshRoom("shared"), freshRoom("own")];
    const [ann, bob, eve] = await ours();
    const nora = await theirs();
    for (const member of [ann, bob, nora]) await member.join(shared);
    await eve.join(own);
    const expected = [shared, own, ...ids([ann, bob, eve, nora])].sort();
    await until(async () => [...(await allRooms())].sort().join() === expected.join(), "exactly these rooms are listed");
    for (const member of [ann, bob, nora]) await member.leave(shared);
    assert.ok(!(await allRooms()).has(shared), "a room without members is no room");
  });

  test("serverCount counts our nodes and the Node server", async () => {
    for (const namespace of ["/", "/chat", "/public"]) {
      assert.equal(await neighbour.io.of(namespace).adapter.serverCount(), cluster.nodes.length + 1);
    }
  });
});
