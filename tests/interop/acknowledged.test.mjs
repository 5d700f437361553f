// Broadcasts of a Node server that the clients of all servers acknowledge: every server tells how many clients it has
// asked, and passes on what they answer.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { within } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { nodeServer } from "../harness/node-server.mjs";

const cluster = clusterForFile();
let neighbour;
before(async () => {
  neighbour = await nodeServer(cluster);
});

// Node keeps a timer of this length, and the process with it.
const PLENTY = 4000;

const ours = (options) => Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat", ...options })));
const ask = (room, ...args) => neighbour.chat.to(room).timeout(PLENTY).emitWithAck("question", ...args);

/** A room with a client on each of our nodes and one on the Node server; each answers by the function. */
async function askable(answer, options) {
  const room = freshRoom();
  const members = [...(await ours(options)), await neighbour.connect({ namespace: "/chat" })];
  for (const [i, member] of members.entries()) {
    await member.join(room);
    member.socket.on("question", (...args) => answer(args.pop(), i, args));
  }
  return { room, members };
}

test("the clients on all nodes answer, each for itself", async () => {
  const { room } = await askable((ack, i, args) => ack({ from: i, heard: args }));
  const answers = await ask(room, "who?", { n: 1 });
  answers.sort((a, b) => a.from - b.from);
  assert.deepEqual(answers, [0, 1, 2, 3].map((from) => ({ from, heard: ["who?", { n: 1 }] })));
});

// the client of the Node server is one of them: the answers of ours must look like its own
const ANSWERS = {
  "a text": [["yes"], "yes"],
  null: [[null], null],
  "a number": [[1.5], 1.5],
  "a list": [[["a", [1, null]]], ["a", [1, null]]],
  "a Buffer": [[Buffer.from([0, 1, 255])], Buffer.from([0, 1, 255])],
  "Buffers inside": [[{ a: [Buffer.from("x"), { b: Buffer.from("y") }] }], { a: [Buffer.from("x"), { b: Buffer.from("y") }] }],
  "several arguments: Node gets the first": [["first", "second", { third: 3 }], "first"],
  "several arguments, the second a Buffer": [["first", Buffer.from("second")], "first"],
  "several arguments, both Buffers": [[Buffer.from("first"), Buffer.from("second")], Buffer.from("first")],
  "no argument": [[], undefined],
};
for (const [kind, [args, expected]] of Object.entries(ANSWERS)) {
  test(`they may answer with ${kind}`, async () => {
    const { room, members } = await askable((ack) => ack(...args));
    assert.deepEqual(await ask(room, "?"), members.map(() => expected));
  });
}

test("Buffers in the question reach all", async () => {
  const { room, members } = await askable((ack, i, [bytes]) => ack(Buffer.from(bytes).toString()));
  assert.deepEqual(await ask(room, Buffer.from("bytes")), members.map(() => "bytes"));
});

for (const options of [{ transport: "polling" }, { transport: "upgrade" }, { eio3: true }, { eio3: true, transport: "polling" }]) {
  test(`clients with ${JSON.stringify(options)} answer as well`, async () => {
    const { room, members } = await askable((ack, i) => ack(Buffer.from([i])), options);
    const answers = await ask(room, "who?");
    assert.deepEqual(Buffer.concat(answers).sort(), Buffer.from(members.map((_, i) => i)));
  });
}

test("one client that never answers: Node's error with the answers of the others", async () => {
  const { room } = await askable((ack, i) => {
    if (i !== 1) ack(i);
  });
  const error = await neighbour.chat.to(room).timeout(2000).emitWithAck("question").then(assert.fail, (error) => error);
  assert.equal(error.message, "operation has timed out");
  assert.deepEqual(error.responses.sort(), [0, 2, 3]);
});

test("a client that goes away instead of answering counts as one that never answers", async () => {
  const { room, members } = await askable((ack, i) => {
    if (i === 1) members[1].socket.disconnect();
    else ack(i);
  });
  const error = await neighbour.chat.to(room).timeout(2000).emitWithAck("question").then(assert.fail, (error) => error);
  assert.equal(error.message, "operation has timed out");
  assert.deepEqual(error.responses.sort(), [0, 2, 3]);
});

test("a room that nobody is in answers at once with nothing", async () => {
  await ours();
  assert.deepEqual(await within(ask(freshRoom(), "anybody?"), "the answer of nobody", 2500), []);
});

test("a member who answers twice is counted once", async () => {
  const { room, members } = await askable((ack, i) => {
    ack(i);
    ack(i + 100);
  });
  assert.deepEqual((await ask(room)).sort(), members.map((_, i) => i));
});

test("ten questions at a time are not mixed up", async () => {
  const { room, members } = await askable((ack, i, [n]) => ack(n));
  const questions = [...Array(10).keys()];
  const answers = await Promise.all(questions.map((n) => ask(room, n)));
  assert.deepEqual(answers, questions.map((n) => members.map(() => n)));
});
