// Engine.IO 4, from its protocol document: how sessions open, talk, stay alive and end. Upgrades have their own file.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { assertRefused, endpoint, inBothTransports, PAYLOADS, Polling, SEPARATOR, Websocket } from "../harness/engine.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { BINARY, CLOSE, HANDSHAKE, RawWebSocket, TEXT } from "../harness/frames.mjs";
import { answer, request } from "../harness/http.mjs";
import { nodeForFile, THROUGH } from "../harness/lone-node.mjs";

const node = nodeForFile();
const hasty = nodeForFile({ socketio: { ping_interval_ms: 300, ping_timeout_ms: 250, connect_timeout_ms: 20_000 } });
const impatient = nodeForFile({ socketio: { connect_timeout_ms: 800 } });
const websocketOnly = nodeForFile({ socketio: { transports: ["websocket"] } });
const pollingOnly = nodeForFile({ socketio: { transports: ["polling"] } });

const POLLING = { EIO: 4, transport: "polling" };
const WEBSOCKET = { EIO: 4, transport: "websocket" };

describe("a handshake", () => {
  test("by polling is answered with the open packet", async () => {
    const answer = await node.ask(endpoint(POLLING));
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/plain; ?charset=utf-8$/i);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    const { sid, ...rest } = JSON.parse(answer.text.replace(/^0/, ""));
    // what Engine.IO knows it by, the node, and the proof
    assert.match(sid, /^[\w-]{16}[a-z0-9]{4}[\w-]{22}$/);
    assert.deepEqual(rest, { upgrades: ["websocket"], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 });
  });

  test("by websocket is answered with the open packet", async () => {
    const { sid, ...rest } = (await Websocket.open(node)).opening;
    assert.match(sid, /^[\w-]{16,}$/);
    assert.deepEqual(rest, { upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 });
  });

  test("needs no slash behind the path", async () => {
    assert.equal((await node.ask(endpoint(POLLING, "/socket.io"))).text[0], "0");
    const socket = await RawWebSocket.open(node.port, endpoint(WEBSOCKET, "/socket.io"));
    assert.equal((await socket.next()).payload.toString()[0], "0");
  });

  test("gives every session an id of its own", async () => {
    const sids = new Set();
    for (let at = 0; at < 50; at += 1) sids.add((await Polling.open(node)).sid.slice(0, 16));
    assert.equal(sids.size, 50);
  });

  const MISSING = [
    [0, "no query", "/socket.io/"],
    [0, "no transport", endpoint({ EIO: 4 })],
    [0, "a transport that there is not", endpoint({ EIO: 4, transport: "pigeon" })],
    [5, "no EIO", endpoint({ transport: "polling" })],
    [5, "an old EIO", endpoint({ EIO: 2, transport: "polling" })],
    [5, "a future EIO", endpoint({ EIO: 5, transport: "polling" })],
    [5, "an EIO that is no number", endpoint({ EIO: "abc", transport: "polling" })],
    [3, "a websocket that is none", endpoint(WEBSOCKET)],
  ];
  for (const [code, why, target] of MISSING) {
    test(`with ${why} is refused with ${code}`, async () => {
      assertRefused(code, await node.ask(target), why);
    });
  }

  const NO_WEBSOCKET = { "EIO=4": 0, "EIO=4&transport=pigeon": 0, "transport=websocket": 5, "EIO=abc&transport=websocket": 5 };
  for (const [query, code] of Object.entries(NO_WEBSOCKET)) {
    test(`by websocket with ${query} is refused with ${code}`, async () => {
      assertRefused(code, (await RawWebSocket.ask(node.port, `/socket.io/?${query}`)).answer);
    });
  }

  test("by websocket without a key is refused", { skip: THROUGH && "the balancer does it itself" }, async () => {
    const { "sec-websocket-key": _, ...headers } = HANDSHAKE;
    assertRefused(3, await node.ask(endpoint(WEBSOCKET), { headers }));
  });

  test("by websocket with a key that is not 16 bytes is refused", { skip: THROUGH && "the balancer looks at it, too" }, async () => {
    for (const key of ["x", Buffer.alloc(15).toString("base64"), Buffer.alloc(17).toString("base64"), "=".repeat(24)]) {
      assertRefused(3, (await RawWebSocket.ask(node.port, endpoint(WEBSOCKET), { "sec-websocket-key": key })).answer, key);
    }
  });

  test("by another version of websockets is told which one is spoken", { skip: THROUGH && "the balancer looks at it, too" }, async () => {
    const session = await Polling.open(node);
    for (const target of [endpoint(WEBSOCKET), endpoint({ ...WEBSOCKET, sid: session.opening.sid })]) {
      const { answer: told } = await RawWebSocket.ask(node.port, target, { "sec-websocket-version": "8" });
      assert.equal(told.status, 426, String(told));
      assert.equal(told.headers.get("sec-websocket-version"), "13");
      assert.equal(told.headers.get("upgrade"), "websocket");
      assert.equal(told.json.code, "unsupported_websocket_version");
    }
    // the session is as it was, and may still change over
    await session.enter("/chat");
  });

  for (const method of ["POST", "PUT", "DELETE", "PATCH", "HEAD", "PURGE"]) {
    test(`by ${method} is refused`, async () => {
      const wire = await node.wire();
      await wire.write(request(endpoint(POLLING), { method, headers: { connection: "close" }, body: "" }));
      await wire.ended();
      if (method === "HEAD") {
        // tells the length of a body that does not come
        const status = await wire.take((bytes) => ({ value: bytes.toString().split(" ")[1], used: bytes.length }));
        assert.equal(status, "400");
      } else {
        assertRefused(2, await wire.take(answer), method);
      }
    });
  }

  for (const sid of ["", "x", "A".repeat(16), "A".repeat(20), "A".repeat(42), "A".repeat(1000), "é", "../../live"]) {
    test(`with the sid "${sid.slice(0, 42)}" (${sid.length}) is refused as unknown, whatever is asked`, async () => {
      assertRefused(1, await node.ask(endpoint({ ...POLLING, sid })), "GET");
      assertRefused(1, await node.ask(endpoint({ ...POLLING, sid }), { method: "POST", body: "40" }), "POST");
      assertRefused(1, (await RawWebSocket.ask(node.port, endpoint({ ...WEBSOCKET, sid }))).answer, "websocket");
    });
  }

  test("by a transport that the config has not is refused, and no upgrade to it is offered", async () => {
    const polling = await websocketOnly.ask(endpoint(POLLING));
    const { answer: websocket } = await RawWebSocket.ask(pollingOnly.port, endpoint(WEBSOCKET));
    // not just "Transport unknown": the message says which, and that it is not wanted here
    assertRefused(0, polling, "polling", /polling.+/i);
    assertRefused(0, websocket, "websocket", /websocket.+/i);
    assert.ok((await (await Websocket.open(websocketOnly)).enter("/chat")).length > 0);
    const poller = await Polling.open(pollingOnly);
    assert.deepEqual(poller.opening.upgrades, []);
    await poller.enter("/chat");
    const { answer } = await RawWebSocket.ask(pollingOnly.port, endpoint({ ...WEBSOCKET, sid: poller.sid }));
    assert.equal(answer.status, 400, String(answer));
    assert.equal((await poller.ok("whoami")).namespace, "/chat");
  });
});

describe("messages", () => {
  const TEXTS = ["hello", "Ελλάδα 日本語 🎉", "\u0000\u2028 \"quoted\" \\", "x".repeat(60_000), "4", "b"];
  inBothTransports("texts come back as they were sent", async (Kind) => {
    const [ann, bob] = [await Kind.open(node), await Kind.open(node)];
    const room = freshRoom();
    for (const one of [ann, bob]) {
      await one.enter("/chat");
      await one.ok("join", room);
    }
    for (const text of TEXTS) {
      await ann.ok("message", room, text);
      const packet = await bob.until("42/chat,");
      assert.equal(JSON.parse(packet.slice(8))[1], text);
    }
  });

  for (const [from, To] of [[Polling, Websocket], [Websocket, Polling], [Polling, Polling], [Websocket, Websocket]]) {
    test(`binary goes from ${from.name} to ${To.name}`, async () => {
      const [ann, bob] = [await from.open(node), await To.open(node)];
      const room = freshRoom();
      for (const one of [ann, bob]) {
        await one.enter("/chat");
        await one.ok("join", room);
      }
      const parts = [Buffer.from([0, 255, 4, 30, 98]), Buffer.alloc(0), Buffer.alloc(50_000, 7)];
      const places = parts.map((_, num) => ({ _placeholder: true, num }));
      await ann.send(`453-/chat,7${JSON.stringify(["file", room, ...places])}`, ...parts);
      assert.match(await ann.until("43/chat,7"), /"ok":true/);
      const packet = await bob.until("453-/chat,");
      assert.deepEqual(JSON.parse(packet.slice(10)).slice(1, 4), places);
      for (const part of parts) assert.deepEqual(await bob.receive(), part);
    });
  }

  test("several packets may be in one payload, both ways, and keep their order", async () => {
    const ann = await Polling.open(node);
    await ann.enter("/chat");
    const numbers = [...Array(20).keys()];
    const answer = await ann.post(numbers.map((n) => `42/chat,${n}["whoami"]`).join(SEPARATOR));
    assert.equal(`${answer.status} ${answer.text}`, "200 ok");
    const packets = PAYLOADS[4].decode((await ann.poll()).text).filter((packet) => packet !== "2");
    assert.deepEqual(packets.map((packet) => Number(/^43\/chat,(\d+)/.exec(packet)[1])), numbers);
  });

  test("a polling answer is plain text, and nobody may keep it", async () => {
    const ann = await Polling.open(node);
    for (const answer of [await ann.post("40/chat,"), await ann.poll()]) {
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type"), /^text\/plain; ?charset=utf-8$/i);
      assert.equal(answer.headers.get("cache-control"), "no-store");
    }
  });
});

describe("the heartbeat", () => {
  inBothTransports("keeps a client that answers", async (Kind) => {
    const ann = await Kind.open(hasty, { pongs: false });
    const began = Date.now();
    for (let times = 0; times < 4; times += 1) {
      assert.equal(await ann.receive(), "2");
      await ann.send("3");
    }
    // one may come at once, the others an interval apart
    assert.ok(Date.now() - began > 800, `4 pings in ${Date.now() - began} ms`);
    await ann.enter("/chat");
  });

  inBothTransports("ends a session that does not answer", async (Kind) => {
    const ann = await Kind.open(hasty, { pongs: false });
    await ann.enter("/chat");
    const began = Date.now();
    await ann.gone();
    assert.ok(Date.now() - began < 3000, `it took ${Date.now() - began} ms`);
    await node.unharmed();
  });

  inBothTransports("is not confused by pongs that nobody asked for", async (Kind) => {
    const ann = await Kind.open(hasty);
    await ann.send("3", "3", "3");
    await ann.enter("/chat");
    const began = Date.now();
    while (Date.now() - began < 1000) await ann.ok("whoami");
  });
});

describe("the end", () => {
  test("a polling client closes: its waiting GET is released and the session unknown", async () => {
    let ann;
    let released;
    // a GET that comes behind the other request was not a waiting one
    for (let tries = 0; tries < 5 && released?.status !== 200; tries += 1) {
      ann = await Polling.open(node);
      await ann.arrive();
      const waiting = ann.poll();
      const closing = await ann.post("1");
      assert.equal(`${closing.status} ${closing.text}`, "200 ok");
      released = await waiting;
    }
    assert.equal(`${released.status} ${released.text}`, "200 6");
    assertRefused(1, await ann.poll());
  });

  test("a websocket client closes by a packet, by a frame, or by hanging up", async () => {
    const [witness, one, two, three, four] = await Promise.all([0, 1, 2, 3, 4].map(() => Websocket.open(node)));
    const room = freshRoom();
    for (const session of [witness, one, two, three, four]) {
      await session.enter("/chat");
      await session.ok("join", room);
    }
    assert.equal((await witness.ok("join", room)).members, 5);
    await one.send("1");
    await two.socket.send(CLOSE, "");
    assert.ok((await one.socket.closed()).code, "there is a close frame");
    assert.ok((await two.socket.closed()).code, "there is a close frame");
    three.socket.wire.reset();
    four.socket.wire.finish();
    await four.socket.wire.ended();
    await until(async () => (await witness.ok("join", room)).members === 1, "all have left the room");
  });

  test("the server closes a polling session: the waiting GET says so", async () => {
    const ann = await Polling.open(impatient, { pongs: false });
    assert.equal(await ann.receive(), "2");
    await ann.send("3");
    const last = await ann.poll();
    assert.equal(`${last.status} ${last.text}`, "200 1");
    assertRefused(1, await ann.poll());
  });

  test("the server closes a websocket: with a close frame", async () => {
    const ann = await Websocket.open(impatient);
    const { code } = await ann.socket.closed();
    assert.ok(code, "there is a close frame");
  });

  test("a second GET at the same time is refused, and the session is over for both", async () => {
    const ann = await Polling.open(node);
    await ann.arrive();
    // who of the two is first is not known
    const answers = await Promise.all([ann.poll(), ann.poll()]);
    const [first, second] = answers.sort((a, b) => a.status - b.status);
    assert.equal(second.status, 400);
    assert.equal(`${first.status} ${first.text}`, "200 1");
    assertRefused(1, await ann.poll());
  });

  const GARBAGE = {
    "an unknown type": "abc",
    "a type that is a number": "9",
    "not even ASCII": "é",
    "a packet of the server": '0{"sid":"x"}',
    "bad base64": "b!!!!",
  };
  for (const [why, packet] of Object.entries(GARBAGE)) {
    inBothTransports(`comes after a packet that is none: ${why}`, async (Kind) => {
      const ann = await Kind.open(node);
      await ann.enter("/chat");
      if (Kind === Websocket) await ann.send(packet);
      else assert.equal((await ann.post(packet)).status, 400);
      await ann.gone();
    });
  }

  test("comes after text that is not UTF-8", async () => {
    const polling = await Polling.open(node);
    assert.equal((await polling.post(Buffer.from([0x34, 0x32, 0xff, 0xfe]))).status, 400);
    await polling.gone();
    const websocket = await Websocket.open(node);
    await websocket.socket.send(TEXT, Buffer.from([0x34, 0x32, 0xff, 0xfe]));
    await websocket.gone();
  });

  test("comes after binary that belongs to nothing", async () => {
    const polling = await Polling.open(node);
    await polling.post("bAQID");
    await polling.gone();
    const websocket = await Websocket.open(node);
    await websocket.socket.send(BINARY, Buffer.from([1, 2, 3]));
    await websocket.gone();
    await node.unharmed();
  });
});
