// Events that clients on many servers acknowledge.
import assert from "node:assert/strict";
import { within } from "../../harness/deadline.mjs";
import { ASK, freshRoom, NOBODY } from "../world.mjs";
import { story } from "./story.mjs";

// for those who must not be answered in full: as short as a slow machine allows
const BRIEF = 600;
const sorted = (values) => [...values].sort();
const needs = ["ask"];

/** A room with everybody in it, each answering with its number. */
async function asked(world, answer) {
  const people = await world.people();
  const room = freshRoom();
  await world.join(room, ...people);
  world.answering(people, "question", answer);
  return { people, room };
}

function inFull(answer, replies) {
  assert.deepEqual(answer.missing, NOBODY);
  assert.deepEqual(sorted(answer.replies), sorted(replies));
  assert.equal(answer.complete, true);
}

export const acknowledgements = [
  story(
    "of all clients",
    async (world) => {
      const heard = [];
      await asked(world, (ack, i, args) => {
        heard.push(args);
        ack(i);
      });
      const answer = await world.caller.emitWithAck({ flags: { timeout: ASK } }, "question", "who?", { n: 1 });
      inFull(answer, [0, 1, 2]);
      assert.deepEqual(heard, Array(3).fill(["who?", { n: 1 }]));
    },
    { needs },
  ),

  story(
    "of the clients in a room, and of no others",
    async (world) => {
      const people = await world.people();
      const room = freshRoom();
      world.answering(people, "question", (ack, i) => ack(i));
      await world.join(room, people[1], people[2]);
      inFull(await world.caller.emitWithAck({ to: [room], flags: { timeout: ASK } }, "question"), [1, 2]);
      const except = [people[2].id];
      inFull(await world.caller.emitWithAck({ to: [room], except, flags: { timeout: ASK } }, "question"), [1]);
    },
    { needs },
  ),

  story(
    "in a namespace",
    async (world) => {
      const people = await world.people("/custom");
      world.answering(people, "question", (ack, i) => ack(i));
      inFull(await world.caller.emitWithAck({ nsp: "/custom", flags: { timeout: ASK } }, "question"), [0, 1, 2]);
    },
    { needs },
  ),

  story(
    "with binary content in question and answers",
    async (world) => {
      const bytes = (text) => ({ bytes: [Buffer.from(text)] });
      const { room } = await asked(world, (ack, i, [first]) => ack(bytes(`${first.bytes[0]} ${i}`)));
      const target = { to: [room], flags: { timeout: ASK } };
      const answer = await world.caller.emitWithAck(target, "question", bytes("question"));
      assert.equal(answer.complete, true);
      const texts = answer.replies.map((reply) => (assert.ok(Buffer.isBuffer(reply.bytes[0])), String(reply.bytes[0])));
      assert.deepEqual(sorted(texts), ["question 0", "question 1", "question 2"]);
    },
    { needs },
  ),

  story(
    "that are texts, lists, null and several arguments, of which the first counts",
    async (world) => {
      const answers = [["yes", "and more"], [[1, [null, 1.5]]], [null, 2]];
      const { room } = await asked(world, (ack, i) => ack(...answers[i]));
      const answer = await world.caller.emitWithAck({ to: [room], flags: { timeout: ASK } }, "question");
      inFull({ ...answer, replies: answer.replies.map((one) => JSON.stringify(one)) }, ['"yes"', "[1,[null,1.5]]", "null"]);
    },
    { needs },
  ),

  story(
    "of nobody, at once",
    async (world) => {
      await world.people();
      const asking = world.caller.emitWithAck({ to: [freshRoom()], flags: { timeout: ASK } }, "anybody?");
      inFull(await within(asking, "the answer of nobody", ASK - 1500), []);
    },
    { needs },
  ),

  story(
    "of which one never comes: the others, after the timeout; of that one alone: a failure",
    async (world) => {
      const { people, room } = await asked(world, (ack, i) => i !== 1 && ack(i));
      const [answer, alone] = await Promise.all([
        world.caller.emitWithAck({ to: [room], flags: { timeout: BRIEF } }, "question"),
        world.caller.askOne({ nsp: "/", id: people[1].id, timeout: BRIEF }, "question").then(assert.fail, (error) => error),
      ]);
      assert.deepEqual(sorted(answer.replies), [0, 2]);
      assert.equal(answer.complete, false);
      assert.equal(alone.message, "operation has timed out");
    },
    { needs },
  ),

  story(
    "of ten questions at a time are not mixed up",
    async (world) => {
      const { room } = await asked(world, (ack, i, [n]) => ack(n));
      const questions = [...Array(10).keys()];
      const ask = (n) => world.caller.emitWithAck({ to: [room], flags: { timeout: ASK } }, "question", n);
      const answers = await Promise.all(questions.map(ask));
      for (const n of questions) inFull(answers[n], [n, n, n]);
    },
    { needs },
  ),

  story(
    "of local clients only",
    async (world) => {
      const { people, room } = await asked(world, (ack, i) => ack(i));
      const near = people.flatMap((one, i) => (world.isLocal(one) ? [i] : []));
      const flags = { local: true, timeout: BRIEF };
      // Node counts the servers also when only its own is asked, and so never thinks that it has all
      const { replies } = await world.caller.emitWithAck({ to: [room], flags }, "question");
      assert.deepEqual(sorted(replies), near);
    },
    { needs: ["local clients"] },
  ),

  story(
    "of a single local client",
    async (world) => {
      const { people } = await asked(world, (ack, i) => ack(Buffer.from([i])));
      const i = people.findIndex((one) => world.isLocal(one));
      const answer = await world.caller.askOne({ nsp: "/", id: people[i].id, timeout: ASK }, "question");
      assert.deepEqual(answer, Buffer.from([i]));
    },
    { needs: ["local clients"] },
  ),

  story(
    "of a single client elsewhere",
    async (world) => {
      const { people } = await asked(world, (ack, i) => ack(`I am ${i}`));
      for (const [i, { id }] of people.entries()) {
        if (world.isLocal(people[i])) continue;
        assert.equal(await world.caller.askOne({ nsp: "/", id, timeout: ASK }, "question"), `I am ${i}`);
      }
    },
    { needs },
  ),
];
