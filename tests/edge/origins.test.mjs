// Whose pages may connect. A browser tells the origin of a page with every request that could matter, and stops a page
// from reading the answer; but it opens a websocket to anywhere and sends cookies with it, so that only the server
// can refuse.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertRefused, endpoint, Polling, Websocket } from "../harness/engine.mjs";
import { HANDSHAKE, RawWebSocket } from "../harness/frames.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile({ server: { origins: ["https://app.example.com", "https://*.example.org", "http://localhost:5173"] } });
const open = nodeForFile({ server: { origins: ["*"] } });
const sandboxed = nodeForFile({ server: { origins: ["null"] } });
const POLLING = endpoint({ EIO: 4, transport: "polling" });
const WEBSOCKET = endpoint({ EIO: 4, transport: "websocket" });
const HOST = "chat.example.net:8080";

const websocket = async (headers, where = node) =>
  (await RawWebSocket.ask(where.port, WEBSOCKET, [...Object.entries(HANDSHAKE), ...headers])).answer;
const polling = (headers, where = node) => where.ask(POLLING, { headers });

const WELCOME = [
  "https://app.example.com", "https://APP.example.com", "https://app.example.com:443", "https://a.example.org", "https://a.b.example.org",
  "http://localhost:5173", `http://${HOST}`, `https://${HOST}`,
];
const FOREIGN = [
  "https://evil.example", "null", "", "https://app.example.com.evil.example", "https://evilapp.example.com", "https://app.example.com:8443",
  "http://app.example.com", "https://example.org", "https://evilexample.org", "http://localhost:5174", "http://localhost",
  "http://chat.example.net", "http://chat.example.net:8081", "https://app.example.com/", "https://app.example.com@evil.example",
  "app.example.com", "file://", "*", "https://*.example.org", "chrome-extension://abcdefgh", "https://app.example.com https://evil.example",
];

describe("a page of an origin that is welcome", () => {
  for (const origin of WELCOME) {
    test(`${origin} connects by both transports, and may read the answers`, async () => {
      const headers = [["host", HOST], ["origin", origin]];
      const answer = await polling(headers);
      assert.equal(answer.status, 200, String(answer));
      assert.equal(answer.headers.get("access-control-allow-origin"), origin);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
      assert.match(answer.headers.get("vary") ?? "", /\borigin\b/i, "or a cache gives it to others");
      assert.equal((await websocket(headers)).status, 101);
    });
  }

  test("may read refusals as well, and so can tell them apart", async () => {
    const headers = { host: HOST, origin: WELCOME[0] };
    const answer = await node.ask(endpoint({ EIO: 4, transport: "polling", sid: "x" }), { headers });
    assertRefused(1, answer);
    assert.equal(answer.headers.get("access-control-allow-origin"), WELCOME[0]);
  });
});

describe("a page of another origin", () => {
  for (const origin of FOREIGN) {
    test(`"${origin}" is refused by both transports`, async () => {
      const headers = [["host", HOST], ["origin", origin]];
      const answer = await polling(headers);
      assertRefused(4, answer, "polling", /^Forbidden/);
      assert.equal(answer.headers.get("access-control-allow-origin"), null);
      assertRefused(4, await websocket(headers), "websocket", /^Forbidden/);
    });
  }

  test("is refused also if it names two", async () => {
    const headers = [["host", HOST], ["origin", WELCOME[0]], ["origin", FOREIGN[0]]];
    assertRefused(4, await polling(headers), "polling", /^Forbidden/);
    assertRefused(4, await websocket(headers), "websocket", /^Forbidden/);
  });

  test("gets into no session that there is", async () => {
    const ann = await Polling.open(node);
    await ann.enter("/chat");
    const headers = { origin: FOREIGN[0] };
    assertRefused(4, await node.ask(ann.target, { headers }), "GET", /^Forbidden/);
    assertRefused(4, await node.ask(ann.target, { method: "POST", headers, body: "1" }), "POST", /^Forbidden/);
    const { answer } = await RawWebSocket.ask(node.port, ann.target.replace("polling", "websocket"), headers);
    assertRefused(4, answer, "upgrade", /^Forbidden/);
    await ann.ok("whoami");
  });

  test("is counted", async () => {
    const counted = () => node.metric("roomcast_requests_refused_total", { code: "origin_not_allowed" });
    const before = await counted();
    await polling([["origin", FOREIGN[0]]]);
    await websocket([["origin", FOREIGN[0]]]);
    assert.equal(await counted(), before + 2);
  });
});

test("who is no browser, and tells no origin, connects", async () => {
  assert.equal((await polling([["host", HOST]])).headers.get("access-control-allow-origin"), null);
  for (const session of [await Polling.open(node), await Websocket.open(node)]) await session.enter("/chat");
});

test("a page without an origin connects only where that is allowed", async () => {
  for (const answer of [await polling([["origin", "null"]], sandboxed), await websocket([["origin", "null"]], sandboxed)]) {
    assert.ok([200, 101].includes(answer.status), String(answer));
  }
  assertRefused(4, await polling([["origin", FOREIGN[0]]], sandboxed), "polling", /^Forbidden/);
});

test("where all may connect, none gets the cookies of others", async () => {
  const answer = await polling([["origin", FOREIGN[0]]], open);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.equal(answer.headers.get("access-control-allow-credentials"), null);
  assert.equal((await websocket([["origin", FOREIGN[0]]], open)).status, 101);
});

describe("a preflight", () => {
  const preflight = (origin, query = { EIO: 4, transport: "polling" }) =>
    node.ask(endpoint(query), {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type,x-mine" },
    });

  for (const query of [{ EIO: 4, transport: "polling" }, { EIO: 4, transport: "polling", sid: "of another node" }, {}]) {
    test(`is answered without a session: ${new URLSearchParams(query)}`, async () => {
      const before = await node.sessions();
      const answer = await preflight(WELCOME[0], query);
      assert.ok([200, 204].includes(answer.status), String(answer));
      assert.equal(answer.headers.get("access-control-allow-origin"), WELCOME[0]);
      assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
      assert.match(answer.headers.get("access-control-allow-methods"), /\bPOST\b/);
      assert.match(answer.headers.get("access-control-allow-headers"), /content-type.*x-mine/i);
      assert.ok((await node.sessions()) <= before);
    });
  }

  test("of a foreign page is refused", async () => {
    const answer = await preflight(FOREIGN[0]);
    assert.equal(answer.status, 403);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });
});
