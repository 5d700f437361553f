// Socket.IO 5, from its protocol document, packet by packet: what stock clients hide, and what they would never send.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inBothTransports, Polling, Websocket } from "../harness/engine.mjs";
import { nothingMore } from "../harness/fence.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile();
const UNKNOWN = '{"message":"Invalid namespace"}';
const place = (num) => ({ _placeholder: true, num });

/** Bob hears the fence, and nothing before it. */
async function heardNothing(bob) {
  const other = await node.connect();
  await nothingMore(other, bob);
  other.close();
}

describe("connecting", () => {
  for (const [namespace, prefix] of Object.entries({ "/": "", "/chat": "/chat,", "/public": "/public," })) {
    inBothTransports(`to ${namespace}, with and without credentials`, async (Kind) => {
      for (const auth of ["", '{"token":"123"}', "{}"]) {
        const ann = await Kind.open(node);
        const id = await ann.enter(namespace, auth);
        assert.match(id, /^[\w-]{16}$/);
        assert.equal((await ann.ok("whoami")).id, id);
        assert.deepEqual(ann.heard, [], `${prefix} came first`);
      }
    });
  }

  test("to a namespace without a comma behind it", async () => {
    const ann = await Websocket.open(node);
    await ann.send("40/chat");
    assert.match(await ann.receive(), /^40\/chat,\{"sid":"[\w-]{16}"\}$/);
  });

  for (const namespace of ["/nowhere", "/chat/", "/CHAT", "/chat%20", "/__proto__", "//", `/${"x".repeat(5000)}`, "/é"]) {
    inBothTransports(`to ${namespace.slice(0, 12)}, which there is not, is refused, and the others work`, async (Kind) => {
      const ann = await Kind.open(node);
      await ann.send(`40${namespace},`);
      assert.equal(await ann.receive(), `44${namespace},${UNKNOWN}`);
      await ann.enter("/chat");
      assert.equal((await ann.ok("whoami")).namespace, "/chat");
    });
  }

  test("to several namespaces over one connection", async () => {
    const ann = await Websocket.open(node);
    for (const namespace of ["/", "/chat", "/public"]) {
      await ann.enter(namespace);
      assert.equal((await ann.ok("whoami")).namespace, namespace);
    }
    await ann.send('42/chat,70["whoami"]', '4271["whoami"]', '42/public,72["whoami"]');
    assert.match(await ann.receive(), /^43\/chat,70\[/);
    assert.match(await ann.receive(), /^4371\[/);
    assert.match(await ann.receive(), /^43\/public,72\[/);
  });

  inBothTransports("twice to the same changes nothing for the first time", async (Kind) => {
    const { ann, bob, room } = await node.couple(Kind);
    const { id } = await ann.ok("whoami");
    await ann.send("40/chat,");
    const again = await ann.ok("whoami");
    assert.deepEqual({ id: again.id, rooms: again.rooms }, { id, rooms: [room] });
    assert.deepEqual(ann.heard.filter((packet) => packet.startsWith("44")), []);
    await bob.ok("message", room, "once");
    await ann.until('42/chat,["message","once"');
    await ann.ok("whoami");
    assert.deepEqual(ann.heard.filter((packet) => packet.startsWith("42")), []);
  });

  inBothTransports("comes before the first event: else the connection is closed and the event not heard", async (Kind) => {
    const { bob, room } = await node.couple();
    const eve = await Kind.open(node);
    await (Kind === Polling ? eve.post(`42/chat,1["join","${room}"]`) : eve.send(`42/chat,1["join","${room}"]`));
    await eve.gone();
    assert.equal((await bob.join(room)).members, 2);
  });
});

describe("disconnecting", () => {
  inBothTransports("from one namespace leaves the others", async (Kind) => {
    const { ann, bob, room } = await node.couple(Kind);
    await ann.enter("/");
    await ann.send("41/chat,");
    assert.equal((await ann.ok("whoami")).namespace, "/");
    assert.equal((await bob.join(room)).members, 1);
    assert.deepEqual(ann.heard, []);
  });

  inBothTransports("and connecting again begins anew, over the same connection", async (Kind) => {
    const { ann, room } = await node.couple(Kind);
    await ann.send("41/chat,");
    await ann.enter("/chat");
    assert.deepEqual((await ann.ok("whoami")).rooms, []);
    await ann.ok("join", room);
  });

  inBothTransports("and then sending an event closes the connection", async (Kind) => {
    const { ann, bob, room } = await node.couple(Kind);
    await ann.send("41/chat,");
    const late = `42/chat,["message","${room}","late"]`;
    await (Kind === Polling ? ann.post(late) : ann.send(late));
    await ann.gone();
    await heardNothing(bob);
  });
});

describe("acknowledgements", () => {
  inBothTransports("carry the id of their event, whatever it is", async (Kind) => {
    const ann = await Kind.open(node);
    await ann.enter("/chat");
    for (const id of ["0", "1", "999", "2147483648", "9007199254740991"]) {
      await ann.send(`42/chat,${id}["whoami"]`);
      assert.match(await ann.receive(), new RegExp(`^43/chat,${id}\\[\\{"ok":true`));
    }
  });

  test("come once for each event, also if two have the same id", async () => {
    const ann = await Websocket.open(node);
    await ann.enter("/chat");
    await ann.send('42/chat,5["whoami"]', '42/chat,5["join","berlin"]', '42/chat,["whoami"]', '42/chat,6["whoami"]');
    assert.match(await ann.receive(), /^43\/chat,5\[\{"ok":true/);
    assert.match(await ann.receive(), /^43\/chat,5\[\{.*"code":"room_not_allowed"/);
    assert.match(await ann.receive(), /^43\/chat,6\[/, "no id, no acknowledgement");
  });

  test("that nobody waits for are no harm", async () => {
    const ann = await Websocket.open(node);
    await ann.enter("/chat");
    await ann.send("43/chat,99[]", '43/chat,0["x"]', "43/chat,9223372036854775807[null]");
    await ann.ok("whoami");
    // binary ones as well: their attachments are expected and taken
    await ann.send(`461-/chat,7${JSON.stringify([place(0)])}`, Buffer.from("x"));
    await ann.ok("whoami");
  });
});

describe("binary events", () => {
  inBothTransports("are put together from their parts", async (Kind) => {
    const { ann, bob, room } = await node.couple(Kind);
    const parts = [Buffer.from("first"), Buffer.alloc(0), Buffer.from([0, 255])];
    const event = ["file", room, { deep: [place(2)] }, place(0), place(1)];
    await ann.send(`453-/chat,8${JSON.stringify(event)}`, ...parts);
    await ann.until('43/chat,8[{"');
    const [deep, first, empty] = await bob.expect("file");
    assert.deepEqual([deep.deep[0], first, empty], [parts[2], parts[0], parts[1]]);
  });

  inBothTransports("may have as many parts as a client reads, ten", async (Kind) => {
    const { ann, bob, room } = await node.couple(Kind);
    const parts = Array.from({ length: 10 }, (_, n) => Buffer.from([n]));
    await ann.send(`4510-/chat,${JSON.stringify(["file", room, ...parts.map((_, n) => place(n))])}`, ...parts);
    assert.deepEqual((await bob.expect("file")).slice(0, 10), parts);
  });

  const WRONG = {
    "an eleventh part is announced": ["4511-/chat,", (room) => ["file", room, ...Array.from({ length: 11 }, (_, n) => place(n))]],
    "a part is missing when the next packet comes": ["452-/chat,", (room) => ["file", room, place(0), place(1)], Buffer.from("1"), '42/chat,1["whoami"]'],
    "another binary event begins instead of a part": ["451-/chat,", (room) => ["file", room, place(0)], '451-/chat,["file"]'],
    "there are more parts than announced": ["451-/chat,", () => ["file", "nowhere", place(0)], Buffer.from("1"), Buffer.from("2")],
    "parts come without an event": [undefined, undefined, Buffer.from("1")],
    "the number of parts is none": ["45x-/chat,", (room) => ["file", room, place(0)]],
    "the number of parts is missing": ["45-/chat,", (room) => ["file", room, place(0)]],
    "the number of parts has no end": ["451", undefined],
  };
  for (const [why, [head, event, ...rest]] of Object.entries(WRONG)) {
    inBothTransports(`close the connection when ${why}`, async (Kind) => {
      const { ann, bob, room } = await node.couple(Kind);
      const packets = [...(head ? [head + (event ? JSON.stringify(event(room)) : "")] : []), ...rest];
      // by polling the last ones may be refused already
      for (const packet of packets) {
        if (Kind === Websocket) await ann.send(packet);
        else await ann.post(Buffer.isBuffer(packet) ? `b${packet.toString("base64")}` : packet);
      }
      await ann.gone();
      await heardNothing(bob);
    });
  }

  const MISPLACED = {
    "a place that has no part": [place(1)],
    "a place below zero": [place(-1)],
    "a place far away": [place(1e9)],
    "the same place twice": [place(0), place(0)],
    "a part without a place": [1],
  };
  for (const [why, args] of Object.entries(MISPLACED)) {
    test(`reach nobody if they have ${why}`, async () => {
      const { ann, bob, room } = await node.couple();
      await ann.send(`451-/chat,8${JSON.stringify(["file", room, ...args])}`, Buffer.from("1"));
      assert.match(await ann.until("43/chat,8"), /"invalid_arguments"/);
      await heardNothing(bob);
      assert.deepEqual(bob.disconnects, [], "a client that hears such an event closes its connection");
    });
  }
});

describe("a packet that is none closes the connection, and nobody else notices", () => {
  const INVALID = [
    "4", "47", "48", "4x", "4abc", "4\u0000", "4é", "42", "42{}", "42[]", "42[1]", "42[null]", "42[true,\"foo\"]", "42{\"a\":1}",
    "42\"message\"", "42message", "42/chat,", "42/chat", "42/chat,5", "42/chat,{}", "42/chat,5[5]", "43[]", "43/chat,[]",
    "43/chat,x[]", "44{}", "44/chat,{\"message\":\"x\"}", "45", "45[\"file\"]", "46[]", "460-[]", "42/chat,-1[\"whoami\"]", "42,5[\"whoami\"]",
  ];
  for (const packet of INVALID) {
    test(JSON.stringify(packet), async () => {
      const { ann } = await node.couple();
      await ann.enter("/");
      await ann.send(packet);
      await ann.gone();
    });
  }

  test("also by polling", async () => {
    const { ann } = await node.couple(Polling);
    await ann.post("42[]");
    await ann.gone();
    await node.unharmed();
  });

  test("and behind the packet that ends the session, the rest of a payload is not read", async () => {
    const { ann, bob, room } = await node.couple(Polling);
    await ann.post(`1\u001e42/chat,["message","${room}","behind it"]`);
    await ann.gone();
    await heardNothing(bob);
  });
});

describe("an event whose arguments are no JSON reaches nobody", () => {
  const BROKEN = ['"x"', '"x",', '"x"]]', '"x",}', "x]", "'x']", '"\\x"]', '"\\ud800\\u12"]', "01]", "NaN]", '{"a"}]', "[1,2]"];
  for (const rest of BROKEN) {
    test(rest, async () => {
      const { ann, bob, room } = await node.couple();
      await ann.send(`42/chat,9["message","${room}",${rest}`);
      // either is right: to refuse it, or to close the connection
      await ann.settled();
      assert.deepEqual(ann.heard.filter((packet) => packet.includes('"ok":true')), []);
      await heardNothing(bob);
    });
  }
});
