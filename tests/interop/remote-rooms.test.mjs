// Rooms made from afar: they exist as long as somebody is in them, and not a moment longer.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { neighboursOf } from "../harness/neighbours.mjs";

const cluster = clusterForFile();
const TIMES = 200;
const neighbours = neighboursOf(cluster);

const chat = (node) => cluster.connect({ node, namespace: "/chat" });
const allRooms = () => neighbours.node.chat.adapter.allRooms();
const rooms = async (client) => (await client.whoami()).rooms;
const listed = async (label) => [...(await allRooms())].filter((room) => room.includes(label));

/** All nodes are through with what this hand has asked for until now: its requests and broadcasts are in order. */
async function done(hand) {
  const clients = await Promise.all(cluster.names.map(chat));
  hand.emit("done?");
  for (const client of clients) await client.expect("done?");
}

for (const [name, hand] of Object.entries(neighbours.hands)) {
  test(`${name} lets nobody join: nothing is left behind`, async () => {
    const ann = await chat("node-1");
    for (let n = 0; n < TIMES; n += 1) {
      hand().in(`nobody-${n}`).socketsJoin(`ghost-${n}`);
      hand().in(freshRoom("empty")).socketsJoin([`ghost-a-${n}`, `ghost-b-${n}`]);
      hand().in(`${"z".repeat(16)}${1000 + n}`).socketsJoin(`ghost-id-${n}`);
      hand().in(ann.id).except(ann.id).socketsJoin(`ghost-except-${n}`);
    }
    await done(hand());
    assert.deepEqual(await listed("ghost"), []);
    assert.deepEqual(await listed("nobody"), []);
    assert.deepEqual(await listed("empty"), []);
    assert.deepEqual((await rooms(ann)).filter((room) => room.includes("ghost")), []);
  });

  test(`${name} lets sockets leave rooms that nobody is in`, async () => {
    const ann = await chat("node-1");
    for (let n = 0; n < TIMES; n += 1) {
      hand().socketsLeave(`absent-${n}`);
      hand().in(`nobody-${n}`).socketsLeave(`absent-${n}`);
    }
    await done(hand());
    assert.deepEqual(await rooms(ann), []);
    assert.deepEqual(await listed("absent"), []);
    assert.deepEqual(await listed("nobody"), []);
  });

  test(`${name} lets a socket join and leave: the room is there meanwhile`, async () => {
    const ann = await chat("node-2");
    const room = freshRoom("meanwhile");
    hand().in(ann.id).socketsJoin(room);
    await until(async () => (await rooms(ann)).includes(room), "ann is in it");
    assert.deepEqual(await listed(room), [room]);
    hand().in(ann.id).socketsLeave(room);
    await until(async () => !(await rooms(ann)).includes(room), "ann is not in it");
    assert.deepEqual(await listed(room), []);
  });
}

test("rooms that nobody is in take no memory", async () => {
  const resident = (node) => {
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"));
    return Number(kilobytes) * 1024;
  };
  const name = "x".repeat(20_000);
  // one round is less than what Redis would hold back for a slow subscriber
  const fill = async (label) => {
    for (let round = 0; round < 10; round += 1) {
      for (let n = 0; n < TIMES; n += 1) {
        neighbours.emitter.of("/chat").in("nobody").socketsJoin(`${label}-${round}-${n}-${name}`);
      }
      await done(neighbours.emitter.of("/chat"));
    }
  };
  // what the buffers on the way take for themselves they take once
  await fill("warm");
  const before = cluster.nodes.map(resident);
  await fill("full");
  for (const [i, node] of cluster.nodes.entries()) {
    const grown = resident(node) - before[i];
    assert.ok(grown < (10 * TIMES * name.length) / 2, `${node.name} has grown by ${grown} bytes`);
  }
});

test("a room is gone with its last member, however it goes", async () => {
  const goings = {
    leaves: (client, room) => client.leave(room),
    disconnects: (client) => client.socket.disconnect(),
    "is disconnected": (client) => neighbours.node.chat.in(client.id).disconnectSockets(true),
    breaks: (client) => client.socket.io.engine.transport.ws.terminate(),
  };
  for (const [how, go] of Object.entries(goings)) {
    const client = await chat("node-3");
    const room = freshRoom("last");
    await client.join(room);
    assert.deepEqual(await listed(room), [room]);
    go(client, room);
    await until(async () => (await listed(room)).length === 0, `${room} is gone when its last member ${how}`);
  }
});

test("a socket that is gone cannot be moved into a room", async () => {
  const gone = await chat("node-1");
  const { id } = gone;
  gone.close();
  await until(async () => !(await allRooms()).has(id), "it is gone");
  for (let n = 0; n < TIMES; n += 1) neighbours.node.chat.in(id).socketsJoin(`late-${n}`);
  assert.deepEqual(await listed("late-"), []);
});
