// What has broken Socket.IO servers before by HTTP and websocket, advisory by advisory, with the bytes that did it.
// Those against the parser of packets are in cves-parser.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertRefused, endpoint, Polling, Websocket } from "../harness/engine.mjs";
import { CONTINUATION, frame, HANDSHAKE, RawWebSocket, RSV1, RSV2, RSV3, TEXT } from "../harness/frames.mjs";
import { answer, request, statusOrCut } from "../harness/http.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";
import { advisoriesOn, inParallel } from "./advisory.mjs";

// a session that ends before it is in a namespace may be remembered until the time for that is over
const node = nodeForFile({ server: { max_handshakes_per_second: 100_000 }, socketio: { connect_timeout_ms: 5000 } });
const { advisory, crowd } = advisoriesOn(node);
const POLLING = { EIO: 4, transport: "polling" };
const WEBSOCKET = { EIO: 4, transport: "websocket" };
const MOST = 1_000_000;
const MEGABYTE = 1024 * 1024;

test("a node that has seen people", async () => {
  await crowd();
  await node.unharmed();
});

advisory("CVE-2020-36048", "a body without limit", (isUsual) => {
  test("one byte more than allowed is refused, and the session closed", async () => {
    const ann = await Polling.open(node);
    assert.ok([413, 0].includes(await statusOrCut(ann.post("4".repeat(MOST + 1)))));
    await ann.gone();
  });

  test("one byte more is refused by what the head tells, and not waited for", async () => {
    const ann = await Polling.open(node);
    const wire = await node.wire();
    await wire.write(request(ann.target, { method: "POST", headers: { "content-length": MOST + 1 }, body: "4" }));
    assert.equal((await wire.take(answer)).status, 413);
    await ann.gone();
  });

  test("a body whose length is not told is as well", async () => {
    const ann = await Polling.open(node);
    const chunk = `${(100_000).toString(16)}\r\n${"4".repeat(100_000)}\r\n`;
    const headers = { "transfer-encoding": "chunked" };
    const wire = await node.wire();
    wire.write(request(ann.target, { method: "POST", headers }));
    for (let times = 0; times < 11; times += 1) wire.write(chunk);
    assert.equal((await wire.take(answer)).status, 413);
    await ann.gone();
  });

  /** Gives the most memory that was seen meanwhile. */
  async function aThousand() {
    const sessions = [];
    await inParallel(1000, 20, async () => sessions.push(await Polling.open(node)));
    const body = Buffer.alloc(MOST + 1, "4");
    let most = 0;
    await inParallel(sessions.length, sessions.length, async (at) => {
      assert.ok([413, 0].includes(await statusOrCut(sessions[at].post(body))));
      most = Math.max(most, node.memory());
    });
    return most;
  }

  test("a thousand at once cost little memory, and a second thousand nothing more", async () => {
    const before = node.memory();
    const most = await aThousand();
    // the allocator keeps what so many connections at once have left, and uses it again
    isUsual(most);
    await aThousand();
    assert.ok(most < before + 128 * MEGABYTE, `${Math.round(most / MEGABYTE)} MiB`);
  });
});

advisory("CVE-2020-28481", "pages of other origins", () => {
  test("are refused by both transports while no origins are configured", async () => {
    const headers = { origin: "https://evil.example" };
    assertRefused(4, await node.ask(endpoint(POLLING), { headers }), "polling", /^Forbidden/);
    assertRefused(4, (await RawWebSocket.ask(node.port, endpoint(WEBSOCKET), headers)).answer, "websocket", /^Forbidden/);
  });
});

advisory("CVE-2022-21676", "websocket frames with reserved bits", () => {
  for (const [name, rsv] of Object.entries({ RSV1, RSV2, RSV3, "RSV2 and RSV3": RSV2 | RSV3 })) {
    test(`${name} ends the session`, async () => {
      const { ann, bob, room } = await node.couple();
      await ann.socket.send(TEXT, "3", { rsv });
      await ann.gone();
      assert.equal((await bob.join(room)).members, 1);
    });
  }
});

advisory("CVE-2022-41940", "upgrades to HTTP/2, and connections reset at the wrong moment", () => {
  const H2C = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" };
  const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const ODD = {
    "Upgrade: h2c": request(endpoint(POLLING), { headers: H2C }),
    "Upgrade: h2c to the websocket": request(endpoint(WEBSOCKET), { headers: H2C }),
    "Upgrade: h2c, websocket": request(endpoint(POLLING), { headers: { ...H2C, upgrade: "h2c, websocket" } }),
    "the preface of HTTP/2": Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SETTINGS]),
    "a request of HTTP/2.0": Buffer.from("GET /socket.io/?EIO=4&transport=polling HTTP/2.0\r\nhost: x\r\n\r\n"),
    "CONNECT": request("roomcast.test:80", { method: "CONNECT" }),
    "CONNECT to a path": request(endpoint(WEBSOCKET), { method: "CONNECT", headers: HANDSHAKE }),
    "CONNECT with a protocol": request("roomcast.test:80", { method: "CONNECT", headers: { protocol: "websocket" } }),
  };
  for (const [what, bytes] of Object.entries(ODD)) {
    test(`${what} gets an answer of HTTP/1.1, or none`, async () => {
      const wire = await node.wire();
      await wire.write(bytes);
      const first = (got, over) => answer(got, over) ?? (over ? { value: undefined, used: got.length } : undefined);
      const got = await wire.take(first);
      assert.ok(got === undefined || [200, 400, 404, 405, 505].includes(got.status), String(got));
    });
  }

  test("10 000 connections that are reset behind their first words", async () => {
    const words = [...Object.values(ODD), request(endpoint(WEBSOCKET), { headers: HANDSHAKE }), request(endpoint(POLLING))];
    await inParallel(10_000, 50, async (at) => {
      const wire = await node.wire();
      await wire.write(words[at % words.length]);
      wire.reset();
    });
  });
});

advisory("CVE-2023-31125", "a query that names what every object has", () => {
  const NAMES = ["__proto__", "constructor", "toString", "hasOwnProperty", "", "%00", "polling%00", "polling%0d%0a", "POLLING", "x".repeat(1900)];
  for (const name of NAMES) {
    test(`transport=${name.slice(0, 20)} and EIO=${name.slice(0, 20)}`, async () => {
      for (const ask of [(target) => node.ask(target), async (target) => (await RawWebSocket.ask(node.port, target)).answer]) {
        assertRefused(0, await ask(`/socket.io/?EIO=4&transport=${name}`), `transport=${name}`);
        assertRefused(5, await ask(`/socket.io/?EIO=${name}&transport=polling`), `EIO=${name}`);
        assertRefused(1, await ask(`/socket.io/?EIO=4&transport=polling&sid=${name}`), `sid=${name}`);
      }
    });
  }

  test("one of 8 KB", async () => {
    const { status } = await node.ask(`/socket.io/?EIO=4&transport=${"x".repeat(8192)}`);
    assert.ok([400, 414].includes(status), String(status));
  });
});

advisory("CVE-2024-37890", "more headers than a server can take", () => {
  const many = Array.from({ length: 10_000 }, (_, n) => [`x${n}`, "1"]);
  for (const [name, query, own] of [["polling", POLLING, {}], ["websocket", WEBSOCKET, HANDSHAKE]]) {
    test(`10 000 headers, ${name}`, async () => {
      const asked = node.ask(endpoint(query), { headers: [...Object.entries(own), ...many] });
      assert.ok([431, 0].includes(await statusOrCut(asked)));
    });
    test(`a line of 64 KB, ${name}`, async () => {
      const status = await statusOrCut(node.ask(endpoint({ ...query, x: "y".repeat(65_536) }), { headers: own }));
      assert.ok([414, 431, 0].includes(status), String(status));
    });
  }
});

advisory("CVE-2026-48779", "messages in tiny fragments", () => {
  const tiny = frame(CONTINUATION, "x", { fin: false });

  test("1 MB of them is taken or not, in little time", async () => {
    const { ann, room } = await node.couple();
    await ann.socket.send(TEXT, `42/chat,1["message","${room}","`, { fin: false });
    const thousand = Buffer.concat(Array(1000).fill(tiny));
    for (let times = 0; times < 999; times += 1) await ann.socket.wire.write(thousand);
    const before = node.cpu();
    await ann.settled();
    assert.ok(node.cpu() - before < 2000, `${node.cpu() - before} ms`);
  });

  // The advisory's thousand clients with 1 MB each are 7 GB on the wire; the bound is of each client, so fewer do.
  test("200 clients who never end theirs cost what they sent, not what it took to send it", async () => {
    const begun = Buffer.concat([frame(TEXT, "4", { fin: false }), ...Array(20_000).fill(tiny)]);
    const before = node.memory();
    await inParallel(200, 20, async () => {
      const ann = await Websocket.open(node);
      await ann.socket.wire.write(begun);
      await ann.settled();
    });
    const cost = (node.memory() - before) / 200;
    // each has sent 20 KB in 140 KB of frames
    assert.ok(cost < 100_000, `${Math.round(cost)} bytes each`);
  });
});

advisory("engineioxide before 0.17.9", "what its notes tell", () => {
  test("packets cut within a character end the session, not the node", async () => {
    for (const packet of ["é", "ééé", "éprobe", "2é", "2pröbe", "4é", "42/é", "42/é,[", "45é", "451-é", "b", "bé", "\u{10ffff}"]) {
      for (const eio of [3, 4]) {
        const ann = await Websocket.open(node, { eio });
        await ann.send(packet);
        await ann.settled();
        const eve = await Polling.open(node, { eio });
        await eve.post(eio === 3 ? `${packet.length}:${packet}` : packet);
      }
    }
  });

  test("a path that only begins like the endpoint is another", async () => {
    for (const path of ["/socket.io-admin/", "/socket.ioX", "/socket.io.map"]) {
      assert.equal((await node.ask(endpoint(POLLING, path))).status, 404, path);
      assert.equal((await RawWebSocket.ask(node.port, endpoint(WEBSOCKET, path))).answer.status, 404, path);
    }
  });

  test("a sid that makes no sense opens no session", async () => {
    const before = await node.sessions();
    for (const sid of ["", "garbage", "A".repeat(22), "AAAAAAAAAAAAAAA!", "%C3%A9"]) {
      assertRefused(1, await node.ask(`/socket.io/?EIO=4&transport=polling&sid=${sid}`), sid);
    }
    assert.ok((await node.sessions()) <= before);
  });
});
