// What an attacker does who keeps to no rule: slowly, too much, again and again, or with the ids of others. Each time
// somebody else goes on as if nothing were.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until, within } from "../harness/deadline.mjs";
import { assertRefused, endpoint, Polling, SEPARATOR } from "../harness/engine.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { HANDSHAKE, RawWebSocket } from "../harness/frames.mjs";
import { answer, request, statusOrCut } from "../harness/http.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile({
  server: { header_timeout_ms: 2500, body_timeout_ms: 800, write_stall_ms: 1000, max_handshakes_per_second: 100_000 },
});
const POLLING = { EIO: 4, transport: "polling" };
const WEBSOCKET = { EIO: 4, transport: "websocket" };

/** Something that is done again and again until the work is over. */
async function meanwhile(every, again, work) {
  const timer = setInterval(again, every);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

describe("slowly", () => {
  // needs as many file descriptors here and in the node (`ulimit -n` of 4096 is enough)
  test("2000 heads that come byte by byte: others connect at once, and the time for each is limited", async () => {
    const wires = [];
    for (let count = 0; count < 2000; count += 1) {
      const wire = await node.wire();
      wire.write(`GET ${endpoint(POLLING)} HTTP/1.1\r\nhost: roomcast.test\r\nx-slow: `);
      wires.push(wire);
    }
    let turn = 0;
    const trickle = () => {
      for (let count = 0; count < 40; count += 1) wires[(turn += 1) % wires.length].write("x");
    };
    await meanwhile(10, trickle, async () => {
      const times = [];
      for (let count = 0; count < 15; count += 1) {
        const began = performance.now();
        const client = await node.connect({ transport: count % 2 ? "polling" : "websocket" });
        times.push(performance.now() - began);
        client.close();
      }
      assert.ok(median(times) < 100, `${median(times).toFixed(1)} ms to connect; all: ${times.map(Math.round)}`);
      await Promise.all(wires.map((wire) => wire.ended()));
    });
    await node.unharmed();
  });

  test("connections on which nothing comes at all are closed", async () => {
    const silent = await Promise.all(Array.from({ length: 50 }, () => node.wire()));
    const used = await node.wire();
    await used.write(request(endpoint(POLLING)));
    assert.equal((await used.take(answer)).status, 200);
    // also one that was of use before
    for (const wire of [...silent, used]) await wire.ended();
  });

  test("bodies of one byte a second are cut off", async () => {
    const slow = [];
    for (let count = 0; count < 100; count += 1) {
      const session = await Polling.open(node);
      const wire = await node.wire();
      wire.write(request(session.target, { method: "POST", headers: { "content-length": 100 }, body: "4" }));
      slow.push(wire);
    }
    await meanwhile(1000, () => slow.forEach((wire) => wire.write("2")), async () => {
      for (const wire of slow) assert.equal((await wire.take(answer)).status, 408);
      for (const wire of slow) await wire.ended();
    });
    await node.unharmed();
  });

  test("a body that came in time is no slow one", async () => {
    const session = await Polling.open(node);
    const wire = await node.wire();
    await wire.write(request(session.target, { method: "POST", headers: { "content-length": 8 }, body: "" }));
    for (const byte of "40/chat,") await wire.write(byte);
    assert.equal((await wire.take(answer)).status, 200);
    await session.until("40/chat,");
  });
});

describe("too much", () => {
  const head = (headers) => node.ask(endpoint(POLLING), { headers });
  const lines = (count) => Array.from({ length: count }, (_, n) => [`x-${n}`, "y"]);

  test("a head may have 100 headers, and 16 KB", async () => {
    // one more is the host
    assert.equal((await head(lines(99))).status, 200);
    assert.equal((await head(lines(100))).status, 431);
    assert.equal((await head({ x: "y".repeat(16_000) })).status, 200);
    assert.equal((await head({ x: "y".repeat(16_384) })).status, 431);
    assert.ok([431, 0].includes(await statusOrCut(head({ x: "y".repeat(1_000_000) }))));
    await node.unharmed();
  });

  test("a line of 64 KB opens no session", async () => {
    const before = await node.sessions();
    const status = await statusOrCut(node.ask(endpoint({ ...POLLING, x: "y".repeat(65_536) })));
    assert.ok([414, 431, 0].includes(status), String(status));
    assert.ok((await node.sessions()) <= before);
  });

  test("fifty GETs of one session at once: all are answered, and it is over", async () => {
    const session = await Polling.open(node);
    await session.arrive();
    const answers = await within(Promise.all(Array.from({ length: 50 }, () => session.poll())), "50 answers");
    const refused = answers.filter(({ status }) => status === 400);
    assert.ok(refused.length >= 49, answers.map(String).join("; "));
    assertRefused(1, await session.poll());
    await node.unharmed();
  });

  test("packets that overtake others of the same session end it: nobody could tell their order", async () => {
    const session = await Polling.open(node);
    await session.enter("/chat");
    const wire = await node.wire();
    const head = `POST ${session.target} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\n`;
    await wire.write(`${head}42/`);
    // until the node has read the head of the first, the second is alone
    await until(async () => (await session.post("3")).status === 400, "the second is refused");
    await session.gone();
    await node.unharmed();
  });

  test("packets in one body: 10 000 are read, one more ends the session, and none of them is heard", async () => {
    const pongs = (count) => Array(count).fill("3").join(SEPARATOR);
    const session = await Polling.open(node);
    assert.equal((await session.post(pongs(10_000))).status, 200);
    await session.enter("/chat");
    for (const body of [pongs(10_001), pongs(50_000), SEPARATOR.repeat(20_000), `${pongs(1)}${SEPARATOR}`.repeat(400_000)]) {
      const flooder = await Polling.open(node);
      assert.ok([400, 0].includes(await statusOrCut(flooder.post(body))));
      await flooder.gone();
    }
    const { ann: flooder, bob, room } = await node.couple(Polling);
    const event = `42/chat,${JSON.stringify(["message", room, ""])}`;
    assert.equal((await flooder.post(Array(10_001).fill(event).join(SEPARATOR))).status, 400);
    await flooder.gone();
    await nothingMore(await node.connect(), bob);
  });

  const HUGE = {
    "lists in lists": `${"[".repeat(10_000)}${"]".repeat(10_000)}`,
    "objects in objects": `${'{"a":'.repeat(10_000)}1${"}".repeat(10_000)}`,
    "lists without an end": "[".repeat(400_000),
    "60 000 keys": JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`k${n}`, 0]))),
    "a number beyond all numbers": "1e400000",
    "a number of 50 000 digits": "9".repeat(50_000),
    "half a million of commas": ",".repeat(500_000),
  };
  for (const [what, json] of Object.entries(HUGE)) {
    test(`JSON: ${what} end at the node, or reach a room that can bear it`, async () => {
      const { ann, bob, room } = await node.couple();
      const eve = await node.connect();
      await eve.join(room);
      await ann.send(`42/chat,9["message","${room}",${json}]`);
      await ann.settled();
      await eve.ok("message", room, "and on we go");
      await bob.hears("message", "and on we go");
      assert.deepEqual([bob.disconnects, eve.disconnects], [[], []]);
    });
  }
});

describe("not reading", () => {
  test("a client that reads nothing while its room gets 1 MB/s is out of it, and the others get everything", async () => {
    const { ann: victim, bob, room } = await node.couple();
    const [speaker, other] = [await node.connect(), await node.connect({ transport: "polling" })];
    for (const one of [speaker, other]) await one.join(room);
    const others = [bob, other];
    const slow = () => node.metric("roomcast_closes_total", { code: "slow_consumer" });
    const before = await slow();
    victim.socket.wire.stopReading();

    let sent = 0;
    const refused = [];
    const text = "x".repeat(50_000);
    const speak = () => {
      for (let twice = 0; twice < 2; twice += 1) {
        speaker.ok("message", room, (sent += 1), text).catch((error) => refused.push(error));
      }
    };
    // before the deadline begins, the kernel's buffers on both sides have to be full: some MB
    await meanwhile(100, speak, () => until(async () => (await slow()) === before + 1, "it is closed as a slow consumer", 15_000));
    await until(async () => (await speaker.join(room)).members === 3, "it is out of the room");
    assert.deepEqual(refused, []);
    for (const other of others) {
      for (let number = 1; number <= sent; number += 1) assert.equal((await other.expect("message"))[0], number);
      assert.deepEqual(other.disconnects, []);
    }
    await node.unharmed();
  });
});

describe("the ids of others", () => {
  /** Everything that an id opens is tried with this one. */
  async function openNothing(sid, why) {
    const polling = endpoint({ ...POLLING, sid });
    assertRefused(1, await node.ask(polling), `GET, ${why}`);
    assertRefused(1, await node.ask(polling, { method: "POST", body: '42/chat,1["join","paris"]' }), `POST, ${why}`);
    assertRefused(1, (await RawWebSocket.ask(node.port, endpoint({ ...WEBSOCKET, sid }))).answer, `upgrade, ${why}`);
  }

  for (const transport of ["polling", "websocket", "upgrade"]) {
    test(`a socket's id, which all in its room see, opens nothing: ${transport}`, async () => {
      const room = freshRoom();
      const [victim, thief] = [await node.connect({ transport }), await node.connect()];
      for (const one of [victim, thief]) await one.join(room);
      await victim.ok("message", room, "hello");
      const { from } = await thief.hears("message", "hello");
      assert.match(from, /^[\w-]{16}$/);
      await openNothing(from, "stolen");
      for (const padding of ["A".repeat(26), `node${"A".repeat(22)}`, "-".repeat(26)]) await openNothing(from + padding, "padded");
      assert.deepEqual((await victim.whoami()).rooms, [room]);
      await thief.ok("message", room, "still there?");
      await victim.hears("message", "still there?");
      assert.deepEqual(victim.disconnects, []);
    });
  }

  test("an id that was altered anywhere opens nothing", async () => {
    const [ann, bob] = [await Polling.open(node), await Polling.open(node)];
    await ann.enter("/chat");
    assert.equal(ann.sid.length, 42);
    for (let at = 0; at < 42; at += 1) {
      for (const other of ["a", "Q"]) {
        if (ann.sid[at] !== other) await openNothing(ann.sid.slice(0, at) + other + ann.sid.slice(at + 1), `changed at ${at}`);
      }
    }
    const last = "ABQRghwx".split("").filter((one) => one !== ann.sid.at(-1));
    for (const other of last) await openNothing(ann.sid.slice(0, -1) + other, `with ${other} at the end`);
    await openNothing(ann.sid.slice(0, -1), "cut");
    await openNothing(`${ann.sid}A`, "longer");
    await openNothing(ann.sid.slice(0, 16), "without its proof");
    await openNothing(ann.sid.slice(0, 20) + bob.sid.slice(20), "with another's proof");
    await openNothing(bob.sid.slice(0, 16) + ann.sid.slice(16), "with another's proof");
    await openNothing(ann.sid.toUpperCase(), "in capitals");
    assert.deepEqual((await ann.ok("whoami")).rooms, []);
  });

  test("what is said twice is not guessed at", async () => {
    const [ann, bob] = [await Polling.open(node), await Polling.open(node)];
    const TWICE = {
      "transport=polling&transport=websocket&EIO=4": 0,
      "transport=polling&transport=polling&EIO=4": 0,
      "transport=polling&EIO=4&EIO=3": 5,
      "transport=polling&EIO=4&EIO=4": 5,
      [`transport=polling&EIO=4&sid=${ann.sid}&sid=${bob.sid}`]: 3,
      [`transport=polling&EIO=4&sid=x&sid=${bob.sid}`]: 3,
    };
    for (const [query, code] of Object.entries(TWICE)) {
      for (const method of query.includes("sid") ? ["GET", "POST"] : ["GET"]) {
        const body = method === "POST" ? "40/chat," : undefined;
        assertRefused(code, await node.ask(`/socket.io/?${query}`, { method, body }), `${method} ${query}`);
      }
      assertRefused(code, await node.ask(`/socket.io/?${query}`, { headers: HANDSHAKE }), `websocket ${query}`);
    }
    for (const one of [ann, bob]) await one.enter("/chat");
  });
});
