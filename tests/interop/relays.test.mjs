// One room, clients of our nodes and of a Node server in it.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { nodeServer } from "../harness/node-server.mjs";

const cluster = clusterForFile();
let neighbour;
before(async () => {
  neighbour = await nodeServer(cluster);
});

const PAYLOADS = {
  text: ["hello", ""],
  values: [null, true, [], {}, [null, [1, { a: null }]]],
  numbers: [0, -1, 1.5, 127, 128, 65_536, 2 ** 32, 2 ** 53, -(2 ** 53), 1e-7],
  unicode: ["Grüße 日本語 🎉", { "ключ": "👩‍👩‍👧" }, "\u0000\u2028"],
  nested: [{ a: [{ b: { c: [1, 2, { d: "e" }] } }] }],
  long: ["x".repeat(60_000)],
  nothing: [],
};

async function mixedRoom() {
  const room = freshRoom();
  const ours = await Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat" })));
  const theirs = [await neighbour.connect({ namespace: "/chat" }), await neighbour.connect({ namespace: "/chat" })];
  for (const client of [...ours, ...theirs]) await client.join(room);
  return { room, ours, theirs };
}

for (const [kind, args] of Object.entries(PAYLOADS)) {
  test(`${kind} of our client reaches the Node server's clients and the other way round`, async () => {
    const { room, ours, theirs } = await mixedRoom();
    const [ann, ...others] = ours;
    const sent = await ann.ok("message", room, ...args);
    for (const other of [...others, ...theirs]) {
      assert.deepEqual(await other.expect("message"), [...args, { room, from: ann.id, at: sent.at }]);
    }
    const [nora, nils] = theirs;
    const answered = await nora.ok("message", room, ...args);
    for (const other of [...ours, nils]) {
      assert.deepEqual(await other.expect("message"), [...args, { room, from: nora.id, at: answered.at }]);
    }
    await nothingMore(ann, ...others, ...theirs);
    await nothingMore(nora, ...ours, nils);
  });
}

test("binary of our client reaches the Node server's clients", async () => {
  const { room, ours, theirs } = await mixedRoom();
  const [ann, ...others] = ours;
  const args = [Buffer.from([0, 255]), { deep: [{ bytes: Buffer.alloc(100_000, 3) }, "text"] }, Buffer.alloc(0)];
  const { at } = await ann.ok("file", room, ...args);
  for (const other of [...others, ...theirs]) {
    assert.deepEqual(await other.expect("file"), [...args, { room, from: ann.id, at }]);
  }
});

test("typing of our client reaches the Node server's clients", async () => {
  const { room, ours, theirs } = await mixedRoom();
  await ours[1].ok("typing", room, "Bob");
  for (const other of [ours[0], ours[2], ...theirs]) assert.equal((await other.hears("typing", "Bob")).from, ours[1].id);
});

test("the lobby is one for all", async () => {
  const ours = await Promise.all(cluster.names.map((node) => cluster.connect({ node })));
  const theirs = await neighbour.connect();
  await ours[0].ok("message", "to everybody");
  for (const other of [ours[1], ours[2], theirs]) {
    const meta = await other.hears("message", "to everybody");
    assert.deepEqual(Object.keys(meta).sort(), ["at", "from"]);
  }
});

test("who leaves hears nothing more from the other side", async () => {
  const { room, ours, theirs } = await mixedRoom();
  const [ann, bob, eve] = ours;
  const [nora, nils] = theirs;
  await eve.leave(room);
  await nils.leave(room);
  await ann.ok("message", room, "from ours");
  await nora.hears("message", "from ours");
  await nora.ok("message", room, "from theirs");
  await bob.hears("message", "from theirs");
  await bob.hears("message", "from ours");
  await ann.hears("message", "from theirs");
  await nothingMore(ann, bob, eve, nora, nils);
  await nothingMore(nora, ann, bob, eve, nils);
});

test("a hundred messages of each side stay in order on the other", async () => {
  const { room, ours, theirs } = await mixedRoom();
  const numbers = [...Array(100).keys()];
  const speak = (client) => Promise.all(numbers.map((n) => client.ok("message", room, n)));
  await Promise.all([speak(ours[0]), speak(theirs[0])]);
  for (const [hearer, speaker] of [[theirs[1], ours[0]], [ours[1], theirs[0]], [ours[2], ours[0]]]) {
    await hearer.expect("message", (n, meta) => n === 99 && meta.from === speaker.id);
    const heard = hearer.unread.filter(([, , meta]) => meta.from === speaker.id).map(([, n]) => n);
    assert.deepEqual(heard, numbers.slice(0, -1));
  }
});

test("whatever our clients send, the Node server goes on", async () => {
  const { room, ours, theirs } = await mixedRoom();
  const odd = [
    [{ _placeholder: true, num: 0 }],
    [JSON.parse('{"__proto__":{"polluted":true}}')],
    [1e21, 2 ** 64, -1e300],
    [JSON.parse("[".repeat(31) + "]".repeat(31))],
    ["2[\"message\"]", { type: 5, data: null, nsp: "/" }],
    Array(16).fill(0),
  ];
  for (const args of odd) await ours[0].ok("message", room, ...args);
  await ours[0].ok("file", room, ...Array.from({ length: 8 }, (_, i) => Buffer.alloc(i)));
  await ours[0].ok("message", room, "all well?");
  await theirs[0].hears("message", "all well?");
  assert.equal({}.polluted, undefined);
  await theirs[1].ok("message", room, "all well");
  for (const client of ours) await client.hears("message", "all well");
});
