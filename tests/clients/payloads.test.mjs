import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();

const DATA = {
  text: ["", " ", "hello", "ascii \"quoted\" \\ and / and \t\r\n", "control \u0000 \u0001 \u001f \u007f", "separators \u2028 \u2029 \u001e"],
  unicode: ["Grüße, Ελλάδα, Привет, 日本語, العربية", "e\u0301 is not é", "\ufeffbom", "\ufffd"],
  emoji: ["🎉", "👩‍👩‍👧‍👦", "🏳️‍🌈", { "🔑": "🚪" }],
  constants: [null, true, false, [], {}, [null], { nothing: null }, [[], [[]], {}]],
  integers: [[0, 1, -1, 127, 128, -32, -33, 255, 256, 65_535, 65_536, -32_769, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64, -(2 ** 63)]],
  fractions: [1.5, -1.5, 0.1, 1e-7, 1e21, -1e21, 1e300, 1.2345678901234568e20, Number.MAX_VALUE, Number.MIN_VALUE, Math.PI],
  // the shortest text of a double must come back as the same double, whoever reads and writes it on the way
  doubles: [doubles(500)],
  places: [[48.85837009999999, 2.2944813], [-33.85678400000001, 151.21529670000002], { lat: 45.764043000000004, lng: 4.835659 }],
  // JSON has a minus zero, JSON.stringify does not write it
  zero: [-0].map((zero) => JSON.parse(JSON.stringify(zero))),
  nested: [{ list: [{ a: { b: { c: [1, [2, [3, { d: null }]]] } } }], empty: { list: [], object: {} } }],
  keys: [{ "": 1, " ": 2, "a.b": 3, "0": 4, "-1": 5, $ref: 6, type: 7, nsp: 8, data: [] }],
  prototype: [JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1},"toString":"x"}')],
  likeAPacket: ['2["message","x"]', "51-", ["message", {}], { type: 2, data: ["x"], nsp: "/" }],
  likeAPlaceholder: [{ _placeholder: true, num: 0 }, { _placeholder: true, num: 99 }],
  likeMeta: [{ room: "lyon", from: "somebody else", at: 1 }],
  long: ["x".repeat(60_000)],
  wide: [Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key${i}`, i]))],
  deep: [JSON.parse("[".repeat(31) + "]".repeat(31))],
};

/** Always the same doubles of all magnitudes, from a small generator. */
function doubles(count) {
  const bits = new DataView(new ArrayBuffer(8));
  let seed = 20261121;
  const next = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0);
  const list = [];
  while (list.length < count) {
    bits.setUint32(0, next());
    bits.setUint32(4, next());
    const number = bits.getFloat64(0);
    if (Number.isFinite(number)) list.push(number);
  }
  return list;
}

inEveryMode("payloads", (transport) => {
  const chat = (node) => cluster.connect({ node, transport, namespace: "/chat" });

  /** One sender, one hearer on the same node, and one on another: all in a room. */
  async function trio() {
    const [ann, bob, eve] = [await chat("node-1"), await chat("node-1"), await chat("node-2")];
    const room = freshRoom();
    for (const member of [ann, bob, eve]) await member.join(room);
    return { ann, room, others: [bob, eve] };
  }

  for (const [name, args] of Object.entries(DATA)) {
    test(`${name} passes unchanged`, async () => {
      const { ann, room, others } = await trio();
      const { at } = await ann.ok("message", room, ...args);
      for (const other of others) {
        assert.deepStrictEqual(await other.expect("message"), [...args, { room, from: ann.id, at }]);
      }
    });
  }

  test("the keys of an object keep their order", async () => {
    const { ann, room, others } = await trio();
    const ordered = { zebra: 1, apple: 2, mango: { y: 1, x: 2 }, banana: 3 };
    await ann.ok("message", room, ordered);
    for (const other of others) {
      const [received] = await other.expect("message");
      assert.equal(JSON.stringify(received), JSON.stringify(ordered));
    }
  });

  test("data that no JSON reader must accept is refused, and harms nobody", async () => {
    const { ann, room, others } = await trio();
    await ann.refused("invalid_arguments", "message", room, JSON.parse("[".repeat(1000) + "]".repeat(1000)));
    await ann.ok("message", room, "and on we go");
    for (const other of others) await other.hears("message", "and on we go");
  });

  // half a character cannot be written in UTF-8; JSON can carry it, MessagePack between the nodes cannot
  const HALVES = {
    "\ud800x": "\ufffdx",
    "x\udc00": "x\ufffd",
    "\udc00\ud800": "\ufffd\ufffd",
    "\ud83c🎉\udf89": "\ufffd🎉\ufffd",
    "\\ud800 is text": "\\ud800 is text",
  };
  test("half a character becomes the same sign on all nodes", async () => {
    const { ann, room, others } = await trio();
    for (const [sent, heard] of Object.entries(HALVES)) {
      const args = [sent, { [`key ${sent}`]: [sent, "🎉"] }];
      const { at } = await ann.ok("message", room, ...args);
      for (const other of others) {
        const expected = [heard, { [`key ${heard}`]: [heard, "🎉"] }, { room, from: ann.id, at }];
        assert.deepStrictEqual(await other.expect("message"), expected);
      }
      await ann.ok("file", room, sent, Buffer.from("bytes"));
      for (const other of others) assert.deepEqual((await other.expect("file")).slice(0, 2), [heard, Buffer.from("bytes")]);
    }
    assert.deepEqual(ann.disconnects, []);
    await nothingMore(ann, ...others);
  });

  const BINARY = {
    "a buffer": [Buffer.from([0, 1, 2, 127, 128, 254, 255])],
    "an empty buffer": [Buffer.alloc(0)],
    "a nested buffer": [{ name: "cat.png", parts: [{ bytes: Buffer.from("meow") }, "text", { more: { bytes: Buffer.from([0xff]) } }] }],
    "several attachments": [Buffer.from("one"), "between", { two: Buffer.from("two") }, [Buffer.from("three")], Buffer.from("four")],
    "half a megabyte": [{ name: "big", bytes: randomBytes(500_000) }],
    "no buffer at all": [{ name: "nothing" }],
  };
  for (const [name, args] of Object.entries(BINARY)) {
    test(`file with ${name} arrives intact`, async () => {
      const { ann, room, others } = await trio();
      const { at } = await ann.ok("file", room, ...args);
      for (const other of others) {
        assert.deepStrictEqual(await other.expect("file"), [...args, { room, from: ann.id, at }]);
      }
    });
  }

  test("binary and text of one sender stay in order", async () => {
    const { ann, room, others } = await trio();
    const sent = Array.from({ length: 20 }, (_, i) => i);
    await Promise.all(sent.map((i) => (i % 2 ? ann.ok("file", room, i, Buffer.alloc(1000, i)) : ann.ok("message", room, i))));
    for (const other of others) {
      await other.expect("file", (i) => i === sent.at(-1));
      assert.deepEqual(other.unread.map(([, i]) => i), sent.slice(0, -1));
    }
  });
});
