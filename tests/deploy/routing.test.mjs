// Where the two load balancers send what comes to them, with the product's configurations as they are.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { tagOf } from "../harness/balancer.mjs";
import { connect } from "../harness/client.mjs";
import { Cluster, clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { nginxBefore } from "../harness/nginx.mjs";
import { handshake, SlowPoller } from "../harness/polling.mjs";
import { kill } from "../harness/scripts.mjs";

const BALANCERS = {
  haproxy: async (cluster) => cluster.balancer,
  nginx: (cluster) => nginxBefore(cluster, { product: true }),
};
const cluster = clusterForFile({ product: true });
// nobody has signed this
const forged = (tag) => `${"A".repeat(16)}${tag}${"A".repeat(22)}`;
const poll = (url, sid) => fetch(`${url}/socket.io/?${new URLSearchParams({ EIO: "4", transport: "polling", sid })}`);
const onAll = (cluster, metric, labels) => Promise.all(cluster.names.map((name) => cluster.metric(name, metric, labels)));
const forwarded = async (cluster) => {
  const counts = await onAll(cluster, "roomcast_forwarded_total", { outcome: "answered" });
  return counts.reduce((sum, count) => sum + count);
};

/** A new session: its tag, and the answer. */
async function newcomer(url) {
  const response = await handshake(url);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return { tag: JSON.parse(text.slice(1)).sid.slice(16, 20), response };
}

/** A cluster whose nodes, once they drain, keep their sessions for as long as the test takes. */
async function draining(t) {
  const own = await Cluster.start({ product: true, env: { ROOMCAST__SERVER__DRAIN_DELAY_MS: "120000" } });
  t.after(async () => {
    for (const node of own.nodes) await kill(node.pid);
    await own.stop();
  });
  return own;
}

/** Tells a node to stop; resolves when it takes no newcomers. */
async function drain({ name, url, admin_url }) {
  const asked = await fetch(`${admin_url}/drain`, { method: "POST" });
  assert.equal(asked.status, 202, await asked.text());
  await until(async () => {
    const response = await handshake(url);
    return response.status === 503 && (await response.json()).code === "draining";
  }, `${name} takes no newcomers`);
}

/**
 * Whether the session is answered "unknown". Who finds out that a node is gone by a request on a connection that it had
 * kept, closes the client's instead of an answer (RFC 9112, section 9.5): the client may not know what became of it.
 */
async function isUnknown(poller) {
  try {
    await poller.request("whoami");
  } catch (error) {
    if (error.cause?.code === "UND_ERR_SOCKET") return false;
    assert.match(error.message, /Session ID unknown/);
    return true;
  }
  return assert.fail("the session was answered");
}

for (const [name, balancerOf] of Object.entries(BALANCERS)) {
  describe(`deploy/${name}`, () => {
    let url;
    before(async () => {
      await cluster.ready;
      url = await balancerOf(cluster);
    });

    test("newcomers go round, and get no cookie", async () => {
      const newcomers = [];
      for (let i = 0; i < 9; i += 1) newcomers.push(await newcomer(url));
      assert.deepEqual([...new Set(newcomers.map(({ tag }) => tag))].sort(), cluster.names.map(tagOf));
      for (const { response } of newcomers) assert.equal(response.headers.get("set-cookie"), null);
    });

    test("the requests of a session go to its node: no node has to pass one on", async () => {
      const before = await forwarded(cluster);
      const pollers = await Promise.all(Array.from({ length: 6 }, () => SlowPoller.connect(url)));
      const nodes = new Set();
      for (const poller of pollers) nodes.add((await poller.request("whoami")).node);
      assert.deepEqual([...nodes].sort(), cluster.names);
      for (const transport of ["polling", "upgrade"]) {
        for (let i = 0; i < 3; i += 1) await cluster.keep(await connect(url, { transport })).whoami();
      }
      await Promise.all(pollers.map((poller) => poller.close()));
      assert.equal(await forwarded(cluster), before);
    });

    test("the tag alone decides", async () => {
      const refused = () => onAll(cluster, "roomcast_unknown_sessions_total", { reason: "forged" });
      for (const [i, node] of cluster.names.entries()) {
        const before = await refused();
        for (let times = 0; times < 4; times += 1) {
          const response = await poll(url, forged(tagOf(node)));
          assert.equal(response.status, 400);
          assert.equal((await response.json()).code, 1);
        }
        const expected = before.map((count, at) => (at === i ? count + 4 : count));
        assert.deepEqual(await refused(), expected, `all four at ${node}, and none elsewhere`);
      }
    });

    test("a session id that makes no sense is answered by some node", async () => {
      for (const sid of [forged("zzzz"), forged("n009"), "", "x", "A".repeat(20), "/../n001", "%00".repeat(20), "é".repeat(20)]) {
        const response = await poll(url, sid);
        assert.equal(response.status, 400, sid);
        assert.equal((await response.json()).code, 1, sid);
      }
    });

    test("a node that is about to stop: newcomers go elsewhere at once, its sessions stay with it", async (t) => {
      const own = await draining(t);
      const url = await balancerOf(own);
      const pollers = await Promise.all(Array.from({ length: 6 }, () => SlowPoller.connect(url)));
      const homes = await Promise.all(pollers.map(async (poller) => (await poller.request("whoami")).node));
      const poller = pollers[homes.indexOf("node-1")];
      assert.ok(poller, `none of six is on node-1: ${homes}`);

      await drain(own.node("node-1"));
      for (let i = 0; i < 9; i += 1) assert.notEqual((await newcomer(url)).tag, "n001");
      for (let i = 0; i < 6; i += 1) assert.notEqual((await own.keep(await connect(url)).whoami()).node, "node-1");
      assert.equal((await poller.request("whoami")).node, "node-1");

      // only HAProxy asks /ready; then the session's requests come to other nodes, which pass them on
      if (name !== "haproxy") return;
      const before = await forwarded(own);
      await until(async () => {
        assert.equal((await poller.request("whoami")).node, "node-1");
        return (await forwarded(own)) > before;
      }, "the balancer has taken the node out");
    });

    test("all nodes are about to stop: a newcomer is told so", async (t) => {
      const own = await draining(t);
      const url = await balancerOf(own);
      for (const node of own.nodes) {
        await SlowPoller.connect(node.url);
        await drain(node);
      }
      const response = await handshake(url);
      const text = await response.text();
      assert.equal(response.status, 503, text);
      assert.match(response.headers.get("retry-after"), /^[1-9]\d*$/);
      assert.equal(JSON.parse(text).code, "draining");
    });

    test("a client cannot choose its address", async (t) => {
      const own = await Cluster.start({ product: true, env: { ROOMCAST__SERVER__MAX_SESSIONS_PER_ADDRESS: "1" } });
      t.after(() => own.stop());
      const url = await balancerOf(own);
      const statuses = [];
      for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]) {
        const headers = { "x-forwarded-for": address, forwarded: `for=${address}`, "x-real-ip": address };
        statuses.push((await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers })).status);
      }
      // one on each node, and no more
      assert.deepEqual(statuses, [200, 200, 200, 429]);
    });

    test("a node is lost: its sessions are unknown, and the others go on", async (t) => {
      const own = await Cluster.start({ product: true });
      t.after(() => own.stop());
      const url = await balancerOf(own);
      const pollers = await Promise.all(Array.from({ length: 6 }, () => SlowPoller.connect(url)));
      for (const poller of pollers) poller.home = (await poller.request("whoami")).node;
      await kill(own.node("node-2").pid);
      for (const poller of pollers) {
        if (poller.home === "node-2") await until(() => isUnknown(poller), "a session of node-2 is unknown");
        else assert.equal((await poller.request("whoami")).node, poller.home);
      }
      for (let i = 0; i < 6; i += 1) {
        const person = own.keep(await connect(url, { transport: "upgrade" }));
        assert.notEqual((await person.whoami()).node, "node-2");
      }
      await Promise.all(pollers.filter(({ home }) => home !== "node-2").map((poller) => poller.close()));
    });
  });
}
