// Anybody who can reach Redis can publish anything. It is counted and dropped, and the cluster goes on. No Node
// server is in this cluster: it would crash.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { emitterOf, redisOf } from "../harness/redis.mjs";

const cluster = clusterForFile();
let redis;
before(async () => {
  redis = await redisOf(cluster);
});

const undecodable = (node) => cluster.metric(node, "roomcast_bus_undecodable_total");
const bytes = (...parts) => Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

// a whole message as the emitter writes it, to be cut and bent
const WHOLE = await wholeMessage();
const NEVER_A_BROADCAST = {
  nothing: bytes(""),
  "a byte that MessagePack never uses": bytes([0xc1]),
  "random bytes": bytes([0xc1], Array.from({ length: 200 }, (_, i) => (i * 7919) % 256)),
  "a message cut short": WHOLE.subarray(0, WHOLE.length - 3),
  "a message cut after its first byte": WHOLE.subarray(0, 1),
  "a message with a tail": bytes(WHOLE, [0xc0]),
  "an array of two": bytes([0x92, 0xa1], "x", [0x80]),
  "an empty array": bytes([0x90]),
  "three of nothing": bytes([0x93, 0xc0, 0xc0, 0xc0]),
  "a map": bytes([0x81, 0xa4], "type", [0x02]),
  "a number": bytes([0x07]),
  "text of JSON": bytes('{"uid":"x","type":2}'),
  "a list in JSON": bytes('["x",{"type":2,"data":["a"],"nsp":"/chat"},{"rooms":[]}]'),
  "an array that promises four milliards": bytes([0xdd, 0xff, 0xff, 0xff, 0xff]),
  "bytes that promise four milliards": bytes([0x93, 0xc6, 0xff, 0xff, 0xff, 0xff, 0x00]),
  "lists in lists in lists": Buffer.alloc(100_000, 0x91),
};

async function wholeMessage() {
  const published = [];
  const { Emitter } = await import("@socket.io/redis-emitter");
  const emitter = new Emitter({ publish: (channel, message) => published.push(message) });
  emitter.of("/chat").emit("message", "whole", { a: 1 });
  return Buffer.from(published[0]);
}

async function allWell() {
  const room = freshRoom();
  const clients = await Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat" })));
  for (const client of clients) await client.join(room);
  for (const client of clients) {
    await client.ok("message", room, `all well, says ${client.id}`);
    for (const other of clients) if (other !== client) await other.hears("message", `all well, says ${client.id}`);
  }
  await nothingMore(...clients);
  for (const name of cluster.names) {
    assert.equal((await cluster.get(name, "/live")).status, 200);
    assert.equal((await cluster.get(name, "/ready")).json.status, "ready");
  }
}

for (const [kind, message] of Object.entries(NEVER_A_BROADCAST)) {
  test(`${kind} on the broadcast channel is counted on every node`, async () => {
    const before = await Promise.all(cluster.names.map(undecodable));
    await redis.publish("socket.io#/chat#", message);
    for (const [i, name] of cluster.names.entries()) {
      await until(async () => (await undecodable(name)) === before[i] + 1, `${name} has counted it once`);
    }
    await allWell();
  });
}

test("garbage for a room is counted where the room has members", async () => {
  const room = freshRoom();
  const ann = await cluster.connect({ node: "node-2", namespace: "/chat" });
  await ann.join(room);
  const before = await undecodable("node-2");
  await redis.publish(`socket.io#/chat#${room}#`, NEVER_A_BROADCAST["random bytes"]);
  await until(async () => (await undecodable("node-2")) === before + 1, "node-2 has counted it");
  await allWell();
});

test("garbage on the request channel is counted", async () => {
  const cases = [bytes([0xc1, 1, 2, 3]), bytes("{not json"), bytes('{"type":'), bytes([0x81, 0xa4]), Buffer.alloc(100_000, 0x91)];
  for (const message of cases) {
    const before = await Promise.all(cluster.names.map(undecodable));
    await redis.publish("socket.io-request#/chat#", message);
    for (const [i, name] of cluster.names.entries()) {
      await until(async () => (await undecodable(name)) > before[i], `${name} has counted ${message.subarray(0, 20)}`);
    }
  }
  await allWell();
});

test("requests that make no sense change nothing", async () => {
  const requests = [
    {},
    { type: 99 },
    { type: "2" },
    { type: 2 },
    { type: 2, opts: null, rooms: null },
    { type: 2, opts: {}, rooms: {} },
    { type: 2, opts: { rooms: "x", except: 7 }, rooms: [{}] },
    { type: 3, opts: { rooms: [], except: [] } },
    { type: 4, opts: { rooms: [null] } },
    { type: 7, uid: "x", requestId: null, packet: null, opts: null },
    { type: 6, uid: "x", data: "no list" },
    { type: 5, uid: "x" },
    [],
  ];
  const ann = await cluster.connect({ node: "node-1", namespace: "/chat" });
  for (const request of requests) await redis.publish("socket.io-request#/chat#", JSON.stringify(request));
  const emitter = await emitterOf(cluster);
  emitter.of("/chat").in(ann.id).socketsJoin("paris");
  await until(async () => (await ann.whoami()).rooms.includes("paris"), "a sane request behind them is done");
  assert.deepEqual((await ann.whoami()).rooms, ["paris"]);
  assert.deepEqual(ann.disconnects, []);
  await allWell();
});

test("garbage on the response channels and on strange channels harms nobody", async () => {
  for (const channel of ["socket.io-response#/chat#", "socket.io#/chat", "socket.io#/chat#x", "socket.io#/nowhere#", "socket.io##", "socket.io#/chat##"]) {
    for (const message of Object.values(NEVER_A_BROADCAST)) await redis.publish(channel, message);
  }
  await allWell();
});

test("lenient where Node is: numbers as rooms, and what old emitters leave out", async () => {
  const [ann, bob] = [
    await cluster.connect({ node: "node-1", namespace: "/chat" }),
    await cluster.connect({ node: "node-2", namespace: "/chat" }),
  ];
  // ["x", {type: 2, data: ["news", 1], nsp: "/chat"}, {}]: neither rooms nor except nor flags
  const bare = bytes([0x93, 0xa1], "x", [0x83, 0xa4], "type", [0x02, 0xa4], "data", [0x92, 0xa4], "news", [0x01, 0xa3], "nsp", [0xa5], "/chat", [0x80]);
  await redis.publish("socket.io#/chat#", bare);
  for (const client of [ann, bob]) assert.deepEqual(await client.expect("news"), [1]);
  // the same with empty strings for the lists, as a Python emitter writes them, and type 5
  const old = bytes([0x93, 0xa1], "x", [0x83, 0xa4], "type", [0x05, 0xa4], "data", [0x92, 0xa4], "news", [0x02, 0xa3], "nsp", [0xa5], "/chat", [0x82, 0xa5], "flags", [0xa0, 0xa5], "rooms", [0xa0]);
  await redis.publish("socket.io#/chat#", old);
  for (const client of [ann, bob]) assert.deepEqual(await client.expect("news"), [2]);
});
