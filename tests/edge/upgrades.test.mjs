// From long-polling to websocket, as Engine.IO 4 does it: nothing is lost on the way, and what goes wrong ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { assertRefused, endpoint, Polling, Websocket } from "../harness/engine.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { BINARY, CLOSE, RawWebSocket, TEXT } from "../harness/frames.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile();
const hasty = nodeForFile({ socketio: { ping_interval_ms: 300, ping_timeout_ms: 250, upgrade_timeout_ms: 500 } });

/** A polling session that waits for nothing any more, and what a websocket of it asks for. */
async function poller(where = node) {
  const session = await Polling.open(where);
  await session.arrive();
  return { session, websocket: endpoint({ EIO: 4, transport: "websocket", sid: session.sid }) };
}

describe("an upgrade", () => {
  test("releases the waiting GET by a noop, and the session goes on", async () => {
    const { session, websocket } = await poller();
    const waiting = session.poll();
    const socket = await RawWebSocket.open(node.port, websocket);
    await socket.send(TEXT, "2probe");
    assert.equal((await socket.next()).payload.toString(), "3probe");
    const released = await waiting;
    assert.equal(`${released.status} ${released.text}`, "200 6");
    // one more before the upgrade is complete must not hang either
    assert.equal((await session.poll()).text, "6");
    await socket.send(TEXT, "5");
    await socket.send(TEXT, '42/chat,7["whoami"]');
    assert.match((await socket.next()).payload.toString(), /^43\/chat,7\[\{"ok":true/);
  });

  test("leaves nothing to be had by polling", async () => {
    const { session } = await poller();
    const upgraded = await Websocket.upgrade(session);
    await upgraded.ok("whoami");
    assertRefused(3, await session.poll(), "GET");
    assertRefused(3, await session.post('42/chat,1["join","paris"]'), "POST");
    assert.deepEqual((await upgraded.ok("whoami")).rooms, []);
  });

  test("is done once: a second websocket gets nothing, and the first stays", async () => {
    const { session, websocket } = await poller();
    const first = await Websocket.upgrade(session);
    await first.ok("whoami");
    const { answer, socket } = await RawWebSocket.ask(node.port, websocket);
    if (socket) {
      await socket.send(TEXT, "2probe");
      const { frames } = await socket.closed();
      assert.deepEqual(frames.filter(({ opcode }) => opcode === TEXT), []);
    } else {
      assert.equal(answer.status, 400, String(answer));
    }
    await first.ok("whoami");
  });

  test("of a session that began by websocket is refused", async () => {
    const ann = await Websocket.open(node);
    await ann.enter("/chat");
    const { answer, socket } = await RawWebSocket.ask(node.port, endpoint({ EIO: 4, transport: "websocket", sid: ann.sid }));
    if (socket) await socket.closed();
    else assert.equal(answer.status, 400, String(answer));
    await ann.ok("whoami");
  });

  test("loses nothing and keeps the order while others talk", async () => {
    const { session } = await poller();
    const room = freshRoom();
    await session.ok("join", room);
    const bob = await node.connect();
    await bob.join(room);
    let talking = true;
    let sent = 0;
    const talk = (async () => {
      for (; talking || sent < 40; sent += 1) await bob.ok("message", room, sent);
    })();

    const heard = [];
    const note = (packet) => heard.push(JSON.parse(packet.slice("42/chat,".length))[1]);
    for (let times = 0; times < 5; times += 1) note(await session.until("42/chat,"));
    const upgraded = await RawWebSocket.open(node.port, endpoint({ EIO: 4, transport: "websocket", sid: session.sid }));
    await upgraded.send(TEXT, "2probe");
    for (let packet; (packet = await session.receive()) !== "6"; ) note(packet);
    assert.equal((await upgraded.next()).payload.toString(), "3probe");
    await upgraded.send(TEXT, "5");
    for (let times = 0; times < 20; times += 1) note((await upgraded.next()).payload.toString());
    talking = false;
    await talk;
    while (heard.length < sent) note((await upgraded.next()).payload.toString());
    assert.deepEqual(heard, [...Array(sent).keys()]);
  });

  test("is followed by the heartbeat, which ends the session as before", async () => {
    const { session } = await poller(hasty);
    const ann = await Websocket.upgrade(session);
    ann.pongs = false;
    for (let times = 0; times < 3; times += 1) {
      assert.equal(await ann.receive(), "2");
      await ann.send("3");
    }
    await ann.gone();
  });

  test("is what a stock client does", async () => {
    const room = freshRoom();
    const people = [await node.connect({ transport: "upgrade" }), await node.connect({ transport: "upgrade" })];
    for (const person of people) await person.join(room);
    await people[0].ok("message", room, "over the websocket");
    await people[1].hears("message", "over the websocket");
  });
});

describe("an upgrade that fails", () => {
  const WRONG = {
    "a message instead of the probe": (socket) => socket.send(TEXT, "42/chat,1[\"join\",\"paris\"]"),
    "another text in the probe": (socket) => socket.send(TEXT, "2brobe"),
    "an upgrade without a probe": (socket) => socket.send(TEXT, "5"),
    "garbage": (socket) => socket.send(TEXT, "é"),
    "binary": (socket) => socket.send(BINARY, "2probe"),
    "a message after the probe": async (socket) => {
      await socket.send(TEXT, "2probe");
      await socket.send(TEXT, "42/chat,1[\"join\",\"paris\"]");
    },
  };
  for (const [why, misbehave] of Object.entries(WRONG)) {
    test(`ends the websocket: ${why}`, async () => {
      const { session, websocket } = await poller();
      const witness = await node.connect();
      const { members } = await witness.join("paris");
      const socket = await RawWebSocket.open(node.port, websocket);
      await misbehave(socket);
      await socket.closed();
      // whether the session lives on is not said, but it must not hang, and the event came by no transport
      assert.ok([200, 400].includes((await session.post("")).status));
      assert.equal((await witness.join("paris")).members, members);
    });
  }

  const LEAVING = {
    "closes it": (socket) => socket.send(CLOSE, ""),
    "hangs up": async (socket) => socket.close(),
    "resets it": async (socket) => socket.wire.reset(),
    "says nothing more": async () => {},
  };
  for (const [how, leave] of Object.entries(LEAVING)) {
    for (const [when, first] of Object.entries({ "before": undefined, "after": "2probe" })) {
      test(`ends: the client ${how} ${when} the probe`, async () => {
        const { session, websocket } = await poller(hasty);
        const room = freshRoom();
        await session.ok("join", room);
        const witness = await hasty.connect();
        assert.equal((await witness.join(room)).members, 2);
        const socket = await RawWebSocket.open(hasty.port, websocket);
        if (first) {
          await socket.send(TEXT, first);
          assert.equal((await socket.next()).payload.toString(), "3probe");
        }
        await leave(socket);
        // with nobody polling, it is gone after the upgrade's timeout or the heartbeat's
        await until(async () => (await witness.join(room)).members === 1, "it has left the room");
        await session.gone();
      });
    }
  }

  test("ends with the session, if that is closed meanwhile by polling", async () => {
    const { session, websocket } = await poller();
    const socket = await RawWebSocket.open(node.port, websocket);
    await socket.send(TEXT, "2probe");
    assert.equal((await socket.next()).payload.toString(), "3probe");
    assert.equal((await session.post("1")).status, 200);
    await socket.send(TEXT, "5");
    await socket.closed();
    await session.gone();
    await node.unharmed();
  });
});
