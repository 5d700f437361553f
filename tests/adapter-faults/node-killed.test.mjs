// A server dies without a word: the others forget it, and nobody waits for it for long.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { CLASSIC, describeOurs, DYNAMIC } from "../adapter/buses.mjs";
import { until } from "../harness/deadline.mjs";
import { standalone } from "../harness/redis-servers.mjs";
import { talking } from "./traffic.mjs";

const FORGOTTEN = 10_000;
const TIMEOUT = 2500;
// to be late by this much is the machine's business
const SLACK = 1000;

describeOurs("a server is killed under traffic", () => {
  let redis;
  before(async () => {
    redis = await standalone();
  });
  after(() => redis?.stop());

  /** Each question that a server can ask, with who is missing in the answer and how long it took. */
  async function askEverything(server) {
    const questions = {
      fetchSockets: () => server.fetchSockets({}),
      emitWithAck: () => server.emitWithAck({ flags: { timeout: TIMEOUT } }, "question"),
      serverSideEmitWithAck: () => server.serverSideEmitWithAck("/", "question"),
      allRooms: () => server.allRooms("/"),
    };
    const ask = async ([name, question]) => {
      const began = performance.now();
      const { missing } = await question();
      return { name, missing, took: Math.round(performance.now() - began) };
    };
    return Promise.all(Object.entries(questions).map(ask));
  }

  test("the others forget it, and requests end in time", async (t) => {
    const talks = await talking(t, redis, [CLASSIC, DYNAMIC], { servers: ["ours", "ours", "ours"] });
    for (const { world, hearers } of talks) {
      for (const server of world.servers) await server.onServerSideEmit("/", "question", { reply: "answer" });
      for (const { clients } of hearers) {
        for (const client of clients.values()) client.socket.on("question", (ack) => ack("answer"));
      }
    }
    await Promise.all(talks.map(async (traffic) => {
      traffic.victim = traffic.world.servers.at(-1);
      traffic.alive = traffic.world.servers.slice(0, -1);
      await traffic.kill(traffic.victim);
      traffic.killed = performance.now();
    }));
    const rounds = await Promise.all(talks.map(({ alive }) => Promise.all(alive.map(askEverything))));
    const forgotten = await Promise.all(
      talks.map(({ alive, killed }) =>
        Promise.all(
          alive.map(async (server) => {
            await until(async () => (await server.nodes()).length === 2, `${server.label} has forgotten it`, 2 * FORGOTTEN);
            return Math.round(performance.now() - killed);
          }),
        ),
      ),
    );
    const later = await Promise.all(talks.map(({ alive }) => Promise.all(alive.map(askEverything))));
    await Promise.all(talks.map((traffic) => traffic.end()));

    for (const [i, traffic] of talks.entries()) {
      await t.test(traffic.world.bus.title, async (t) => {
        for (const { name, missing, took } of rounds[i].flat()) {
          t.diagnostic(`right after the kill: ${name} took ${took} ms, missing ${JSON.stringify(missing)}`);
          assert.ok(took < TIMEOUT + SLACK, `${name} took ${took} ms`);
          assert.ok(missing.nodes.every((node) => node === traffic.victim.node), `${name} misses ${missing.nodes}`);
          assert.equal(missing.others, 0, name);
        }
        t.diagnostic(`forgotten after ${forgotten[i]} ms`);
        for (const time of forgotten[i]) assert.ok(time < FORGOTTEN, `it was forgotten after ${time} ms`);
        for (const { name, missing } of later[i].flat()) assert.deepEqual(missing, { nodes: [], others: 0 }, name);
        t.diagnostic(JSON.stringify(await traffic.verify()));
      });
    }
  });
});
