// What has broken the parsers of Socket.IO servers before, advisory by advisory, with the bytes that did it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inBothTransports, Polling, Websocket } from "../harness/engine.mjs";
import { nothingMore } from "../harness/fence.mjs";
import { BINARY, frame } from "../harness/frames.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";
import { advisoriesOn } from "./advisory.mjs";

// a session that ends before it is in a namespace may be remembered until the time for that is over
const node = nodeForFile({ server: { max_handshakes_per_second: 100_000 }, socketio: { connect_timeout_ms: 5000 } });
const { advisory } = advisoriesOn(node);
const MOST = 1_000_000;

test("a node that has seen people", () => node.unharmed());

advisory("CVE-2020-36049", "packets that take long to parse", () => {
  const digits = "1".repeat(MOST - 100);
  const LONG = {
    "an acknowledgement's id": `42${digits}["whoami"]`,
    "an acknowledgement's id in a namespace": `42/chat,${digits}["whoami"]`,
    "an id that is answered": `43${digits}[]`,
    "a namespace": `42/${digits},["whoami"]`,
    "a namespace to connect to": `40/${digits},`,
    "a number of attachments": `45${digits}-["file"]`,
    "a number of attachments without an end": `45${digits}`,
    "a number": `42/chat,["message",${digits}]`,
    "many small things": `42/chat,["message",${"[],".repeat(MOST / 3 - 50)}0]`,
  };
  for (const [what, packet] of Object.entries(LONG)) {
    test(`1 MB of ${what} take less than 50 ms`, async () => {
      const ann = await Websocket.open(node);
      await ann.enter("/chat");
      const before = node.cpu();
      await ann.send(packet);
      await ann.settled();
      // the kernel counts in steps of 10
      assert.ok(node.cpu() - before <= 60, `${node.cpu() - before} ms`);
    });
  }
});

advisory("CVE-2022-2421", "places of attachments that are none", () => {
  const NUMBERS = ['"splice"', '"__proto__"', '"0"', "-1", "1", "1e9", "0.5", "null", "[]", '{"num":0}'];
  const PLACES = [...NUMBERS.map((num) => `{"_placeholder":true,"num":${num}}`), '{"_placeholder":true}', '{"_placeholder":"true","num":0}'];
  for (const place of PLACES) {
    test(place, async () => {
      const { ann, bob, room } = await node.couple();
      await ann.send(`451-/chat,1["file","${room}",${place}]`, Buffer.from("x"));
      await ann.settled();
      await ann.send(`451-["hello",${place}]`, Buffer.from("x"));
      await ann.settled();
      await nothingMore(await node.connect(), bob);
      assert.deepEqual(bob.disconnects, []);
    });
  }
});

advisory("CVE-2023-32695", "events whose name is none", () => {
  const VECTORS = [
    '2[{"toString":"foo"}]', '2[{"toString":"foo"},"bar"]', '0/admin,"invalid"', "1/admin,{}", '2/admin,"invalid', "2/admin,{}",
    '2[true,"foo"]', '2[null,"bar"]', '442["some","data"', '0/chat,"invalid"', "1/chat,{}", '2/chat,"invalid', "2/chat,{}",
    '2/chat,[{"toString":"foo"}]', '3/chat,1{"toString":"foo"}', '4/chat,{"toString":"foo"}',
  ];
  for (const vector of VECTORS) {
    inBothTransports(vector, async (Kind) => {
      const listener = await node.connect();
      const ann = await Kind.open(node);
      await ann.enter("/");
      await ann.enter("/chat");
      if (Kind === Polling) await ann.post(`4${vector}`);
      else await ann.send(`4${vector}`).then(() => ann.settled());
      await nothingMore(await node.connect(), listener);
    });
  }
});

advisory("CVE-2024-38355", "events with names of the server's own", () => {
  for (const name of ["error", "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "connection"]) {
    inBothTransports(`"${name}"`, async (Kind) => {
      const ann = await Kind.open(node);
      await ann.enter("/chat");
      const ack = await ann.call(name, "paris", { message: "x" });
      assert.deepEqual([ack.ok, ack.code], [false, "unknown_event"]);
      await ann.ok("whoami");
    });
  }
});

advisory("CVE-2026-33151", "attachments without limit", () => {
  inBothTransports("are refused before the first one", async (Kind) => {
    const ann = await Kind.open(node);
    await ann.enter("/chat");
    const packet = `4599999999-/chat,${JSON.stringify(["file", "paris", { _placeholder: true, num: 0 }])}`;
    await (Kind === Polling ? ann.post(packet) : ann.send(packet));
    await ann.gone();
  });
});

advisory("GHSA-55mf-67qm-4wpg", "the library's own limits, which are none", () => {
  test("are not in force", async () => {
    const { ann, room } = await node.couple();
    assert.equal(ann.opening.maxPayload, MOST);
    const places = Array.from({ length: 11 }, (_, num) => ({ _placeholder: true, num }));
    await ann.send(`4511-/chat,${JSON.stringify(["file", room, ...places])}`);
    await ann.gone();
    const eve = await Websocket.open(node);
    await eve.socket.wire.write(frame(BINARY, "", { claims: MOST + 1 }));
    await eve.gone();
  });
});

advisory("GHSA-c6g7-r2mf-pf5g, GHSA-7xpx-rcqc-8qjh", "packets in MessagePack", () => {
  test("are not read, however deep they are", async () => {
    for (const bytes of [Buffer.alloc(10_000, 0x91), Buffer.alloc(10_000, 0x81), Buffer.from([0x84, 0xa4]), Buffer.from([0xc1])]) {
      const ann = await Websocket.open(node);
      await ann.enter("/chat");
      await ann.socket.send(BINARY, bytes);
      await ann.gone();
    }
  });
});
