// A deploy: three nodes are restarted one after the other while 2000 clients are connected and talk. All come back by
// themselves within the window, and no node is run over.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { BALANCERS } from "../harness/balancer.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { Child } from "../harness/processes.mjs";

const CLIENTS = 2000;
const AT_ONCE = 100;
const WINDOW = 4000;
/** New sessions that a node takes in a second; all clients of a node at once would be twice as many. */
const RATE = 350;
const REASON = "transport close";
const REFUSED = "transport error";

const successors = [];
after(() => Promise.all(successors.map((child) => child.kill())));

/** Starts a node that has ended again: the same program with the same environment, so on the same ports. */
function starter({ pid }) {
  const parts = (file) => readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").filter(Boolean);
  const [program, ...args] = parts("cmdline");
  const environment = parts("environ");
  return () => {
    const child = new Child("env", ["-i", ...environment, program, ...args]);
    successors.push(child);
    return child;
  };
}

const isGone = (pid) => {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
};

/** With round robin most requests of those who poll pass through other nodes, also through the one that stops. */
for (const balancer of BALANCERS) test(`${CLIENTS} clients through a rolling restart of three nodes, ${balancer}`, { timeout: 240_000 }, async (t) => {
  const cluster = await Cluster.start({
    balancer,
    env: {
      ROOMCAST__SERVER__DRAIN_DELAY_MS: "1500",
      ROOMCAST__SERVER__DRAIN_WINDOW_MS: String(WINDOW),
      ROOMCAST__SERVER__MAX_HANDSHAKES_PER_SECOND: String(RATE),
    },
  });
  t.after(() => cluster.stop());
  const clients = [];
  while (clients.length < CLIENTS) {
    // two in three by websocket, the others poll
    const transport = clients.length % 3 ? "websocket" : "polling";
    const options = { transport, namespace: "/chat", reconnection: true, reconnectionDelay: 200, reconnectionDelayMax: 2000 };
    clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => cluster.connect(options)))));
  }

  let talking = true;
  let answered = 0;
  let unanswered = 0;
  const talk = async ({ socket }) => {
    while (talking) {
      // Without a connection the client keeps it for the next one. What it sends into one that is just being closed is
      // lost, as with any Socket.IO server.
      await socket.timeout(2000).emitWithAck("whoami").then(() => (answered += 1), () => (unanswered += 1));
    }
  };
  const talkers = clients.filter((_, at) => at % 200 === 0).map(talk);

  const times = [];
  for (const node of cluster.nodes) {
    const before = answered;
    const start = starter(node);
    const sessions = await cluster.metric(node.name, "roomcast_sessions");
    process.kill(node.pid, "SIGTERM");
    const begun = Date.now();
    await until(() => isGone(node.pid), `${node.name} has ended`, 30_000);
    times.push({ node: node.name, sessions, stopped: Date.now() - begun });
    const back = () => clients.every(({ connectedNow }) => connectedNow);
    await until(back, "all clients are back", 30_000);
    times.at(-1).allBack = Date.now() - begun;
    for (const { name } of cluster.nodes.filter((other) => other !== node)) {
      const refused = await cluster.metric(name, "roomcast_requests_refused_total", { code: "too_many_handshakes" });
      assert.equal(refused, 0, `${name} was asked for more than ${RATE} sessions in a second`);
    }
    start();
    await until(async () => (await cluster.get(node.name, "/ready", { internal: true })).status === 200, `${node.name} is ready`);
    // the balancer asks every two seconds, and believes the second time
    const counted = async () => (await cluster.metric(node.name, "roomcast_connections_accepted_total")) >= 3;
    await until(counted, `the balancer has asked ${node.name}`, 20_000);
    await until(() => answered > before, "clients are answered");
  }
  talking = false;
  await Promise.all(talkers);

  const reasons = {};
  for (const reason of clients.flatMap(({ disconnects }) => disconnects)) reasons[reason] = (reasons[reason] ?? 0) + 1;
  t.diagnostic(JSON.stringify({ reasons, times, answered, unanswered }));
  // Who polls and sends something in the moment in which its session is closed is told that the session is unknown, which
  // the client calls an error; it comes back as the others do. Only those who talk can meet it.
  const { [REASON]: closed, [REFUSED]: refused = 0, ...others } = reasons;
  assert.deepEqual(others, {});
  assert.ok(closed > 0 && refused <= talkers.length, JSON.stringify(reasons));
  assert.ok(unanswered <= talkers.length * cluster.nodes.length, `${unanswered} of ${answered} had no answer`);
  for (const { sessions, stopped, allBack, node } of times) {
    assert.ok(sessions > CLIENTS / 6, `${node} had ${sessions} sessions`);
    assert.ok(stopped < 1500 + WINDOW + 3000, `${node} stopped after ${stopped} ms`);
    assert.ok(allBack < 1500 + WINDOW + 6000, `all were back ${allBack} ms after ${node} was told to stop`);
  }
});
