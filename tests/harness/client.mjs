// A stock Socket.IO client with the words that a test needs. Nothing here knows of the server's inside.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import ioV2 from "socket.io-client-v2";
import { pinning } from "./balancer.mjs";
import { PATIENCE, until, within } from "./deadline.mjs";
import { deferred, Inbox } from "./inbox.mjs";

/** The three ways a client may take, as every suite of clients/ runs them. */
export const TRANSPORTS = {
  websocket: ["websocket"],
  polling: ["polling"],
  upgrade: ["polling", "websocket"],
};

/** Begins to connect and does not wait for it. */
export function dial(url, { transport = "websocket", namespace = "/", pin, eio3 = false, ...options } = {}) {
  const extraHeaders = pin ? { cookie: pinning(pin) } : undefined;
  const stock = eio3 ? ioV2 : io;
  const socket = stock(url.replace(/\/$/, "") + namespace, {
    transports: TRANSPORTS[transport],
    forceNew: true,
    reconnection: false,
    extraHeaders,
    // the 2.x client reads its headers per transport
    ...(eio3 && pin && { transportOptions: { polling: { extraHeaders }, websocket: { extraHeaders } } }),
    ...options,
  });
  return new Client(socket, { transport, eio3 });
}

/**
 * Connects and waits until the transport is the one that was asked for: with "upgrade" the client has begun on
 * polling and is on websocket now.
 */
export async function connect(url, options) {
  const client = dial(url, options);
  try {
    await client.connected();
    await client.onTransport();
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

export class Client {
  #inbox = new Inbox();
  #opened = deferred();
  disconnects = [];

  constructor(socket, { transport, eio3 = false }) {
    this.socket = socket;
    this.transport = transport;
    this.eio3 = eio3;
    const recorded = socket.onevent;
    socket.onevent = (packet) => {
      const [event, ...args] = packet.data ?? [];
      this.#inbox.put(event, args);
      recorded.call(socket, packet);
    };
    socket.on("disconnect", (reason) => this.disconnects.push(reason));
    const engine = socket.io.engine;
    // an engine that is refused never opens; the manager then opens another one
    if (engine?.readyState === "opening") socket.io.once("open", () => this.#opened.resolve(socket.io.engine.transport.name));
    else this.#opened.resolve(engine?.transport?.name);
  }

  /** The id that the server knows; the 2.x client writes the namespace before it. */
  get id() {
    return this.socket.id?.replace(/^.*#/, "");
  }

  get connectedNow() {
    return this.socket.connected;
  }

  /** Resolves when the namespace is connected, fails with the server's reason when it is refused. */
  async connected() {
    if (this.socket.connected) return;
    const { promise, resolve, reject } = deferred();
    const failed = this.eio3 ? ["connect_error", "connect_timeout", "error"] : ["connect_error"];
    this.socket.once("connect", resolve);
    for (const name of failed) {
      this.socket.once(name, (error) => reject(error instanceof Error ? error : new Error(String(error))));
    }
    await within(promise, `the connection to ${this.socket.io.uri}`);
  }

  /** Holds the client to the transport it was told to use. */
  async onTransport() {
    const engine = this.socket.io.engine;
    const first = TRANSPORTS[this.transport][0];
    const last = TRANSPORTS[this.transport].at(-1);
    assert.equal(await within(this.#opened.promise, "the connection to open"), first, "the transport that the client began with");
    if (first === last) assert.equal(engine.transport.name, last, "the transport in use");
    else await until(() => engine.transport.name === last, `the connection is upgraded to ${last}`);
  }

  /** A second namespace over the same connection. */
  async also(namespace) {
    const other = new Client(this.socket.io.socket(namespace), this);
    await other.connected();
    return other;
  }

  /** Sends without asking for an answer. */
  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  /** Sends and waits for the ack. */
  async request(event, ...args) {
    const { promise, resolve } = deferred();
    this.socket.emit(event, ...args, resolve);
    return within(promise, () => `the ack of "${event}" (connected: ${this.socket.connected})`);
  }

  /** A request that must be accepted. */
  async ok(event, ...args) {
    const ack = await this.request(event, ...args);
    assert.equal(ack?.ok, true, `"${event}" was refused: ${JSON.stringify(ack)}`);
    return ack;
  }

  /** A request that must be refused with this code; the connection stays. */
  async refused(code, event, ...args) {
    const ack = await this.request(event, ...args);
    assert.deepEqual({ ok: ack?.ok, code: ack?.code }, { ok: false, code }, `the answer was ${JSON.stringify(ack)}`);
    assert.equal(typeof ack.message, "string");
    assert.notEqual(ack.message, "", "a refusal says what is wrong");
    assert.equal(this.socket.connected, true, "the connection stays");
    return ack;
  }

  join(room) {
    return this.ok("join", room);
  }

  leave(room) {
    return this.ok("leave", room);
  }

  whoami() {
    return this.ok("whoami");
  }

  /** The arguments of the next `event` that the predicate accepts. */
  expect(event, predicate) {
    return this.#inbox.take(event, predicate, `${this.socket.nsp} ${this.id}`);
  }

  /** A relayed text with its sender: what almost every test waits for. Gives the meta. */
  async hears(event, text) {
    const args = await this.expect(event, (first) => first === text);
    return args.at(-1);
  }

  get unread() {
    return this.#inbox.unread;
  }

  drain(event) {
    return this.#inbox.drain(event);
  }

  /** The reason of a disconnect that has come or will come. */
  async gone() {
    return until(() => this.disconnects.at(-1), `${this.id} is disconnected`, PATIENCE);
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}
