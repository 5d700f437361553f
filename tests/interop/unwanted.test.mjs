// A node on which nobody is in a room does not even decode what is said there; it counts it.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { emitterOf, redisOf } from "../harness/redis.mjs";

const cluster = clusterForFile();
let redis;
let emitter;
before(async () => {
  redis = await redisOf(cluster);
  emitter = await emitterOf(cluster);
});

const unwanted = (node) => cluster.metric(node, "roomcast_bus_dropped_total", { reason: "unwanted" });
const undecodable = (node) => cluster.metric(node, "roomcast_bus_undecodable_total");

/** Gives a function that tells how much every node has counted since. */
async function counting(metric) {
  const all = () => Promise.all(cluster.names.map(metric));
  const before = await all();
  return async () => (await all()).map((now, i) => now - before[i]);
}

const everywhere = () => Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat" })));

/** All nodes are through with what was on the bus until now: the bus is in order, and everybody hears this. */
async function busIsRead(clients) {
  emitter.of("/chat").emit("read?");
  for (const client of clients) await client.expect("read?");
}

test("what an emitter says in a room is dropped on the nodes without members", async () => {
  const clients = await everywhere();
  const room = freshRoom();
  await clients[1].join(room);
  const dropped = await counting(unwanted);
  for (let n = 0; n < 5; n += 1) emitter.of("/chat").to(room).emit("news", n);
  await busIsRead(clients);
  assert.deepEqual(clients[1].drain("news"), [[0], [1], [2], [3], [4]]);
  assert.deepEqual(await dropped(), [5, 0, 5]);
});

test("what a member says is dropped neither on its own node nor where others are", async () => {
  const clients = await everywhere();
  const [ann, bob] = clients;
  const room = freshRoom();
  for (const client of [ann, bob]) await client.join(room);
  const dropped = await counting(unwanted);
  for (let n = 0; n < 5; n += 1) await ann.ok("message", room, n);
  await bob.expect("message", (n) => n === 4);
  await busIsRead(clients);
  assert.deepEqual(await dropped(), [0, 0, 5]);
});

test("it is not decoded: garbage counts as garbage only where somebody wants it", async () => {
  const clients = await everywhere();
  const room = freshRoom();
  await clients[2].join(room);
  const [dropped, garbage] = [await counting(unwanted), await counting(undecodable)];
  await redis.publish(`socket.io#/chat#${room}#`, Buffer.from([0xc1, 1, 2, 3]));
  await busIsRead(clients);
  assert.deepEqual(await dropped(), [1, 1, 0]);
  assert.deepEqual(await garbage(), [0, 0, 1]);
});

test("a node wants it again as soon as somebody joins, and no more when the last one has left", async () => {
  const clients = await everywhere();
  const [ann] = clients;
  const room = freshRoom();
  const say = async (n) => {
    const dropped = await counting(unwanted);
    emitter.of("/chat").to(room).emit("news", n);
    await busIsRead(clients);
    return dropped();
  };
  assert.deepEqual(await say(1), [1, 1, 1]);
  await ann.join(room);
  assert.deepEqual(await say(2), [0, 1, 1]);
  assert.deepEqual(ann.drain("news"), [[2]]);
  await ann.leave(room);
  assert.deepEqual(await say(3), [1, 1, 1]);
});

test("without a room, or with several, the channel names none: what is in the message decides", async () => {
  const clients = await everywhere();
  const [ann] = clients;
  const [room, other] = [freshRoom(), freshRoom()];
  await ann.join(room);
  const dropped = await counting(unwanted);
  emitter.of("/chat").emit("news", "for all");
  await busIsRead(clients);
  for (const client of clients) assert.deepEqual(client.drain("news"), [["for all"]]);
  assert.deepEqual(await dropped(), [0, 0, 0]);
  emitter.of("/chat").to([room, other]).emit("news", "for some");
  await busIsRead(clients);
  assert.deepEqual(ann.drain("news"), [["for some"]]);
  assert.deepEqual(await dropped(), [0, 1, 1]);
  emitter.of("/chat").to([freshRoom(), other]).emit("news", "for nobody");
  await busIsRead(clients);
  assert.deepEqual(await dropped(), [1, 2, 2]);
});
