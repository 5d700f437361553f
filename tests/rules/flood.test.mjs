// One client sends 50 000 packets a second: the others of its room, on the same node, do not notice.
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Worker } from "node:worker_threads";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { temporaryDirectory } from "../harness/processes.mjs";

const RATE = 50_000;
const LAST = 4_000;
const directory = temporaryDirectory();
const cluster = new Cluster();

before(async () => {
  const file = join(directory, "roomcast.toml");
  const limited = (path, action) => `
[[namespaces]]
path = "${path}"
rooms = ["room:*"]
[[namespaces.events]]
name = "message"
[[namespaces.limits]]
name = "talk"
count = 200
action = "${action}"
`;
  writeFileSync(file, `[[namespaces]]\npath = "/"\n${["reject", "drop", "disconnect"].map((action) => limited(`/${action}`, action)).join("")}`);
  await cluster.start({ config: file });
});
after(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function flood(namespace, room, ms) {
  const [{ name, url }] = cluster.nodes;
  const events = { first: [["join", room]], then: ["message", room, "x".repeat(100)] };
  const flooder = new Worker(new URL("../harness/flooder.mjs", import.meta.url), { workerData: { url, namespace, events, rate: RATE, ms } });
  await once(flooder, "message");
  const done = once(flooder, "message").then(([report]) => report);
  return { name, done, ended: once(flooder, "exit") };
}

/** Milliseconds from sending to hearing, again and again until `done`. */
async function delays(ann, bob, room, done) {
  const all = [];
  let going = true;
  done.then(() => (going = false));
  for (let n = 0; going; n += 1) {
    const sent = performance.now();
    ann.emit("message", room, n);
    await bob.expect("message", (first) => first === n);
    all.push(performance.now() - sent);
    bob.drain("message");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return all.sort((a, b) => a - b);
}

for (const action of ["reject", "drop"]) {
  test(`${action}: the others hear each other within 50 ms, 99 times of 100`, async (t) => {
    const room = `room:${action}`;
    const people = [];
    for (const node of ["node-1", "node-1"]) people.push(await cluster.connect({ namespace: `/${action}`, direct: node }));
    for (const client of people) await client.join(room);
    const before = await cluster.metric("node-1", "roomcast_limited_total", { namespace: `/${action}` });
    const { done, ended } = await flood(`/${action}`, room, LAST);
    const times = await delays(...people, room, done);
    const report = await done;
    const limited = async () => (await cluster.metric("node-1", "roomcast_limited_total", { namespace: `/${action}` })) - before;
    await until(async () => (await limited()) >= report.sent * 0.9, "the node has handled what was sent");
    const counted = await limited();
    const p99 = times[Math.floor(times.length * 0.99)];
    t.diagnostic(JSON.stringify({ ...report, counted, rounds: times.length, median: times[times.length >> 1], p99, worst: times.at(-1) }));
    assert.ok(report.open, "the connection stays");
    assert.ok(report.sent / report.ms >= (RATE / 1000) * 0.9, `only ${report.sent} in ${report.ms} ms were sent`);
    assert.ok(times.length >= 50, `only ${times.length} messages got through`);
    assert.ok(p99 < 50, `p99 is ${p99} ms`);
    await ended;
    for (const client of people) assert.deepEqual(client.disconnects, []);
  });
}

test("disconnect: the flood ends at once", async (t) => {
  const { done, ended } = await flood("/disconnect", "room:disconnect", LAST);
  const report = await done;
  await ended;
  t.diagnostic(JSON.stringify(report));
  assert.equal(report.open, false);
  assert.ok(report.ms < LAST / 2, `it went on for ${report.ms} ms`);
  await until(async () => (await cluster.metric("node-1", "roomcast_closes_total", { code: "flood" })) === 1, "the close is counted");
});
