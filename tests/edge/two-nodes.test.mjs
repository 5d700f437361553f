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

const STRANGER = /do not accept what the other signs/;

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
    // a third one makes both look again; it signs with a key that only one of them accepts
    const three = await start("node-3", { keys: [KEYS.a, KEYS.b] });
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 3 && (await two.metric("roomcast_cluster_nodes")) === 3, "all are known");
    await until(() => said(two, STRANGER) === 2 && said(three, STRANGER) === 1, "the second and the third differ as well");
    assert.equal(said(one, STRANGER), 1);
  });

  test("of the configuration here and through Redis there are told as well", async () => {
    const [one, two] = [await start("node-1", { keys: [KEYS.a] }), await start("node-2")];
    for (const node of [one, two]) await until(() => said(node, STRANGER) > 0, `${node.name} says so`);
    assert.match(two.process.tail, /keys_from="?redis\.url/);
  });

  test("that are being changed in order are no matter", async () => {
    const [one, two] = [await start("node-1", { keys: [KEYS.a, KEYS.b] }), await start("node-2", { keys: [KEYS.b, KEYS.a] })];
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2 && (await two.metric("roomcast_cluster_nodes")) === 2, "both are known");
    const session = await Polling.open(one);
    const opened = await Polling.open(two);
    for (const [owner, other, { opening }] of [[one, two, session], [two, one, opened]]) {
      const answer = await other.ask(endpoint({ ...POLLING, sid: opening.sid }), { method: "POST", body: "40" });
      assert.equal(answer.status, 200, `${other.name} passes on to ${owner.name}: ${answer.text}`);
    }
    assert.deepEqual([said(one, STRANGER), said(two, STRANGER)], [0, 0]);
  });

  test("from Redis may be deleted there: sessions go on, also through other nodes, and newcomers get the new key", async () => {
    const [one, two] = [await start("node-1"), await start("node-2")];
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2, "they know each other");
    const post = (node, { opening }) => node.ask(endpoint({ ...POLLING, sid: opening.sid }), { method: "POST", body: "40" });
    const session = await Polling.open(one);
    assert.equal((await post(two, session)).status, 200);
    const [key] = await redis.command("KEYS", "*shared*");
    await redis.command("DEL", key);
    const changed = (node) => /replaced=true/.test(node.process.tail);
    await until(() => changed(one) && changed(two), "both have the new key", 30_000);
    const newcomer = await Polling.open(two);
    for (const node of [one, two]) {
      assert.equal((await post(node, session)).status, 200, node.name);
      assert.equal((await post(node, newcomer)).status, 200, node.name);
    }
  });
});

describe("a request that comes back", () => {
  test("to the node that has passed it on is not passed on again", async () => {
    const one = await start("node-1");
    const lost = new LoneNode();
    nodes.push(Object.assign(lost, { name: "node-2" }));
    // it says that it is reached where the first one is
    await lost.start({ node: { name: "node-2", tag: "n002" }, internal: { advertise: `127.0.0.1:${one.internalPort}` }, redis: { url: redis.url } });
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2, "they know each other");
    const { sid } = (await Polling.open(lost)).opening;
    assertRefused(1, await one.ask(endpoint({ ...POLLING, sid })));
    assert.equal(await one.metric("roomcast_unknown_sessions_total", { reason: "misrouted" }), 1);
    assert.equal(await one.metric("roomcast_forwarded_total", { outcome: "failed" }), 1);
  });

  test("a client cannot ask for what nodes ask of each other", async () => {
    const [one, two] = [await start("node-1"), await start("node-2")];
    await until(async () => (await one.metric("roomcast_cluster_nodes")) === 2, "they know each other");
    const { sid } = (await Polling.open(two)).opening;
    for (const node of [one, two]) assertRefused(3, await node.ask(endpoint({ ...POLLING, sid }), { method: "DELETE" }));
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
