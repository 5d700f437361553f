// A node stops while it passes on requests of sessions of other nodes: their clients do not pay for it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { tagOf } from "../harness/balancer.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { until, within } from "../harness/deadline.mjs";
import { SEPARATOR } from "../harness/engine.mjs";
import { handshake } from "../harness/polling.mjs";
import { alive } from "../harness/scripts.mjs";

const TEXT = { "content-type": "text/plain;charset=UTF-8" };

/** A session of the node `home`, of which each request goes to whatever node the test says. */
class Session {
  static async at(cluster, home) {
    const response = await handshake(cluster.node(home).url);
    const session = new Session();
    session.cluster = cluster;
    session.sid = JSON.parse((await response.text()).slice(1)).sid;
    assert.equal(session.sid.slice(16, 20), tagOf(home));
    await session.send(home, "40/chat,");
    assert.match((await session.poll(home))[0], /^40\/chat,/);
    return session;
  }

  url(node, transport = "polling") {
    const url = new URL("/socket.io/", this.cluster.node(node).url);
    url.search = new URLSearchParams({ EIO: "4", transport, sid: this.sid });
    return url;
  }

  async send(node, body) {
    const response = await fetch(this.url(node), { method: "POST", body, headers: TEXT });
    assert.equal(response.status, 200, await response.text());
  }

  /** The packets of the next answer that has others than pings. */
  async poll(node) {
    const response = await within(fetch(this.url(node)), "a poll");
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const packets = text.split(SEPARATOR);
    const others = packets.filter((packet) => packet !== "2");
    if (others.length < packets.length) await this.send(node, "3");
    return others.length > 0 ? others : this.poll(node);
  }

  /** The ack of "whoami", "join" and the like. */
  async ask(node, ...event) {
    await this.send(node, `42/chat,7${JSON.stringify(event)}`);
    const [packet] = await this.poll(node);
    assert.match(packet, /^43\/chat,7\[\{"ok":true/);
  }

  /** Changes over to a websocket through this node. */
  async upgrade(node) {
    const url = this.url(node, "websocket");
    url.protocol = "ws:";
    const websocket = new WebSocket(url);
    const heard = [];
    websocket.on("message", (data) => heard.push(String(data)));
    const closed = new Promise((resolve) => websocket.once("close", resolve));
    await new Promise((resolve, reject) => websocket.once("open", resolve).once("error", reject));
    websocket.send("2probe");
    await until(() => heard.includes("3probe"), "the probe is answered");
    websocket.send("5");
    return { websocket, heard, closed };
  }
}

const passing = (cluster, node) => cluster.metric(node, "roomcast_forwarding_requests");

async function start(t, env = {}) {
  const cluster = await Cluster.start({ env: { ROOMCAST__SERVER__DRAIN_DELAY_MS: "100", ...env } });
  t.after(() => cluster.stop());
  return cluster;
}

async function stop(cluster, name) {
  const { admin_url, pid } = cluster.node(name);
  const asked = await fetch(`${admin_url}/drain`, { method: "POST" });
  assert.equal(asked.status, 202);
  await until(() => !alive(pid), `${name} has ended`, 30_000);
  const log = readFileSync(join(cluster.place.dir, "state", `${name}.log`), "utf8");
  return log.split("\n").findLast((line) => line.includes("passed_on") && line.includes("took_ms"));
}

test("a poll is answered, and its session goes on elsewhere", async (t) => {
  const cluster = await start(t);
  const sessions = [];
  for (let i = 0; i < 5; i += 1) sessions.push(await Session.at(cluster, "node-1"));
  const polls = sessions.map((session) => session.poll("node-2"));
  await until(async () => (await passing(cluster, "node-2")) === 5, "the polls wait");
  const report = await stop(cluster, "node-2");
  assert.match(report, /passed_on\W+5\b/);
  assert.deepEqual(await Promise.all(polls), Array(5).fill(["6"]));
  for (const session of sessions) {
    await session.ask("node-3", "whoami");
  }
  assert.equal(await cluster.metric("node-1", "roomcast_sessions"), 5);
});

test("no packet is lost that comes at that moment", async (t) => {
  const cluster = await start(t, { ROOMCAST__SERVER__DRAIN_SLICE: "1" });
  const speaker = await cluster.connect({ direct: "node-3", namespace: "/chat" });
  const sessions = [];
  for (let i = 0; i < 20; i += 1) {
    const session = await Session.at(cluster, "node-1");
    await session.ask("node-1", "join", "paris");
    sessions.push(session);
  }
  await speaker.ok("join", "paris");
  let spoken = 0;
  let over = false;
  const speak = async () => {
    while (!over) await speaker.ok("message", "paris", (spoken += 1));
  };
  // through node-2 while it answers, then through node-3
  const listen = async (session) => {
    const numbers = [];
    let node = "node-2";
    while (numbers.at(-1) !== "last") {
      const packets = await session.poll(node).catch((error) => {
        assert.equal(node, "node-2", error.message);
        assert.ok(!(error instanceof assert.AssertionError), error.message);
        node = "node-3";
        return [];
      });
      const events = packets.filter((packet) => packet.startsWith("42/chat,"));
      numbers.push(...events.map((packet) => JSON.parse(packet.slice(8))[1]));
    }
    return numbers;
  };
  const listening = sessions.map(listen);
  const speaking = speak();
  await until(async () => spoken > 100, "there is talk");
  await stop(cluster, "node-2");
  over = true;
  await speaking;
  await speaker.ok("message", "paris", "last");
  const expected = [...Array.from({ length: spoken }, (_, i) => i + 1), "last"];
  for (const numbers of await within(Promise.all(listening), "all have heard the last", 30_000)) assert.deepEqual(numbers, expected);
});

test("a websocket is closed in order by its owner", async (t) => {
  const cluster = await start(t);
  const session = await Session.at(cluster, "node-1");
  const { websocket, heard, closed } = await session.upgrade("node-2");
  websocket.send('42/chat,1["join","paris"]');
  await until(() => heard.some((packet) => packet.startsWith("43/chat,1[")), "it has joined");
  assert.equal(await passing(cluster, "node-2"), 1);
  const friend = await cluster.connect({ direct: "node-3", namespace: "/chat" });
  await friend.ok("join", "paris");
  for (let i = 0; i < 50; i += 1) friend.emit("message", "paris", i);
  await until(() => heard.some((packet) => packet.includes('"message",49')), "the friend is heard");
  const report = await stop(cluster, "node-2");
  assert.match(report, /passed_on\W+1\b/);
  await within(closed, "the websocket is closed");
  await until(async () => (await cluster.metric("node-1", "roomcast_sessions")) === 0, "its owner has no session any more");
  assert.equal(await cluster.metric("node-1", "roomcast_sockets", { namespace: "/chat" }), 0);
  // to its owner it is as if the client had closed its session; a connection that is cut is counted otherwise
  assert.equal(await cluster.metric("node-1", "roomcast_closes_total", { code: "client_closed" }), 1);
});
