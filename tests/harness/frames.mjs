// A websocket by hand (RFC 6455), which can send every frame that there is, and those that there should not be.
import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import { answer, request } from "./http.mjs";
import { Wire } from "./wire.mjs";

export const CONTINUATION = 0;
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;
export const RSV1 = 0x40;
export const RSV2 = 0x20;
export const RSV3 = 0x10;

const KEY = Buffer.from("sixteen bytes ok").toString("base64");
const ACCEPT = createHash("sha1").update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
const MASK = Buffer.from([0x12, 0x9a, 0x5c, 0xe3]);

export const HANDSHAKE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": KEY,
};

/** The bytes of a frame. `claims` is the length that its head tells, if that is not the truth. */
export function frame(opcode, payload = "", { fin = true, rsv = 0, masked = true, claims } = {}) {
  const body = Buffer.from(payload);
  const length = BigInt(claims ?? body.length);
  const maskBit = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | rsv | opcode;
  let head;
  if (length < 126n) {
    head = Buffer.from([first, maskBit | Number(length)]);
  } else if (length < 65_536n) {
    head = Buffer.from([first, maskBit | 126, 0, 0]);
    head.writeUInt16BE(Number(length), 2);
  } else {
    head = Buffer.from([first, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeBigUInt64BE(length, 2);
  }
  if (!masked) return Buffer.concat([head, body]);
  for (let at = 0; at < body.length; at += 1) body[at] ^= MASK[at & 3];
  return Buffer.concat([head, MASK, body]);
}

/** The frames of one message, cut at these places of its payload. */
export function fragments(opcode, payload, ...cuts) {
  const body = Buffer.from(payload);
  const ends = [...cuts, body.length];
  return ends.map((end, at) =>
    frame(at === 0 ? opcode : CONTINUATION, body.subarray(ends[at - 1] ?? 0, end), { fin: at === cuts.length }),
  );
}

/** What a close frame carries. */
export function closing(code, reason = "") {
  return Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
}

/** The frame at the beginning of these bytes, for `Wire.take`. A server does not mask. */
function parseFrame(bytes) {
  if (bytes.length < 2) return undefined;
  assert.equal(bytes[1] & 0x80, 0, "a server masks nothing");
  const short = bytes[1] & 0x7f;
  const head = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (bytes.length < head) return undefined;
  const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
  if (bytes.length < head + length) return undefined;
  const value = { opcode: bytes[0] & 0x0f, fin: bytes[0] >= 0x80, payload: bytes.subarray(head, head + length) };
  return { value, used: head + length };
}

export class RawWebSocket {
  constructor(wire) {
    this.wire = wire;
  }

  /** Asks for a websocket: `{ answer, socket }`, the latter if it is granted. */
  static async ask(port, target, headers = {}) {
    const wire = await Wire.to(port);
    await wire.write(request(target, { headers: Array.isArray(headers) ? headers : { ...HANDSHAKE, ...headers } }));
    const got = await wire.take(answer, `the answer to the websocket handshake ${target.slice(0, 200)}`);
    if (got.status === 101) return { answer: got, socket: new RawWebSocket(wire) };
    wire.close();
    return { answer: got };
  }

  /** A websocket that must be granted. */
  static async open(port, target, headers) {
    const { answer: got, socket } = await RawWebSocket.ask(port, target, headers);
    assert.equal(got.status, 101, String(got));
    assert.equal(got.headers.get("sec-websocket-accept"), ACCEPT);
    return socket;
  }

  /** Sends one whole frame. */
  send(opcode, payload, options) {
    return this.wire.write(frame(opcode, payload, options));
  }

  /** The next frame. */
  next(what = "a frame") {
    return this.wire.take(parseFrame, what);
  }

  /**
   * Waits until the connection is over. Gives the frames until then, and code and reason of the close frame, if there
   * was one; without a code in it, the code is 1005, as an API would tell.
   */
  async closed() {
    await this.wire.ended("the websocket to be closed");
    const frames = [];
    for (let next; (next = await this.#left()) !== undefined; ) frames.push(next);
    const last = frames.find(({ opcode }) => opcode === CLOSE);
    if (!last) return { frames };
    const { payload } = last;
    if (payload.length === 0) return { frames, code: 1005, reason: "" };
    const code = payload.readUInt16BE(0);
    assert.notEqual(code, 1005, "1005 is for programs and never sent");
    return { frames, code, reason: payload.subarray(2).toString() };
  }

  #left() {
    return this.wire.take((bytes) => parseFrame(bytes) ?? { value: undefined, used: bytes.length });
  }

  close() {
    this.wire.close();
  }
}
