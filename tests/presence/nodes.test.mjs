// Nodes that die, nodes that stop in order, and a bus that goes away: nobody stays who has gone, and nobody is told to
// have gone who has not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { takeAway } from "../harness/redis.mjs";
import { alive, kill } from "../harness/scripts.mjs";
import { configFile, enter, snapshots, Watch } from "./world.mjs";

const config = configFile();
const RECONNECT = 30_000;

async function world(t) {
  const cluster = await Cluster.start({ config });
  t.after(() => cluster.stop());
  return { cluster, team: (user, options) => enter(cluster, user, options) };
}

/** One who watches on each of these nodes. */
async function watchers(team, room, nodes) {
  const watches = [];
  for (const node of nodes) watches.push(await Watch.join(await team(`watch-${node}`, { node }), room));
  return watches;
}

test("the members of a node that is killed are gone within 10 s, once, and no snapshot has them", async (t) => {
  const { cluster, team } = await world(t);
  const room = freshRoom();
  const watches = await watchers(team, room, ["node-1", "node-2"]);
  const lost = await Promise.all(["ann", "bob"].map((user) => team(user, { node: "node-3" })));
  // cleo is on two nodes
  const cleo = [await team("cleo", { node: "node-3" }), await team("cleo", { node: "node-1" })];
  for (const client of [...lost, ...cleo]) await client.join(room);
  for (const watch of watches) await watch.sees("ann", "bob", "cleo", "watch-node-1", "watch-node-2");

  const began = performance.now();
  await kill(cluster.node("node-3").pid);
  for (const watch of watches) await watch.sees("cleo", "watch-node-1", "watch-node-2");
  const took = performance.now() - began;
  t.diagnostic(`it took ${(took / 1000).toFixed(1)} s`);
  assert.ok(took < 10_000, `it took ${took} ms`);
  for (const watch of watches) assert.deepEqual(watch.told.filter((name) => name.startsWith("-")).sort(), ["-ann", "-bob"]);
  const members = watches.map(({ client }) => client);
  assert.deepEqual(await snapshots(cluster, room, members), Array(2).fill("cleo watch-node-1 watch-node-2"));
  const late = await Watch.join(await team("late", { node: "node-2" }), room);
  await late.sees("cleo", "late", "watch-node-1", "watch-node-2");
});

test("users of a node that stops in order, and who come back elsewhere, have never been away", async (t) => {
  const { cluster, team } = await world(t);
  const room = freshRoom();
  const users = ["a", "b", "c", "d", "e", "f"];
  const home = new Map();
  const watches = [];
  for (const user of users) {
    const client = await team(user, { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 300 });
    watches.push(await Watch.join(client, room));
    home.set(user, (await client.whoami()).node);
  }
  for (const watch of watches) await watch.sees(...users);
  for (const [at, watch] of watches.entries()) {
    watch.log = [];
    // what an application does: join again after each connect, and begin anew
    watch.client.socket.on("connect", () => {
      const isBack = () => (watch.isBack = true);
      watch.rejoin().then(isBack, (error) => watch.wrong.push(`${users[at]} cannot join: ${error.message}`));
    });
  }
  const stopped = home.get("a");
  const struck = watches.filter((_, at) => home.get(users[at]) === stopped);
  const spared = watches.filter((watch) => !struck.includes(watch));
  assert.ok(spared.length > 0, `all are on ${stopped}`);
  const { pid } = cluster.node(stopped);
  process.kill(pid, "SIGTERM");
  await until(() => !alive(pid), `${stopped} has stopped`, RECONNECT);
  for (const watch of struck) await until(() => watch.isBack, "joined again", RECONNECT);
  // What the node had said is forgotten in the end: each user is on one node again.
  const left = cluster.names.filter((name) => name !== stopped);
  for (const node of left) {
    const members = () => cluster.metric(node, "roomcast_presence_members", { namespace: "/team" });
    await until(async () => (await members()) === users.length, `${node} knows of one place of each user`);
  }
  for (const watch of watches) {
    await watch.sees(...users);
    assert.deepEqual(watch.told, [], `${watch.client.id} was told of it`);
  }
  assert.deepEqual(spared.flatMap(({ client }) => client.disconnects), []);
});

test("Redis is killed: who came and went meanwhile is known afterwards, and nobody else is told of", async (t) => {
  const { cluster, team } = await world(t);
  const room = freshRoom();
  const watches = await watchers(team, room, cluster.names);
  const [ann, bob] = [await team("ann", { node: "node-1" }), await team("bob", { node: "node-2" })];
  for (const client of [ann, bob]) await client.join(room);
  for (const watch of watches) await watch.sees("ann", "bob", "watch-node-1", "watch-node-2", "watch-node-3");

  const bringBack = await takeAway(cluster);
  for (const node of cluster.names) {
    await until(async () => (await cluster.get(node, "/ready")).json.status === "degraded", `${node} has noticed`);
  }
  await ann.leave(room);
  const eve = await team("eve", { node: "node-3" });
  await eve.join(room);
  // who is on the same node hears of it all the same
  await watches[0].sees("bob", "watch-node-1", "watch-node-2", "watch-node-3");
  await watches[2].sees("ann", "bob", "eve", "watch-node-1", "watch-node-2", "watch-node-3");
  await bringBack();
  for (const node of cluster.names) {
    await until(async () => (await cluster.get(node, "/ready")).json.status === "ready", `${node} is ready again`, RECONNECT);
  }
  for (const watch of watches) await watch.sees("bob", "eve", "watch-node-1", "watch-node-2", "watch-node-3");
  // Once more through the bus, so that whatever was on its way has come.
  const mark = await team("mark", { node: "node-2" });
  await mark.join(room);
  for (const watch of watches) {
    await watch.sees("bob", "eve", "mark", "watch-node-1", "watch-node-2", "watch-node-3");
    const told = watch.told.filter((name) => !name.includes("watch"));
    assert.deepEqual(told.sort(), ["+ann", "+bob", "+eve", "+mark", "-ann"], `${watch.client.id} was told ${told}`);
    assert.deepEqual(watch.told.filter((name) => name.startsWith("-")), ["-ann"]);
  }
});
