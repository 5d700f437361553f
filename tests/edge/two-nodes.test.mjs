// What nodes must agree on before one can answer for the other, and what they say when they do not.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { assertRefused, endpoint, Polling } from "../harness/engine.mjs";
import { ask } from "../harness/http.mjs";
import { LoneNode } from "../harness/lone-node.mjs";
import { RedisServer } from "../harness/redis-servers.mjs";

const KEYS = { a: "a".repeat(32), b: "b".repeat(32), c: "c".repeat(32) };
const POLLING = { EIO: 4, transport: "polling" };

let redis;
let nodes = [];

before(async () => {
  redis = await RedisServer.start();
});
// each test is a cluster of its own
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  nodes = [];
  await redis.command("FLUSHALL");
});
after(() => redis.stop());

/** A node that begins to run; `started` resolves when it is ready. */
function begin(name, { keys = [], url = redis.url } = {}) {
  const node = Object.assign(new LoneNode(), { name });
  nodes.push(node);
  node.started = node.start({ node: { name, tag: name.replace("ode-", "00") }, server: { session_keys: keys }, redis: { url } });
  return node;
}

async function start(name, options) {
  const node = begin(name, options);
  await node.started;
  return node;
}

/** How often a node has said this. */
const said = (node, pattern) => node.process.tail.split("\n").filter((line) => pattern.test(line)).length;

const STRANGER = /no session key in common/;

describe("session keys", () => {
  test("that differ are told by both nodes, once", async () => {
    const [one, two] = [await start("node-1", { keys: [KEYS.a] }), await start("node-2", { keys: [KEYS.b] })];
    for (const [node, other] of [[one, "node-2"], [two, "node-1"]]) {
      await until(() => said(node, STRANGER) > 0, `${node.name} says so`);
      const line = node.process.tail.split("\n").find((text) => STRANGER.test(text));
      assert.match(line, new RegExp(other));
      assert.match(line, /server\.session_keys/);
      assert.doesNotMatch(node.process.tail, /aaaaaaaa|bbbbbbbb/, "a key is in the log");
    }
    // a third one makes both look again
    const three = await start("node-3", { keys: [KEYS.a, KEYS.b] });
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 3 && (await two.metric("roomcast_cluster_nodes")) === 3, "all are known");
    assert.deepEqual([one, two, three].map((node) => said(node, STRANGER)), [1, 1, 0]);
  });

  test("of the configuration here and through Redis there are told as well", async () => {
    const [one, two] = [await start("node-1", { keys: [KEYS.a] }), await start("node-2")];
    for (const node of [one, two]) await until(() => said(node, STRANGER) > 0, `${node.name} says so`);
    assert.match(two.process.tail, /keys_from="?redis\.url/);
  });

  test("that overlap, as while they are changed, are no matter", async () => {
    const [one, two] = [await start("node-1", { keys: [KEYS.a, KEYS.b] }), await start("node-2", { keys: [KEYS.b, KEYS.c] })];
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2 && (await two.metric("roomcast_cluster_nodes")) === 2, "both are known");
    assert.deepEqual([said(one, STRANGER), said(two, STRANGER)], [0, 0]);
  });
});

describe("a node whose key is to come from Redis", () => {
  const ready = (node) => ask(node.internalPort, "/ready");
  // everything but the shared key
  const RIGHTS = ["on", ">s3cret", "+@all", "allchannels", "resetkeys", "~{socket.io-nodes}*"];
  const limited = () => `redis://roomcast:s3cret@${redis.address}`;

  test("is not ready before it has the key, and says why", async () => {
    await redis.command("ACL", "SETUSER", "roomcast", ...RIGHTS);
    const node = begin("node-1", { url: limited() });
    const waiting = async () => {
      const answer = await ready(node);
      return answer.status === 503 && /session key/.test(answer.json.reason) && answer;
    };
    const answer = await until(waiting, "it says that the key is missing");
    assert.equal(answer.json.status, "starting");
    await redis.command("ACL", "SETUSER", "roomcast", "~{socket.io-shared}*");
    await node.started;
    assert.equal((await ready(node)).json.status, "ready");
  });

  test("stays in service when it loses Redis later", async () => {
    const own = await RedisServer.start();
    const node = await start("node-1", { url: own.url });
    await own.stop();
    await until(async () => (await ready(node)).json.status === "degraded", "it has noticed");
    assert.equal((await ready(node)).status, 200);
  });

  test("with keys of the configuration waits for none", async () => {
    await redis.command("ACL", "SETUSER", "roomcast", ...RIGHTS);
    const node = await start("node-1", { keys: [KEYS.a], url: limited() });
    assert.equal((await ready(node)).json.status, "ready");
  });
});

describe("a node to which nothing can be passed on", () => {
  const FAILED = /cannot be forwarded/;

  test("is told once, however often its sessions ask", async () => {
    const [one, two] = [await start("node-1"), await start("node-2")];
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2, "they know each other");
    const session = await Polling.open(two);
    await two.process.kill();
    const { sid } = session.opening;
    for (let count = 0; count < 5; count += 1) assertRefused(1, await one.ask(endpoint({ ...POLLING, sid })));
    assert.equal(await one.metric("roomcast_forwarded_total", { outcome: "failed" }), 5);
    assert.equal(said(one, FAILED), 1, one.process.tail);
  });
});
