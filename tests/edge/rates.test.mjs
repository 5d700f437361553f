// Who comes too often is told when to come back, and nobody else is kept out by it.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { until, within } from "../harness/deadline.mjs";
import { endpoint } from "../harness/engine.mjs";
import { HANDSHAKE, RawWebSocket } from "../harness/frames.mjs";
import { answer, request } from "../harness/http.mjs";
import { nodeForFile, THROUGH } from "../harness/lone-node.mjs";

const POLLING = endpoint({ EIO: 4, transport: "polling" });
const WEBSOCKET = endpoint({ EIO: 4, transport: "websocket" });

/** The answer to a request that comes from this address of the machine. */
function askFrom(localAddress, port, target = POLLING) {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  const { promise, resolve, reject } = Promise.withResolvers?.() ?? resolvers();
  let got = Buffer.alloc(0);
  const look = (over) => {
    const parsed = answer(got, over);
    if (parsed) resolve(parsed.value);
    else if (over) reject(new Error(`no answer, but ${JSON.stringify(got.toString())}`));
  };
  socket.on("data", (bytes) => {
    got = Buffer.concat([got, bytes]);
    look(false);
  });
  socket.on("end", () => look(true));
  socket.on("error", reject);
  socket.write(request(target));
  return within(promise, `the answer to ${target} from ${localAddress}`).finally(() => socket.destroy());
}

function resolvers() {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
}

function assertLater(answer, status, code) {
  assert.equal(answer.status, status, String(answer));
  assert.equal(answer.json.code, code, String(answer));
  assert.equal(answer.headers.get("retry-after"), "1");
}

describe("new sessions of an address", () => {
  const proxied = nodeForFile({
    server: { trusted_proxies: ["127.0.0.1"], max_handshakes_per_second: 50, max_handshakes_per_second_per_address: 2 },
  });
  const from = (address) => proxied.ask(POLLING, { headers: { "x-forwarded-for": address } });
  const byWebsocket = async (address) =>
    (await RawWebSocket.ask(proxied.port, WEBSOCKET, { ...HANDSHAKE, "x-forwarded-for": address })).answer;
  // through a balancer the client is always the same
  const skip = THROUGH && "the balancer tells another address";

  test("are refused when they come too often, those of another are not, and it may come back", { skip }, async () => {
    const before = await proxied.metric("roomcast_requests_refused_total", { code: "address_full" });
    const answers = await Promise.all(Array.from({ length: 10 }, () => from("192.0.2.1")));
    const refused = answers.filter(({ status }) => status !== 200);
    assert.ok(refused.length > 0 && refused.length < 10, answers.map(String).join("; "));
    for (const one of refused) assertLater(one, 429, "address_full");
    const after = await proxied.metric("roomcast_requests_refused_total", { code: "address_full" });
    assert.equal(after - before, refused.length);
    assert.equal((await from("192.0.2.2")).status, 200);
    await until(async () => (await from("192.0.2.1")).status === 200, "the address may come back");
  });

  test("are refused by websocket as well", { skip }, async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => byWebsocket("192.0.2.3")));
    const refused = answers.filter(({ status }) => status !== 101);
    assert.ok(refused.length > 0, answers.map(String).join("; "));
    for (const one of refused) assertLater(one, 429, "address_full");
    assert.equal((await byWebsocket("192.0.2.4")).status, 101);
  });

  test("do not use up what the node admits, however many are asked for", { skip }, async () => {
    // more than all clients together may
    for (let count = 0; count < 200; count += 1) await from("192.0.2.5");
    for (let last = 1; last <= 10; last += 1) assert.equal((await from(`198.51.100.${last}`)).status, 200);
    assert.equal(await proxied.metric("roomcast_requests_refused_total", { code: "too_many_handshakes" }), 0);
  });

  test("are those of its network with IPv6", { skip }, async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => from(`2001:db8:1:2::${n + 1}`)));
    assert.ok(answers.some(({ status }) => status === 429), answers.map(String).join("; "));
    assert.equal((await from("2001:db8:1:3::1")).status, 200);
  });
});

describe("new connections of an address", () => {
  const node = nodeForFile({ server: { max_connections_per_second_per_address: 3 } });
  const skip = THROUGH && "the balancer connects from one address";

  test("are refused when they come too often, those of another are not, and it may come back", { skip }, async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => askFrom("127.0.0.2", node.port)));
    const refused = answers.filter(({ status }) => status !== 200);
    assert.ok(refused.length > 0 && refused.length < 20, answers.map(String).join("; "));
    for (const one of refused) assertLater(one, 429, "address_full");
    assert.equal((await askFrom("127.0.0.3", node.port)).status, 200);
    await until(async () => (await askFrom("127.0.0.2", node.port)).status === 200, "the address may come back");
  });
});

describe("new connections of all addresses", () => {
  const node = nodeForFile({ server: { max_connections_per_second: 5 } });

  test("are refused when they come too often, and may come back", { skip: THROUGH && "the balancer keeps connections" }, async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => askFrom(`127.0.0.${n + 2}`, node.port)));
    const refused = answers.filter(({ status }) => status !== 200);
    assert.ok(refused.length > 0 && refused.length < 30, answers.map(String).join("; "));
    for (const one of refused) assertLater(one, 503, "too_many_handshakes");
    await until(async () => (await askFrom("127.0.0.2", node.port)).status === 200, "they may come back");
  });
});
