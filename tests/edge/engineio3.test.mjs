// Engine.IO 3, for clients of Socket.IO 2.x, from its protocol document: other framing by polling, the client pings,
// and the server connects the client to `/` by itself.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertRefused, endpoint, inBothTransports, PAYLOADS, Polling, SESSIONS, Websocket } from "../harness/engine.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { BINARY, RawWebSocket, TEXT } from "../harness/frames.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile();
const hasty = nodeForFile({ socketio: { ping_interval_ms: 300, ping_timeout_ms: 250 } });
const modern = nodeForFile({ socketio: { allow_eio3: false } });
const OLD = { eio: 3 };
const asBytes = { headers: { "content-type": "application/octet-stream" } };
const place = (num) => ({ _placeholder: true, num });

/** Two sessions in a room. */
async function pair(From, To) {
  const [ann, bob] = [await From.open(node, OLD), await To.open(node, OLD)];
  const room = freshRoom();
  for (const one of [ann, bob]) {
    await one.enter("/chat");
    await one.ok("join", room);
  }
  return { ann, bob, room };
}

describe("a handshake", () => {
  test("by polling has the length before the packet", async () => {
    const answer = await node.ask(endpoint({ EIO: 3, transport: "polling" }));
    assert.equal(answer.status, 200);
    const [, length, packet] = /^(\d+):(0.*)$/.exec(answer.text);
    assert.equal(packet.length, Number(length));
    const { sid, ...rest } = JSON.parse(packet.slice(1));
    assert.match(sid, /^[\w-]{16}[a-z0-9]{4}[\w-]{22}$/);
    assert.deepEqual(rest, { upgrades: ["websocket"], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 });
  });

  inBothTransports("is followed by the connection to /, unasked", async (Kind) => {
    const ann = await Kind.open(node, OLD);
    assert.equal(await ann.receive(), "40");
    ann.prefix = "";
    assert.equal((await ann.ok("whoami")).namespace, "/");
    await ann.enter("/chat");
    assert.equal((await ann.ok("whoami")).namespace, "/chat");
  });

  test("is refused where the config says so, by both transports", async () => {
    assertRefused(5, await modern.ask(endpoint({ EIO: 3, transport: "polling" })), "polling");
    assertRefused(5, (await RawWebSocket.ask(modern.port, endpoint({ EIO: 3, transport: "websocket" }))).answer, "websocket");
    await modern.unharmed();
  });
});

describe("the framing of a payload", () => {
  const TEXTS = ["€", "🎉", "𝕊 and a length: 5:4abc", "", "4", "b4AQID", ":", "Ελλάδα", "👩‍👩‍👧‍👦".repeat(300)];
  for (const text of TEXTS) {
    test(`counts UTF-16 units, both ways: ${JSON.stringify(text.slice(0, 24))}`, async () => {
      const { ann, bob, room } = await pair(Polling, Polling);
      await ann.ok("message", room, text);
      assert.equal(JSON.parse((await bob.until("42/chat,")).slice(8))[1], text);
    });
  }

  test("holds several packets, both ways, in order", async () => {
    const ann = await Polling.open(node, OLD);
    await ann.enter("/chat");
    await ann.send(...Array.from({ length: 12 }, (_, n) => `42/chat,${n}["whoami","🎉"]`), "2");
    const packets = PAYLOADS[3].decode((await ann.poll()).text);
    const acks = packets.filter((packet) => packet.startsWith("43")).map((packet) => Number(/,(\d+)/.exec(packet)[1]));
    assert.deepEqual(acks, [...Array(12).keys()]);
  });

  const WRONG = [
    "4", "5", "abc", ":4", "-1:4", "x:4", "1.5:4a", " 1:2", "9:42", "1:42", "2:🎉🎉", "1:🎉", "4:🎉🎉🎉", "3:4é",
    "99999999999999999999:4a", "18446744073709551615:4", "1:24294967296:2", "7:4hello", "6:4hello6:4wor",
  ];
  for (const body of WRONG) {
    test(`that is wrong ends the session: ${JSON.stringify(body)}`, async () => {
      const ann = await Polling.open(node, OLD);
      assert.equal(await ann.receive(), "40");
      assert.equal((await ann.post(body)).status, 400);
      await ann.gone();
    });
  }

  test("that was cut within a character ends the session, and the node lives", async () => {
    const whole = Buffer.from('30:42["message","🎉🎉🎉🎉🎉🎉"]');
    for (let end = whole.length - 12; end < whole.length - 2; end += 1) {
      const ann = await Polling.open(node, OLD);
      assert.equal((await ann.post(whole.subarray(0, end))).status, 400);
      await ann.gone();
    }
    await node.unharmed();
  });
});

describe("the heartbeat", () => {
  inBothTransports("is the client's: each ping is answered, and none comes from the server", async (Kind) => {
    const ann = await Kind.open(hasty, OLD);
    assert.equal(await ann.receive(), "40");
    const began = Date.now();
    for (let times = 0; Date.now() - began < 1200; times += 1) {
      await ann.send("2");
      assert.equal(await ann.receive(), "3", `answer ${times}`);
    }
  });

  inBothTransports("that the client forgets ends the session", async (Kind) => {
    const ann = await Kind.open(hasty, OLD);
    assert.equal(await ann.receive(), "40");
    const began = Date.now();
    await ann.gone();
    const took = Date.now() - began;
    // the interval and the timeout; a little less if its clock began earlier than this one
    assert.ok(took > 400 && took < 3000, `${took} ms`);
  });
});

describe("binary", () => {
  const PARTS = [Buffer.from([1, 2, 3, 4]), Buffer.from([0, 255, 4]), Buffer.alloc(3000, 9)];
  for (const [from, From] of Object.entries(SESSIONS)) {
    for (const [to, To] of Object.entries(SESSIONS)) {
      test(`goes from ${from} to ${to}`, async () => {
        const { ann, bob, room } = await pair(From, To);
        await ann.send(`453-/chat,9${JSON.stringify(["file", room, place(0), place(1), place(2)])}`, ...PARTS);
        assert.match(await ann.until("43/chat,9"), /"ok":true/);
        assert.deepEqual(JSON.parse((await bob.until("453-/chat,")).slice(10)).slice(1, 4), [place(0), place(1), place(2)]);
        for (const part of PARTS) assert.deepEqual(await bob.receive(), part);
      });
    }
  }

  test("stands in a text payload as b4 and base64", async () => {
    const { ann, bob, room } = await pair(Websocket, Polling);
    await ann.send(`451-/chat,${JSON.stringify(["file", room, place(0)])}`, PARTS[0]);
    assert.match((await bob.poll()).text, /\d+:451-\/chat,\[.*\]10:b4AQIDBA==$/);
  });

  test("comes in binary framing to a poller that did not ask for text", async () => {
    const { ann, room } = await pair(Websocket, Polling);
    const taker = await Polling.open(node, { ...OLD, b64: 0 });
    await taker.enter("/chat");
    await taker.ok("join", room);
    await ann.send(`451-/chat,${JSON.stringify(["file", room, place(0)])}`, PARTS[0]);
    const answer = await taker.poll();
    assert.equal(answer.headers.get("content-type"), "application/octet-stream");
    const [event, part] = readBytes(answer.body);
    assert.match(event, /^451-\/chat,\["file",/);
    assert.deepEqual(part, PARTS[0]);
  });

  test("is taken as bytes as well", async () => {
    const { ann, bob, room } = await pair(Polling, Websocket);
    const head = `451-/chat,5${JSON.stringify(["file", room, "Ελλάδα", place(0)])}`;
    const body = Buffer.concat([writeBytes(0, Buffer.from(head)), writeBytes(1, Buffer.from([4, ...PARTS[1]]))]);
    const answer = await ann.post(body, asBytes);
    assert.equal(`${answer.status} ${answer.text}`, "200 ok");
    assert.match(await ann.until("43/chat,5"), /"ok":true/);
    assert.equal(JSON.parse((await bob.until("451-/chat,")).slice(10))[1], "Ελλάδα");
    assert.deepEqual(await bob.receive(), PARTS[1]);
  });

  const BROKEN = [[2, 1, 255, 52], [0, 255], [0, 9, 255, 52], [1, 5, 255, 4, 1], [0, 1, 0, 255, 52], [0, 200, 255, 52],
    [0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 52], [0, 2, 255, 52, 0xff]];
  for (const bytes of BROKEN) {
    test(`of wrong framing ends the session: ${bytes}`, async () => {
      const ann = await Polling.open(node, OLD);
      assert.equal((await ann.post(Buffer.from(bytes), asBytes)).status, 400);
      await ann.gone();
    });
  }

  for (const bytes of [[0], [0, 1], [1, 1, 255], [1, 0, 255]]) {
    test(`that ends before a packet begins is answered: ${bytes}`, async () => {
      const ann = await Polling.open(node, OLD);
      assert.ok([200, 400].includes((await ann.post(Buffer.from(bytes), asBytes)).status));
    });
  }

  test("by websocket may be empty or of another type, and the node lives", async () => {
    for (const bytes of [[], [4], [0], [9, 9]]) {
      const ann = await Websocket.open(node, OLD);
      await ann.socket.send(BINARY, Buffer.from(bytes));
      await ann.gone();
    }
    await node.unharmed();
  });
});

describe("an upgrade", () => {
  test("releases the waiting GET and goes on by websocket", async () => {
    const ann = await Polling.open(node, OLD);
    await ann.arrive();
    const waiting = ann.poll();
    const socket = await RawWebSocket.open(node.port, endpoint({ EIO: 3, transport: "websocket", sid: ann.sid }));
    await socket.send(TEXT, "2probe");
    assert.equal((await socket.next()).payload.toString(), "3probe");
    assert.equal((await waiting).text, "1:6");
    await socket.send(TEXT, "5");
    await socket.send(TEXT, "2");
    assert.equal((await socket.next()).payload.toString(), "3");
    await socket.send(TEXT, '42/chat,9["whoami"]');
    assert.match((await socket.next()).payload.toString(), /^43\/chat,9\[\{"ok":true/);
    assert.equal((await ann.poll()).status, 400);
  });
});

function writeBytes(kind, packet) {
  return Buffer.concat([Buffer.from([kind, ...String(packet.length).split("").map(Number), 255]), packet]);
}

/** Texts, and Buffers for binary, which may also stand as base64 in a text. */
function readBytes(payload) {
  const packets = [];
  for (let at = 0; at < payload.length; ) {
    const end = payload.indexOf(255, at);
    const length = Number(payload.subarray(at + 1, end).join(""));
    const packet = payload.subarray(end + 1, end + 1 + length);
    if (payload[at] === 1) packets.push(packet.subarray(1));
    else if (packet.toString().startsWith("b4")) packets.push(Buffer.from(packet.toString().slice(2), "base64"));
    else packets.push(packet.toString());
    at = end + 1 + length;
  }
  return packets;
}
