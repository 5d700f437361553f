// A node that has as many sessions as it may tells newcomers to come back later, and they do so by themselves.
import assert from "node:assert/strict";
import { request } from "node:http";
import { beforeEach, describe, test } from "node:test";
import { dial } from "../harness/client.mjs";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";
import { handshake, SlowPoller } from "../harness/polling.mjs";

const MOST = 5;
const cluster = clusterForFile({ nodes: 1, config: new URL("five-sessions.toml", import.meta.url).pathname });
const sessions = () => cluster.metric("node-1", "roomcast_sessions");
const url = () => cluster.node("node-1").url;

// the clients of the test before are on their way out
beforeEach(async () => {
  await cluster.ready;
  await until(async () => (await sessions()) === 0, "no session is left");
});

/** A websocket handshake by hand: a client of Node or of a browser does not show the answer to one that is refused. */
async function websocketHandshake(query) {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": Buffer.alloc(16, 7).toString("base64"),
  };
  const asked = request(new URL(`/socket.io/?${new URLSearchParams(query)}`, url()), { headers }).end();
  const answer = new Promise((resolve, reject) => {
    asked.once("upgrade", (response, stream) => {
      stream.destroy();
      resolve(new Response("", { status: 418, statusText: "admitted" }));
    });
    asked.once("response", async (response) => {
      let body = "";
      for await (const chunk of response.setEncoding("utf8")) body += chunk;
      resolve(new Response(body, { status: response.statusCode, headers: response.headers }));
    });
    asked.once("error", reject);
  });
  return answer;
}

const NEWCOMERS = {
  "by polling": () => handshake(url()),
  "by websocket": () => websocketHandshake({ EIO: "4", transport: "websocket" }),
  "by polling, of the 2.x line": () => handshake(url(), { version: 3 }),
  "by websocket, of the 2.x line": () => websocketHandshake({ EIO: "3", transport: "websocket" }),
};

inEveryMode("a node with five sessions", (transport) => {
  const chat = (options) => cluster.connect({ transport, namespace: "/chat", ...options });
  const full = () => Promise.all(Array.from({ length: MOST }, chat));

  for (const [how, knock] of Object.entries(NEWCOMERS)) {
    test(`refuses the sixth ${how}, and the others go on`, async () => {
      const clients = await full();
      assert.equal(await sessions(), MOST);
      for (let times = 0; times < 3; times += 1) {
        const response = await knock();
        assert.equal(response.status, 503);
        assert.match(response.headers.get("retry-after"), /^[1-9]\d*$/);
        assert.match(response.headers.get("content-type"), /^application\/json/);
        const { code, message } = await response.json();
        assert.equal(code, "server_full");
        assert.notEqual(message, "");
      }
      assert.equal(await sessions(), MOST);
      const room = freshRoom();
      for (const client of clients) await client.join(room);
      await clients[0].ok("message", room, "we are enough");
      for (const client of clients.slice(1)) await client.hears("message", "we are enough");
    });
  }

  test("admits a newcomer when one has gone", async () => {
    const [first] = await full();
    first.close();
    await until(async () => (await sessions()) === MOST - 1, "it has gone");
    const sixth = await chat();
    assert.equal((await sixth.whoami()).ok, true);
    assert.equal(await sessions(), MOST);
    assert.equal((await handshake(url())).status, 503);
  });

  test("a stock client that is refused gets in by itself later", async () => {
    const clients = await full();
    const options = { transport, namespace: "/chat", reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const patient = cluster.keep(dial(cluster.balancer, options));
    let refusals = 0;
    patient.socket.on("connect_error", () => (refusals += 1));
    await until(() => refusals >= 3, "it has been refused three times");
    assert.equal(patient.connectedNow, false);
    clients.pop().close();
    await until(() => patient.connectedNow, "it is connected");
    await patient.onTransport();
    assert.equal(await sessions(), MOST);

    const room = freshRoom();
    for (const client of [patient, clients[0]]) await client.join(room);
    await patient.ok("message", room, "at last");
    await clients[0].hears("message", "at last");
  });
});

describe("what counts as a session", () => {
  const pollers = (open) => Promise.all(Array.from({ length: MOST }, () => open(url())));
  const close = (sessions) => Promise.all(sessions.map((session) => session.close()));

  test("what is no handshake counts for nothing", async () => {
    const clients = await Promise.all(Array.from({ length: MOST - 1 }, () => cluster.connect()));
    for (const query of ["", "?EIO=4", "?EIO=9&transport=polling", "?EIO=4&transport=pigeon", "?EIO=4&transport=polling&sid=x"]) {
      const response = await fetch(new URL(`/socket.io/${query}`, url()));
      assert.equal(response.status, 400, query);
      await response.text();
    }
    assert.equal(await sessions(), clients.length);
    await cluster.connect();
  });

  test("nobody gets round the limit by a session id that makes no sense", async () => {
    const open = await pollers(SlowPoller.connect);
    for (const sid of ["", "x", "A".repeat(20)]) {
      const polling = await fetch(new URL(`/socket.io/?EIO=4&transport=polling&sid=${sid}`, url()));
      const websocket = await websocketHandshake({ EIO: "4", transport: "websocket", sid });
      assert.deepEqual([polling.status, websocket.status], [400, 400], `sid "${sid}"`);
      await polling.text();
    }
    await close(open);
  });

  test("other pages of a full node are served", async () => {
    const open = await pollers(SlowPoller.connect);
    for (const path of ["/", "/live", "/ready", "/version"]) {
      assert.equal((await cluster.get("node-1", path)).status, 200, path);
    }
    assert.equal((await cluster.get("node-1", "/metrics", { internal: true })).status, 200);
    await close(open);
  });

  test("sessions that have no namespace yet count, and make room when they end", async () => {
    const open = await pollers(SlowPoller.open);
    assert.equal(await sessions(), MOST);
    assert.equal((await handshake(url())).status, 503);
    await close(open);
    await until(async () => (await sessions()) === 0, "all have ended");
  });
});
