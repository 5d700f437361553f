// Servers that do not answer: what the others say comes all the same, with the names of those who are missing.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { standalone } from "../harness/redis-servers.mjs";
import { CLASSIC, describeOurs, DYNAMIC } from "./buses.mjs";
import { NOBODY, World } from "./world.mjs";

const TIMEOUT = 1000;
// to be late by this much is the machine's business
const SLACK = 1000;
const OURS = { servers: ["ours", "ours", "ours"], requestsTimeout: TIMEOUT };

// most of the time they wait, and so they may do it side by side
describeOurs("servers that do not answer", { concurrency: true }, () => {
  for (const bus of [CLASSIC, DYNAMIC]) {
    describe(bus.title, { concurrency: false }, () => {
      let redis;
      before(async () => {
        redis = await standalone();
      });
      after(() => redis?.stop());
      let world;
      let people;
      async function three() {
        world = await World.start(redis, bus, OURS);
        people = await world.people();
        world.answering(people, "question", (ack, i) => ack(i));
        for (const [i, server] of world.servers.entries()) await server.onServerSideEmit("/", "question", { reply: i });
      }
      afterEach(() => world?.stop());

      /** All that can be asked, at the same time: each answer within the timeout. */
      async function askEverything() {
        const { caller } = world;
        const began = performance.now();
        const questions = {
          sockets: caller.fetchSockets({}),
          clients: caller.emitWithAck({ flags: { timeout: TIMEOUT } }, "question"),
          servers: caller.serverSideEmitWithAck("/", "question"),
          rooms: caller.allRooms("/"),
        };
        const answers = await Promise.all(Object.values(questions));
        const took = performance.now() - began;
        assert.ok(took < TIMEOUT + SLACK, `it took ${Math.round(took)} ms`);
        const [sockets, clients, servers, rooms] = answers;
        const numberOf = (id) => people.findIndex((one) => one.id === id);
        return {
          took,
          complete: [clients.complete, servers.complete],
          missing: answers.map(({ missing }) => missing),
          heardOf: {
            sockets: sockets.sockets.map(({ id }) => numberOf(id)).sort(),
            clients: clients.replies.sort(),
            servers: servers.replies.sort(),
            rooms: rooms.rooms.map(numberOf).sort(),
          },
        };
      }

      const upTo = (count) => {
        const numbers = [...Array(count).keys()];
        return { sockets: numbers, clients: numbers, servers: numbers.slice(1), rooms: numbers };
      };
      const fourTimes = (missing) => Array(4).fill(missing);

      async function allAnswer() {
        const { complete, missing, heardOf } = await askEverything();
        assert.deepEqual(heardOf, upTo(3));
        assert.deepEqual({ complete, missing }, { complete: [true, true], missing: fourTimes(NOBODY) });
      }

      async function theLastIsMissing() {
        const { complete, missing, heardOf } = await askEverything();
        assert.deepEqual(heardOf, upTo(2));
        assert.deepEqual(complete, [false, false]);
        assert.deepEqual(missing, fourTimes({ nodes: [world.servers[2].node], others: 0 }));
      }

      test("one that is stopped: it is named, and when it goes on all answer again", async () => {
        await three();
        await allAnswer();
        const goOn = world.servers[2].stall();
        try {
          await theLastIsMissing();
        } finally {
          goOn();
        }
        await world.servers[2].status();
        await allAnswer();
        await until(async () => (await world.caller.pending()) === 0, "nothing is pending");
      });

      test("one that dies while it is asked: it is named", async () => {
        await three();
        // a stopped process has certainly not answered when it is killed
        world.servers[2].stall();
        const named = theLastIsMissing();
        await until(async () => (await world.caller.pending()) === 4, "all is asked");
        await world.servers[2].kill();
        await named;
      });

      test("one that has died: it is named or not waited for, and soon forgotten", async () => {
        await three();
        const dead = world.servers.pop();
        await dead.kill();
        const first = await askEverything();
        assert.deepEqual(first.heardOf, upTo(2));
        for (const { nodes, others } of first.missing) {
          assert.ok(nodes.length === 0 || (nodes.length === 1 && nodes[0] === dead.node), `missing: ${nodes}`);
          assert.equal(others, 0);
        }
        await until(async () => (await world.caller.nodes()).length === 2, "the dead node is forgotten", 10_000);
        const { complete, missing, took } = await askEverything();
        assert.deepEqual({ complete, missing }, { complete: [true, true], missing: fourTimes(NOBODY) });
        assert.ok(took < TIMEOUT, `nobody is waited for, and yet it took ${Math.round(took)} ms`);
      });

      test("somebody who listens and is none of ours: counted, not named", async () => {
        await three();
        const stranger = await redis.client();
        try {
          const channel = `${world.prefix}${bus.sharded ? "" : "-request"}#/#`;
          await (bus.sharded ? stranger.sSubscribe(channel, () => {}) : stranger.subscribe(channel, () => {}));
          const { complete, missing, heardOf } = await askEverything();
          assert.deepEqual(heardOf, upTo(3));
          assert.deepEqual(complete, [false, false]);
          assert.deepEqual(missing, fourTimes({ nodes: [], others: 1 }));
        } finally {
          await stranger.close();
        }
        await allAnswer();
      });
    });
  }
});
