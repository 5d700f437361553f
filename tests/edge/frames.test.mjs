// Websocket frames (RFC 6455) that are no everyday ones: what is not allowed ends the connection, what is allowed
// works, and nobody else notices either.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { endpoint } from "../harness/engine.mjs";
import { nothingMore } from "../harness/fence.mjs";
import {
  BINARY, CLOSE, closing, CONTINUATION, fragments, frame, PING, PONG, RawWebSocket, RSV1, RSV2, RSV3, TEXT,
} from "../harness/frames.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile();
const WHOAMI = '42/chat,7["whoami"]';
const ANSWER = /^43\/chat,7\[\{"ok":true/;
const PROTOCOL_ERROR = 1002;
const NOT_UTF8 = 1007;
const TOO_BIG = 1009;

/** Ann and Bob in a room, and Ann's websocket. */
async function talk() {
  const people = await node.couple();
  return { ...people, socket: people.ann.socket };
}

/**
 * The connection is ended, and what ended it is not answered. A close frame is not owed to one who breaks the protocol,
 * but its code must not mislead.
 */
async function failed(socket, code) {
  const last = await socket.closed();
  assert.ok([undefined, 1005, code].includes(last.code), `closed with ${last.code}, not with ${code}`);
  assert.deepEqual(last.frames.filter(({ payload }) => payload.toString().startsWith("43")), []);
}

async function works(ann) {
  await ann.send(WHOAMI);
  assert.match(await ann.until("43/chat,7"), ANSWER);
}

describe("the handshake", () => {
  const target = endpoint({ EIO: 4, transport: "websocket" });

  test("negotiates no compression, whatever is offered", async () => {
    const offers = "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame";
    const { answer, socket } = await RawWebSocket.ask(node.port, target, { "sec-websocket-extensions": offers });
    assert.equal(answer.status, 101);
    assert.equal(answer.headers.get("sec-websocket-extensions"), null);
    assert.equal((await socket.next()).opcode, TEXT);
  });

  test("takes frames that come together with it", async () => {
    const socket = await RawWebSocket.open(node.port, target);
    await socket.wire.write(Buffer.concat([frame(TEXT, "40/chat,"), frame(PING, "a"), frame(PING, "b")]));
    const seen = [];
    const complete = () => seen.includes("b") && seen.some((text) => text.startsWith("40/chat,"));
    while (!complete()) seen.push((await socket.next()).payload.toString());
    assert.equal(seen[0][0], "0");
  });
});

describe("a frame that must not be ends the connection", () => {
  const FORBIDDEN = {
    "RSV1": frame(TEXT, WHOAMI, { rsv: RSV1 }),
    "RSV2": frame(TEXT, WHOAMI, { rsv: RSV2 }),
    "RSV3": frame(TEXT, WHOAMI, { rsv: RSV3 }),
    "all reserved bits in a ping": frame(PING, "", { rsv: RSV1 | RSV2 | RSV3 }),
    "no mask": frame(TEXT, WHOAMI, { masked: false }),
    "a ping without a mask": frame(PING, "x", { masked: false }),
    "a continuation of nothing": frame(CONTINUATION, WHOAMI),
    "a continuation of nothing that goes on": frame(CONTINUATION, WHOAMI, { fin: false }),
    "a message within a message": Buffer.concat([frame(TEXT, "4", { fin: false }), frame(TEXT, WHOAMI)]),
    "binary within a text": Buffer.concat([frame(TEXT, "4", { fin: false }), frame(BINARY, WHOAMI, { fin: false })]),
    "a ping of 126 bytes": frame(PING, "x".repeat(126)),
    "a pong of 70 000 bytes": frame(PONG, "x".repeat(70_000)),
    "a close of 126 bytes": frame(CLOSE, closing(1000, "x".repeat(124))),
    "a ping in two parts": Buffer.concat([frame(PING, "x", { fin: false }), frame(CONTINUATION, "y")]),
    "a pong in parts": frame(PONG, "x", { fin: false }),
    "a close in parts": frame(CLOSE, closing(1000), { fin: false }),
  };
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    FORBIDDEN[`opcode ${opcode}`] = frame(opcode, "x");
    FORBIDDEN[`opcode ${opcode}, empty and not the last`] = frame(opcode, "", { fin: false });
  }
  for (const [what, bytes] of Object.entries(FORBIDDEN)) {
    test(what, async () => {
      const { socket } = await talk();
      await socket.wire.write(bytes);
      await failed(socket, PROTOCOL_ERROR);
    });
  }

  test("and they all did no harm", () => node.unharmed());
});

describe("a message in fragments", () => {
  test("may have one byte in each, also half a character", async () => {
    const { ann, bob, room } = await talk();
    const text = "ein Stück: Ελλάδα 🎉";
    const message = Buffer.from(`42/chat,7${JSON.stringify(["message", room, text])}`);
    const everywhere = [...message.keys()].slice(1);
    await ann.socket.wire.write(Buffer.concat(fragments(TEXT, message, ...everywhere)));
    assert.match(await ann.until("43/chat,7"), ANSWER);
    await bob.hears("message", text);
  });

  test("may have empty ones, and pings in between, which are answered at once", async () => {
    const { ann, socket } = await talk();
    const [first, second, third] = fragments(TEXT, WHOAMI, 4, 9);
    await socket.wire.write(Buffer.concat([first, frame(PING, "now"), second]));
    assert.deepEqual(await socket.next(), { opcode: PONG, fin: true, payload: Buffer.from("now") });
    const empty = frame(CONTINUATION, "", { fin: false });
    await socket.wire.write(Buffer.concat([empty, frame(PONG, "unasked"), empty, third]));
    assert.match(await ann.until("43/chat,7"), ANSWER);
  });

  test("may be binary", async () => {
    const { ann, bob, room } = await talk();
    const part = Buffer.from([1, 2, 3, 254, 255]);
    await ann.send(`451-/chat,${JSON.stringify(["file", room, { _placeholder: true, num: 0 }])}`);
    await ann.socket.wire.write(Buffer.concat(fragments(BINARY, part, 1, 1, 4)));
    assert.deepEqual((await bob.expect("file"))[0], part);
  });
});

describe("control frames", () => {
  for (const payload of ["", "x", "é", Buffer.alloc(125, 0xff)]) {
    test(`a ping of ${Buffer.from(payload).length} bytes comes back as a pong`, async () => {
      const { socket } = await talk();
      await socket.send(PING, payload);
      assert.deepEqual(await socket.next(), { opcode: PONG, fin: true, payload: Buffer.from(payload) });
    });
  }

  test("pongs that nobody asked for are ignored", async () => {
    const { ann, socket } = await talk();
    for (const payload of ["", "x", Buffer.alloc(125, 0xff)]) await socket.send(PONG, payload);
    await works(ann);
  });

  test("a flood of 100 000 pings does not hold others up", async () => {
    const { ann, bob } = await talk();
    const pings = Buffer.concat(Array(1000).fill(frame(PING, "x")));
    let over = false;
    const flood = (async () => {
      for (let times = 0; times < 100; times += 1) await ann.socket.wire.write(pings);
      await ann.send(WHOAMI);
      const end = (bytes) => bytes.includes("43/chat,7[") && { value: true, used: bytes.length };
      await ann.socket.wire.take(end, "the answer behind the pongs");
    })().finally(() => (over = true));
    const times = [];
    while (!over) {
      const began = performance.now();
      await bob.whoami();
      times.push(performance.now() - began);
    }
    await flood;
    const median = times.sort((a, b) => a - b)[times.length >> 1];
    assert.ok(median < 100, `a request took ${median.toFixed(1)} ms, the longest ${times.at(-1).toFixed(1)} ms`);
  });
});

describe("a close frame", () => {
  for (const code of [1000, 1001, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]) {
    test(`with ${code} is answered with the same`, async () => {
      const { socket } = await talk();
      await socket.send(CLOSE, closing(code, "tschüß"));
      const last = await socket.closed();
      assert.equal(last.code, code);
    });
  }

  test("without a code is answered", async () => {
    const { socket } = await talk();
    await socket.send(CLOSE);
    const { code } = await socket.closed();
    assert.ok([1000, 1005].includes(code), `closed with ${code}`);
  });

  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535]) {
    test(`with ${code}, which must not be sent, is not answered with it`, async () => {
      const { socket } = await talk();
      await socket.send(CLOSE, closing(code));
      const last = await socket.closed();
      assert.ok([undefined, 1005, PROTOCOL_ERROR].includes(last.code), `closed with ${last.code}`);
    });
  }

  const BROKEN = {
    "one byte": Buffer.from([3]),
    "a reason that is not UTF-8": Buffer.concat([closing(1000), Buffer.from([0xce, 0xba, 0xff])]),
    "half a character": Buffer.concat([closing(1000), Buffer.from([0xf0, 0x9f])]),
  };
  for (const [what, payload] of Object.entries(BROKEN)) {
    test(`with ${what} ends the connection`, async () => {
      const { socket } = await talk();
      await socket.send(CLOSE, payload);
      const { code } = await socket.closed();
      assert.ok([undefined, 1005, PROTOCOL_ERROR, NOT_UTF8].includes(code), `closed with ${code}`);
    });
  }

  test("is the last that is heard: what comes behind it counts for nothing", async () => {
    const { bob, room, socket } = await talk();
    const late = `42/chat,${JSON.stringify(["message", room, "late"])}`;
    await socket.wire.write(Buffer.concat([frame(CLOSE, closing(1000)), frame(TEXT, late), frame(PING), frame(CLOSE)]));
    const { frames } = await socket.closed();
    assert.deepEqual(frames.filter(({ opcode }) => opcode === PONG), []);
    await nothingMore(await node.connect(), bob);
  });
});

describe("text that is not UTF-8 ends the connection", () => {
  const INVALID = {
    "a stray byte": [0xff],
    "half a character": [0xe2, 0x82],
    "half a surrogate": [0xed, 0xa0, 0x80],
    "too long a form": [0xc0, 0xaf],
    "beyond Unicode": [0xf4, 0x90, 0x80, 0x80],
  };
  for (const [what, bytes] of Object.entries(INVALID)) {
    for (const cuts of [[], [12], [13]]) {
      test(`${what}, ${cuts.length === 0 ? "at once" : `cut at ${cuts}`}`, async () => {
        const { socket } = await talk();
        const message = Buffer.concat([Buffer.from('42/chat,["x"'), Buffer.from(bytes), Buffer.from("]")]);
        await socket.wire.write(Buffer.concat(fragments(TEXT, message, ...cuts)));
        await failed(socket, NOT_UTF8);
      });
    }
  }
});

describe("the size of a message", () => {
  const MOST = 1_000_000;
  const sized = (size) => `42/chat,7["message","${"x".repeat(size - '42/chat,7["message",""]'.length)}"]`;

  test("may be what the open packet says", async () => {
    const { ann, socket } = await talk();
    await socket.send(TEXT, sized(MOST));
    // another rule refuses it, and the connection stays
    assert.match(await ann.until("43/chat,7"), /"payload_too_large"/);
    await works(ann);
  });

  const TOO_LARGE = {
    "one byte more": () => frame(TEXT, sized(MOST + 1)),
    "one byte more, in fragments": () => Buffer.concat(fragments(TEXT, sized(MOST + 1), 400_000, 800_000)),
    "more and more, without an end": () => {
      const more = frame(CONTINUATION, "x".repeat(100_000), { fin: false });
      return Buffer.concat([frame(TEXT, "4", { fin: false }), ...Array(11).fill(more)]);
    },
    "binary": () => frame(BINARY, Buffer.alloc(MOST + 1)),
  };
  for (const [what, bytes] of Object.entries(TOO_LARGE)) {
    test(`may not be more: ${what}`, async () => {
      const { socket } = await talk();
      await socket.wire.write(bytes());
      await failed(socket, TOO_BIG);
    });
  }

  for (const claims of [1_000_001n, 2n ** 31n, 2n ** 32n, 10n ** 10n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    test(`is not believed: ${claims} bytes end the connection before they come, and cost no memory`, async () => {
      const { socket } = await talk();
      const before = node.memory();
      await socket.wire.write(frame(TEXT, "4", { claims }));
      await failed(socket, TOO_BIG);
      await node.givesBack(before);
    });
  }

  test("and they all did no harm", () => node.unharmed());
});
