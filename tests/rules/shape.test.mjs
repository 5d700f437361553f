// What arguments must look like: schemas, rules for texts, and their limits; three nodes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { PATIENCE, until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { BINARY } from "../harness/scripts.mjs";

const directory = mkdtempSync(join(tmpdir(), "roomcast-shape-"));
const cluster = new Cluster();

const MOVE = { prefixItems: [{ type: "object", required: ["x", "y"], properties: { x: { $ref: "#/$defs/place" }, y: { $ref: "#/$defs/place" } } }], minItems: 1, items: false, $defs: { place: { type: "integer", minimum: 0, maximum: 7 } } };

before(async () => {
  const move = join(directory, "move.schema.json");
  writeFileSync(move, JSON.stringify(MOVE));
  const file = join(directory, "roomcast.toml");
  writeFileSync(
    file,
    `
[[namespaces]]
path = "/"
rooms = ["room:*"]
[[namespaces.events]]
name = "message"
schema = '''
{ "prefixItems": [{ "type": "object", "required": ["text"], "properties": { "text": { "type": "string", "minLength": 1 } } }], "minItems": 1 }
'''
[[namespaces.events.text]]
path = "/0/text"
control = "strip"
html = "clean"
tags = ["b"]
links = true
trim = true
max_chars = 200
[[namespaces.events.text]]
path = "/0/tags/*"
control = "reject"
max_chars = 10

[[namespaces.events]]
name = "move"
to = "namespace"
schema_file = "${move}"

[[namespaces.events]]
name = "file"
binary = true
schema = '{"prefixItems": [{"type": "string"}, {"properties": {"_placeholder": {"const": true}}, "required": ["_placeholder", "num"]}], "minItems": 2, "maxItems": 2}'
[[namespaces.events.text]]
path = "/0"
trim = true

[[namespaces.events]]
name = "narrow"
max_depth = 3
max_arguments = 2
[[namespaces.events]]
name = "mark"
`,
  );
  await cluster.start({ config: file });
});
after(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A sender, and others of the room on the same node and on the two others. */
async function people(options = {}) {
  const room = freshRoom("shape");
  const ann = await cluster.connect({ node: "node-1", ...options });
  const others = [];
  for (const node of cluster.names) others.push(await cluster.connect({ node }));
  for (const client of [ann, ...others]) await client.join(room);
  return { room, ann, others };
}

/** The others have heard nothing but what was asked for: a mark of the sender comes next. */
async function nothingElse({ room, ann, others }) {
  await ann.ok("mark", room);
  for (const other of others) {
    await other.expect("mark", (meta) => meta.room === room);
    assert.deepEqual(other.unread, []);
  }
}

const CLIENTS = {
  websocket: { transport: "websocket" },
  polling: { transport: "polling" },
  "socket.io-client 2.x": { transport: "websocket", eio3: true },
  "socket.io-client 2.x, polling": { transport: "polling", eio3: true },
};

for (const [kind, options] of Object.entries(CLIENTS)) {
  describe(kind, () => {
    test("what does not fit is refused with its place and the reason, and reaches nobody", async () => {
      const all = await people(options);
      const { room, ann } = all;
      for (const [event, args, path, reason] of [
        ["message", [room], "", /less than 1 item/],
        ["message", [room, "text"], "/0", /not of type "object"/],
        ["message", [room, {}], "/0", /"text" is a required property/],
        ["message", [room, { text: 7 }], "/0/text", /7 is not of type "string"/],
        ["message", [room, { text: " <i> </i>\u0007" }], "/0/text", /shorter than 1/],
        ["message", [room, { text: "x".repeat(201) }], "/0/text", /201 characters, at most 200/],
        ["message", [room, { text: "x", tags: ["fine", "far too long"] }], "/0/tags/1", /12 characters/],
        ["message", [room, { text: "x", tags: ["be\u0007ll"] }], "/0/tags/0", /control character.*U\+0007/],
        ["move", [{ x: 1, y: 8 }], "/0/y", /8 is greater than the maximum of 7/],
        ["move", [{ x: 1, y: 1 }, "more"], "/1", /./],
      ]) {
        const { message, ...rest } = await ann.refused("invalid_shape", event, ...args);
        assert.deepEqual(rest, { ok: false, code: "invalid_shape", path }, message);
        assert.match(message, reason);
        assert.ok(message.length <= 300);
      }
      await nothingElse(all);
    });

    test("a cleaned text arrives on all nodes, and all else as it was", async () => {
      const all = await people(options);
      const { room, ann, others } = all;
      const text = " <b onclick='x()'>Hi</b> <script>alert(1)</script><a href=\"javascript:x()\">no</a> <a href='https://a.example/'>\u202eyes</a> & 🎉 ";
      const clean = '<b>Hi</b> <a rel="noopener">no</a> <a href="https://a.example/" rel="noopener">yes</a> &amp; 🎉';
      const rest = { z: " <b> ", a: [1.5, null, { text: " <i> " }], tags: [" a "], "ключ": "\u0000" };
      const { at } = await ann.ok("message", room, { text, ...rest }, " <script> ");
      const { id } = await ann.whoami();
      for (const other of others) {
        const args = await other.expect("message");
        assert.deepEqual(args, [{ text: clean, ...rest }, " <script> ", { room, from: id, at }]);
        assert.deepEqual(Object.keys(args[0]), ["text", ...Object.keys(rest)]);
      }
      await nothingElse(all);
    });

    test("binary arguments are placeholders to a schema", async () => {
      const all = await people(options);
      const { room, ann, others } = all;
      const bytes = Buffer.from([0, 1, 255]);
      const { at } = await ann.ok("file", room, "  cat.png ", bytes);
      const { id } = await ann.whoami();
      for (const other of others) assert.deepEqual(await other.expect("file"), ["cat.png", bytes, { room, from: id, at }]);
      assert.equal((await ann.refused("invalid_shape", "file", room, bytes, bytes)).path, "/0");
      assert.equal((await ann.refused("invalid_shape", "file", room, "cat.png", { bytes })).path, "/1");
      await nothingElse(all);
    });
  });
}

test("what no rule concerns keeps its bytes", async () => {
  const all = await people();
  const { room, ann, others } = all;
  const [neighbour] = others;
  const frames = [];
  neighbour.socket.io.engine.on("data", (data) => frames.push(String(data)));
  const around = (text) => `{ "n" : 1.50E+2,"big":12345678901234567890123, "s":"\\u00e9\\/", "text":${text} ,"o":{ } }, [ 1.0,\t-0 ]`;
  // sent as it stands: no JSON writer would write it so
  ann.socket.io.engine.write(`2["message","${room}",${around('"\\u0020a\\u0000b "')}]`);
  const frame = await until(() => frames.find((one) => one.startsWith('2["message"')), "the neighbour hears it");
  assert.ok(frame.startsWith(`2["message",${around('"ab"')},`.replace("}, [", "},[")), frame);
  for (const other of others) {
    const [heard, list] = await other.expect("message");
    // between nodes zero has no sign
    const plain = list.map((number) => number + 0);
    assert.deepEqual({ text: heard.text, n: heard.n, s: heard.s, plain }, { text: "ab", n: 150, s: "é/", plain: [1, 0] });
  }
  await nothingElse(all);
});

test("a name that an object has twice is refused, and a half character is looked at as it is passed on", async () => {
  const all = await people();
  const { room, ann, others } = all;
  const before = await cluster.metric("node-1", "roomcast_refusals_total", { code: "invalid_shape" });
  ann.socket.io.engine.write(`2["message","${room}",{"text":"fine","text":"<script>"}]`);
  ann.socket.io.engine.write(`2["message","${room}",{"text":"\\ud83d <i>x"}]`);
  for (const other of others) assert.equal((await other.expect("message"))[0].text, "\ufffd x");
  assert.equal(await cluster.metric("node-1", "roomcast_refusals_total", { code: "invalid_shape" }), before + 1);
  await nothingElse(all);
});

test("arguments nest as deep and are as many as the rule allows", async () => {
  const all = await people();
  const { room, ann, others } = all;
  await ann.ok("narrow", room, [[0]], "x");
  for (const other of others) await other.expect("narrow");
  await ann.refused("invalid_arguments", "narrow", room, [[[0]]]);
  await ann.refused("invalid_arguments", "narrow", room, 1, 2, 3);
  // what rules have that say nothing about it
  await ann.ok("mark", room, JSON.parse("[".repeat(31) + "]".repeat(31)));
  await ann.refused("invalid_arguments", "mark", room, JSON.parse("[".repeat(32) + "]".repeat(32)));
  await ann.ok("mark", room, ...Array(16).fill(0));
  await ann.refused("invalid_arguments", "mark", room, ...Array(17).fill(0));
  for (const other of others) assert.equal((await other.expect("mark", () => true)).length, 2);
  for (const other of others) assert.equal((await other.expect("mark", () => true)).length, 17);
  await nothingElse(all);
});

test("a node whose schemas cannot work does not start, and says why", () => {
  const file = join(directory, "wrong.toml");
  writeFileSync(
    file,
    `
[[namespaces]]
path = "/"
[[namespaces.events]]
name = "a"
schema = '{"$ref": "https://schemas.example/a.json"}'
[[namespaces.events.text]]
path = "0"
trim = true
`,
  );
  for (const command of [["config", "check", file], ["serve", "--config", file]]) {
    const { status, stderr } = spawnSync(BINARY, command, { encoding: "utf8", timeout: PATIENCE });
    assert.equal(status, 64, stderr);
    assert.match(stderr, /namespaces\[0\]\.events\[0\]\.schema: .*out of the schema/);
    assert.match(stderr, /namespaces\[0\]\.events\[0\]\.text\[0\]\.path: /);
  }
});
