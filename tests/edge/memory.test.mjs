// What clients take is given back: connections that come and go, handshakes without a client behind them, upgrades that
// stop half-way. The system's allocator keeps what is freed for the next (docs/adr/005), so the memory is compared with
// what the first round of the same has left.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { endpoint, SESSIONS } from "../harness/engine.mjs";
import { ask, request } from "../harness/http.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";
import { Wire } from "../harness/wire.mjs";

const CLIENTS = 3000;
const ROUNDS = 3;
const AT_ONCE = 100;
const ABANDONED = 3000;
const KIB = 1024;

const node = nodeForFile({
  server: { max_handshakes_per_second: 1_000_000 },
  // nobody waits long for those who do not come
  socketio: { connect_timeout_ms: 500, upgrade_timeout_ms: 500 },
});

/** So many of it, some at once. */
async function many(count, one) {
  const all = [];
  while (all.length < count) {
    const some = Math.min(AT_ONCE, count - all.length);
    all.push(...(await Promise.all(Array.from({ length: some }, one))));
  }
  return all;
}

const nobody = async () => (await node.sessions()) === 0 && (await node.metric("roomcast_connections")) <= 1;

/** The memory when all have gone. */
async function left() {
  await until(nobody, "all sessions are gone");
  return node.memory();
}

/** The same again and again leaves no more than the first time, a tenth aside. */
async function repeated(round) {
  const marks = [];
  for (let number = 0; number <= ROUNDS; number++) {
    await round();
    marks.push(await left());
  }
  const [first, last] = [marks[0], marks.at(-1)];
  assert.ok(last <= first * 1.1, `KiB after each round: ${marks.map((mark) => Math.round(mark / KIB))}`);
}

test("clients that come and go leave nothing, and take no more than 20 KiB each", async () => {
  const before = node.memory();
  let most = 0;
  await repeated(async () => {
    const clients = await many(CLIENTS, async () => {
      const client = await SESSIONS.websocket.open(node);
      await client.enter("/");
      return client;
    });
    most ||= (node.memory() - before) / CLIENTS / KIB;
    await many(clients.length, () => clients.pop().close());
  });
  assert.ok(most < 20, `${most.toFixed(1)} KiB each`);
});

test("handshakes with nobody behind them leave nothing", async () => {
  await repeated(async () => {
    await many(ABANDONED, async () => {
      assert.equal((await ask(node.port, endpoint({ EIO: 4, transport: "polling" }))).status, 200);
    });
  });
});

test("upgrades that stop half-way leave nothing", async () => {
  await repeated(async () => {
    const wires = await many(ABANDONED, async () => {
      const { sid } = JSON.parse((await ask(node.port, endpoint({ EIO: 4, transport: "polling" }))).text.slice(1));
      const wire = await Wire.to(node.port);
      const headers = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      };
      await wire.write(request(endpoint({ EIO: 4, transport: "websocket", sid }), { headers }));
      return wire;
    });
    await until(nobody, "the sessions are over");
    for (const wire of wires) wire.close();
  });
});
