// Engine.IO sessions by hand, over both transports and in both versions of the protocol, and of Socket.IO what is
// needed to have something to talk about. Unlike a stock client they show every packet, and send any.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until, within } from "./deadline.mjs";
import { BINARY, PING, PONG, RawWebSocket, TEXT } from "./frames.mjs";
import { ask } from "./http.mjs";
import { Cut } from "./wire.mjs";

export const PATH = "/socket.io/";
export const SEPARATOR = "\u001e";

/** How packets are put into the body of a request: texts, and Buffers for binary. */
export const PAYLOADS = {
  4: {
    encode: (packets) => packets.map((one) => (Buffer.isBuffer(one) ? `b${one.toString("base64")}` : one)).join(SEPARATOR),
    decode: (text) => text.split(SEPARATOR).map((one) => (one[0] === "b" ? Buffer.from(one.slice(1), "base64") : one)),
  },
  3: {
    encode: (packets) =>
      packets
        .map((one) => (Buffer.isBuffer(one) ? `b4${one.toString("base64")}` : one))
        .map((one) => `${one.length}:${one}`)
        .join(""),
    decode(text) {
      const packets = [];
      for (let rest = text; rest !== ""; ) {
        const [, digits] = /^(\d+):/.exec(rest) ?? assert.fail(`no length: ${rest.slice(0, 50)}`);
        const begin = digits.length + 1;
        const packet = rest.slice(begin, begin + Number(digits));
        packets.push(packet.startsWith("b4") ? Buffer.from(packet.slice(2), "base64") : packet);
        rest = rest.slice(begin + Number(digits));
      }
      return packets;
    },
  },
};

const ERRORS = [
  "Transport unknown",
  "Session ID unknown",
  "Bad handshake method",
  "Bad request",
  "Forbidden",
  "Unsupported protocol version",
];

/** The answer is Engine.IO's refusal with this code. `other` is the message where it is not the usual one. */
export function assertRefused(code, answer, why = String(answer), other = undefined) {
  assert.equal(answer.status, code === 4 ? 403 : 400, `${why}: ${answer}`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/, why);
  const got = answer.json;
  assert.strictEqual(got.code, code, why);
  if (other) assert.match(got.message, other, why);
  else assert.equal(got.message, ERRORS[code], why);
}

/** The target of a request to the Engine.IO endpoint. */
export function endpoint(query, path = PATH) {
  return `${path}?${new URLSearchParams(query)}`;
}

class Session {
  #acks = 0;
  #pinged = false;
  /** What came while something else was awaited. */
  heard = [];

  /**
   * `pongs: false` makes a client that does not answer pings, and sees them; `b64` is of the older protocol: whether
   * binary comes as text.
   */
  constructor(node, { eio = 4, pongs = true, headers = {}, b64 = 1 } = {}) {
    Object.assign(this, { node, eio, headers, b64 });
    this.pongs = pongs && eio === 4;
  }

  /** The next packet: a text, or a Buffer. */
  async receive() {
    for (;;) {
      const packet = await this.next();
      if (!this.pongs || packet !== "2") return packet;
      this.#pinged = true;
      await this.send("3");
    }
  }

  /** The next packet that begins so; what comes before it is in `heard`. */
  async until(begin) {
    for (;;) {
      const packet = await within(this.receive(), () => `a packet ${begin}; came: ${this.heard.join(" | ")}`);
      if (typeof packet === "string" && packet.startsWith(begin)) return packet;
      this.heard.push(packet);
    }
  }

  /** Connects to a namespace; gives the socket's id. */
  async enter(namespace = "/chat", auth = "") {
    this.namespace = namespace;
    this.prefix = namespace === "/" ? "" : `${namespace},`;
    // a client of the older protocol is in `/` without asking for it
    if (this.eio === 4 || namespace !== "/") await this.send(`40${this.prefix}${auth}`);
    const packet = await this.until(`40${this.eio === 3 ? this.prefix.slice(0, -1) : this.prefix}`);
    return this.eio === 3 ? undefined : JSON.parse(packet.slice(2 + this.prefix.length)).sid;
  }

  /** Sends an event and gives its acknowledgement. */
  async call(...event) {
    const id = this.#acks;
    this.#acks += 1;
    const begin = `43${this.prefix}${id}[`;
    await this.send(`42${this.prefix}${id}${JSON.stringify(event)}`);
    const packet = await this.until(begin);
    return JSON.parse(packet.slice(begin.length - 1))[0];
  }

  /** Connects, and takes what comes by itself at the beginning: from now on nothing comes unasked for a while. */
  async arrive() {
    await this.enter("/chat");
    await this.ok("whoami");
    // the first ping comes at once, but not before everything else
    while (this.pongs && !this.#pinged) await this.ok("whoami");
  }

  /** An event that must be accepted. */
  async ok(...event) {
    const ack = await this.call(...event);
    assert.equal(ack.ok, true, `"${event[0]}" was refused: ${JSON.stringify(ack)}`);
    return ack;
  }
}

export class Polling extends Session {
  #queue = [];
  #pending;

  static async open(node, options = {}) {
    const session = new Polling(node, options);
    const answer = await ask(node.port, endpoint(session.#query()), { headers: session.headers });
    assert.equal(answer.status, 200, String(answer));
    const [packet] = PAYLOADS[session.eio].decode(answer.text);
    assert.equal(packet[0], "0", `the first packet is ${packet}`);
    session.opening = JSON.parse(packet.slice(1));
    session.sid = session.opening.sid;
    return session;
  }

  #query() {
    const { eio, b64, sid } = this;
    return { EIO: eio, transport: "polling", ...(eio === 3 && { b64 }), ...(sid && { sid }) };
  }

  get target() {
    return endpoint(this.#query());
  }

  /** The answer to a GET. */
  poll() {
    return ask(this.node.port, this.target, { headers: this.headers });
  }

  /** The answer to a POST of this body. */
  post(body, options) {
    return ask(this.node.port, this.target, { method: "POST", headers: this.headers, body, ...options });
  }

  async send(...packets) {
    const answer = await this.post(PAYLOADS[this.eio].encode(packets));
    assert.equal(`${answer.status} ${answer.text}`, "200 ok");
  }

  async next() {
    while (this.#queue.length === 0) {
      // one that was not awaited to its end is still under way, and a second at the same time would be an error
      this.#pending ??= this.poll();
      const answer = await this.#pending;
      this.#pending = undefined;
      assert.equal(answer.status, 200, String(answer));
      this.#queue.push(...PAYLOADS[this.eio].decode(answer.text));
    }
    return this.#queue.shift();
  }

  /** Resolves when the node does not know the session any more. */
  async gone() {
    await until(async () => {
      // carries nothing that would keep it alive
      const answer = await this.post("");
      return answer.status === 400 && answer.text.includes("Session ID unknown");
    }, "the polling session is unknown");
  }

  async close() {
    await this.post(PAYLOADS[this.eio].encode(["1"]));
  }
}

export class Websocket extends Session {
  static async open(node, options = {}) {
    const session = new Websocket(node, options);
    session.socket = await RawWebSocket.open(node.port, endpoint({ EIO: session.eio, transport: "websocket" }), options.headers);
    const packet = await session.next();
    assert.equal(packet[0], "0", `the first packet is ${packet}`);
    session.opening = JSON.parse(packet.slice(1));
    session.sid = session.opening.sid;
    return session;
  }

  /** Takes a polling session over, as a client does: nothing may be under way there. */
  static async upgrade(polling) {
    const session = new Websocket(polling.node, polling);
    const { prefix, namespace, sid } = polling;
    Object.assign(session, { prefix, namespace, sid });
    session.socket = await RawWebSocket.open(polling.node.port, session.target);
    await session.send("2probe");
    assert.equal(await session.next(), "3probe");
    await session.send("5");
    return session;
  }

  get target() {
    return endpoint({ EIO: this.eio, transport: "websocket", sid: this.sid });
  }

  async send(...packets) {
    for (const packet of packets) {
      if (!Buffer.isBuffer(packet)) await this.socket.send(TEXT, packet);
      else await this.socket.send(BINARY, this.eio === 3 ? Buffer.concat([Buffer.from([4]), packet]) : packet);
    }
  }

  async next() {
    for (;;) {
      const { opcode, payload } = await this.socket.next("a packet");
      if (opcode === TEXT) return payload.toString();
      if (opcode === BINARY) return this.eio === 3 ? payload.subarray(1) : payload;
      if (opcode === PING) await this.socket.send(PONG, payload);
      else assert.equal(opcode, PONG, `a frame of opcode ${opcode} came: ${payload}`);
    }
  }

  /**
   * Returns when the node has read all that was sent: it answers a ping, or has closed the connection. The texts that
   * came until then are in `heard`.
   */
  async settled() {
    await this.socket.send(PING, "settled");
    for (;;) {
      const next = await this.socket.next("the answer to a ping, or the end").catch((error) => {
        if (!(error instanceof Cut)) throw error;
      });
      if (!next || next.opcode === PONG) return;
      if (next.opcode === TEXT) this.heard.push(next.payload.toString());
    }
  }

  async gone() {
    await this.socket.closed();
  }

  async close() {
    this.socket.close();
  }
}

export const SESSIONS = { polling: Polling, websocket: Websocket };

/** A test for each transport. */
export function inBothTransports(title, story) {
  for (const [name, Kind] of Object.entries(SESSIONS)) test(`${title}, ${name}`, () => story(Kind));
}
