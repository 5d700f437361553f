// What is on the bus beside the calls: other users of the same Redis, servers that come and go, what is left behind.
import assert from "node:assert/strict";
import { until } from "../../harness/deadline.mjs";
import { NAMESPACES, NodeServer } from "../../harness/adapter-node.mjs";
import { ASK, freshRoom, NOBODY } from "../world.mjs";
import { story } from "./story.mjs";

const needs = ["ask"];

export const specifics = [
  story("a neighbour in the same Redis with another prefix is not heard", async (world) => {
    const people = await world.people();
    for (const prefix of [`${world.prefix}x`, `x${world.prefix}`, `${world.prefix}#/`]) {
      const neighbour = await NodeServer.start({ ...world.options, prefix });
      await neighbour.ready();
      await neighbour.emit({}, "news", prefix);
      await neighbour.emit({ to: [people[0].id] }, "news", prefix);
      await neighbour.disconnectSockets({});
      await neighbour.stop();
    }
    await world.silence(people);
    assert.deepEqual(people.map(({ disconnects }) => disconnects), [[], [], []]);
  }),

  story("a Node server that comes is heard, and reaches all", async (world) => {
    const people = await world.people();
    await world.visitedBy("node", async (late) => {
      await late.emit({}, "news", "I am late");
      await world.hear(people, "news", "I am late");
      const client = await world.client(late);
      await world.caller.emit({}, "news", "welcome");
      await world.hear([...people, client], "news", "welcome");
      await world.reachable(...people);
      for (const one of people) {
        await late.emit({ to: [one.id] }, "news", one.id);
        await world.hear([one], "news", one.id);
      }
      await world.silence([...people, client]);
      client.close();
    });
  }),

  story(
    "a server that closes is not waited for, and hears no more",
    async (world) => {
      const people = await world.people();
      world.answering(people, "question", (ack, i) => ack(i));
      for (const kind of new Set(world.servers.map((server) => server.kind))) {
        await world.visitedBy(kind, async (leaving) => {
          assert.equal(await world.caller.serverCount("/"), world.servers.length);
          await leaving.close();
          const left = world.servers.length - 1;
          await until(async () => (await world.caller.serverCount("/")) === left, "it is not counted any more");
          // its goodbye comes by another connection than the count: a question may still be put to it, and then it is
          // missing, but nobody waits for it
          let answer;
          await until(async () => {
            const begun = performance.now();
            answer = await world.caller.emitWithAck({ flags: { timeout: ASK } }, "question");
            assert.ok(performance.now() - begun < ASK, "it was waited for");
            return answer.complete;
          }, "the caller knows that it has gone");
          assert.deepEqual(answer.missing, NOBODY);
          assert.deepEqual(answer.replies.sort(), [0, 1, 2]);
          const { sockets, missing } = await world.caller.fetchSockets({});
          assert.deepEqual(sockets.map(({ id }) => id).sort(), people.map(({ id }) => id).sort());
          assert.deepEqual(missing, NOBODY);
        });
      }
    },
    { needs },
  ),

  story(
    "the servers are counted",
    async (world) => {
      for (const nsp of NAMESPACES) assert.equal(await world.caller.serverCount(nsp), world.servers.length);
    },
    { needs },
  ),

  story(
    "allRooms: the rooms of all servers",
    async (world) => {
      const people = await world.people();
      const [red, blue, green] = ["red", "blue", "green"].map(freshRoom);
      await world.join([red, blue], people[0], people[1]);
      await world.join(green, people[2]);
      await world.people("/custom");
      const { rooms, missing } = await world.caller.allRooms("/");
      assert.deepEqual(missing, NOBODY);
      assert.deepEqual(rooms.toSorted(), [red, blue, green, ...people.map(({ id }) => id)].sort());
    },
    { needs: ["list rooms"] },
  ),

  story(
    "when all is answered or given up, nothing is pending",
    async (world) => {
      // Node forgets what clients did not acknowledge only after the timeout
      for (const server of world.servers.filter(({ kind }) => kind === "ours")) {
        await until(async () => (await server.pending()) === 0, `${server.node} waits for nothing`);
      }
    },
    { needs: ["ask", "our own"] },
  ),
];
