// Events from server to server: serverSideEmit.
import assert from "node:assert/strict";
import { until } from "../../harness/deadline.mjs";
import { NOBODY } from "../world.mjs";
import { story } from "./story.mjs";

const needs = ["ask"];
let events = 0;
function freshEvent() {
  events += 1;
  return `event-${events}`;
}

/** A marker behind what was sent before: when all others have it, whatever was sent before it has been heard. */
async function silence(world, nsp) {
  const event = freshEvent();
  for (const server of world.servers) await server.onServerSideEmit(nsp, event);
  await world.caller.serverSideEmit(nsp, event);
  for (const server of world.others) {
    await until(async () => (await server.heard(nsp, event)).length === 1, "the marker is heard");
  }
}

async function heardByOthers(world, nsp, event, args) {
  for (const server of world.others) {
    await until(async () => (await server.heard(nsp, event)).length > 0, `a server of ${server.kind} hears ${event}`);
  }
  await silence(world, nsp);
  for (const server of world.others) assert.deepEqual(await server.heard(nsp, event), [args]);
}

export const serverSideEvents = [
  story("are heard by the other servers, and not by the one that sends", async (world) => {
    const event = freshEvent();
    for (const server of world.servers) await server.onServerSideEmit("/", event);
    const args = ["a", 1, 1.5, { deep: [null, true, "é"] }, []];
    await world.caller.serverSideEmit("/", event, ...args);
    await heardByOthers(world, "/", event, args);
    if (!world.outsider) assert.deepEqual(await world.caller.heard("/", event), []);
  }),

  story("are heard in their namespace only", async (world) => {
    const event = freshEvent();
    for (const server of world.servers) for (const nsp of ["/", "/custom"]) await server.onServerSideEmit(nsp, event);
    await world.caller.serverSideEmit("/custom", event, 1);
    await heardByOthers(world, "/custom", event, [1]);
    await silence(world, "/");
    for (const server of world.servers) assert.deepEqual(await server.heard("/", event), []);
  }),

  story(
    "carry Buffers",
    async (world) => {
      const event = freshEvent();
      for (const server of world.servers) await server.onServerSideEmit("/", event);
      const args = [Buffer.from([0, 255]), { deep: [Buffer.from("x")] }];
      await world.overheard("/", async (messages) => {
        await world.caller.serverSideEmit("/", event, ...args);
        await heardByOthers(world, "/", event, args);
        const message = messages.find((one) => one.includes(event));
        assert.ok(message.includes(args[0]), `no bytes in ${message}`);
      });
    },
    { needs: ["binary between servers"] },
  ),

  story(
    "are answered with Buffers",
    async (world) => {
      const event = freshEvent();
      const reply = { bytes: Buffer.from([0, 255]) };
      for (const server of world.servers) await server.onServerSideEmit("/", event, { reply });
      const { replies } = await world.caller.serverSideEmitWithAck("/", event);
      for (const { bytes } of replies) assert.ok(Buffer.isBuffer(bytes), `${JSON.stringify(bytes)} is a Buffer`);
      assert.deepEqual(replies, [reply, reply]);
    },
    { needs: ["ask", "binary between servers"] },
  ),

  story(
    "are answered by all the others",
    async (world) => {
      const event = freshEvent();
      for (const [i, server] of world.servers.entries()) await server.onServerSideEmit("/", event, { reply: { from: i } });
      const answer = await world.caller.serverSideEmitWithAck("/", event, "who?");
      answer.replies.sort((a, b) => a.from - b.from);
      assert.deepEqual(answer, { replies: [{ from: 1 }, { from: 2 }], complete: true, missing: NOBODY });
      for (const server of world.others) assert.deepEqual(await server.heard("/", event), [["who?"]]);
    },
    { needs },
  ),

  story(
    "are answered with texts, lists and null",
    async (world) => {
      const event = freshEvent();
      for (const reply of ["text", [1, [2]], null, false, 0]) {
        for (const server of world.servers) await server.onServerSideEmit("/custom", `${event} ${reply}`, { reply });
        const { replies } = await world.caller.serverSideEmitWithAck("/custom", `${event} ${reply}`);
        assert.deepEqual(replies, [reply, reply]);
      }
    },
    { needs },
  ),

  story(
    "that one server does not answer: the answers of the others, after the timeout",
    async (world) => {
      const event = freshEvent();
      const mute = world.servers.at(-1);
      for (const [i, server] of world.servers.entries()) {
        await server.onServerSideEmit("/", event, server === mute ? {} : { reply: i });
      }
      const answer = await world.caller.serverSideEmitWithAck("/", event);
      assert.deepEqual(answer.replies, [1]);
      assert.equal(answer.complete, false);
      // Node fails where we name who is missing
      if (world.caller.kind === "node") {
        assert.equal(answer.error, "timeout reached: only 1 responses received out of 2");
      } else {
        const missing = mute.kind === "ours" ? { nodes: [mute.node], others: 0 } : { nodes: [], others: 1 };
        assert.deepEqual(answer.missing, missing);
      }
    },
    { needs, early: true },
  ),
];
