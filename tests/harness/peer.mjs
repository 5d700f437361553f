// A server of ours: a plain socketioxide server with the adapter, told by its standard input what to do.
// `OurServer` and `NodeServer` have the same methods, so that a story need not know whom it is told to.
import { join } from "node:path";
import { until, within } from "./deadline.mjs";
import { deferred } from "./inbox.mjs";
import { Child } from "./processes.mjs";
import { REPOSITORY } from "./scripts.mjs";

const BINARY = process.env.ROOMCAST_PEER_BIN ?? join(REPOSITORY, "target/release/examples/peer");
const ANSWER = 15_000;

export class OurServer {
  #waiting = new Map();
  #requests = 0;
  #listening = deferred();
  kind = "ours";

  /**
   * `redis` has a `url` and, for TLS, an `authority`; the other options are those of the peer. Resolves when it takes
   * connections, which does not wait for Redis.
   */
  static async start({ redis, mode, prefix, requestsTimeout, specificResponses, outbox } = {}) {
    const server = new OurServer();
    const options = { redis: redis?.url ?? null, mode, prefix, requestsTimeout, specificResponses, outbox };
    await server.#start({ ...options, tlsCa: redis?.authority });
    return server;
  }

  async #start(options) {
    this.child = new Child(BINARY, [JSON.stringify(options)], { onLine: (line) => this.#read(line) });
    const ended = this.child.exited.then(() => {
      const error = new Error(`the peer ended:\n${this.child.tail}`);
      this.#listening.reject(error);
      for (const { reject } of this.#waiting.values()) reject(error);
    });
    ended.catch(() => {});
    try {
      const { port, node } = await within(this.#listening.promise, () => `the peer to listen:\n${this.child.tail}`);
      Object.assign(this, { url: `http://127.0.0.1:${port}`, node });
    } catch (error) {
      await this.child.kill();
      throw error;
    }
  }

  #read(line) {
    const message = JSON.parse(line);
    if (message.event === "listening") return this.#listening.resolve(message);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new Error(`${waiting.op}: ${message.error}`));
    else waiting?.resolve(revive(message.result));
  }

  async #ask(op, fields) {
    const { promise, resolve, reject } = deferred();
    this.#requests += 1;
    const id = this.#requests;
    this.#waiting.set(id, { op, resolve, reject });
    this.child.write(JSON.stringify({ id, op, ...plain(fields) }));
    try {
      return await within(promise, () => `the peer's answer to "${op}":\n${this.child.tail}`, ANSWER);
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Resolves when it is connected to the bus. */
  async ready() {
    await until(async () => (await this.status()).state === "connected", "the peer is connected to the bus");
  }

  emit(target, ...args) {
    return this.#ask("emit", { ...target, args });
  }

  emitWithAck(target, ...args) {
    return this.#ask("emitWithAck", { ...target, args });
  }

  /** Asks one client, and fails as Node does when it does not answer. */
  async askOne({ nsp, id, timeout }, ...args) {
    const answer = await this.emitWithAck({ nsp, to: [id], flags: { timeout } }, ...args);
    if (!answer.complete) throw new Error("operation has timed out");
    return answer.replies[0];
  }

  fetchSockets(target) {
    return this.#ask("fetchSockets", target);
  }

  socketsJoin(target, rooms) {
    return this.#ask("socketsJoin", { ...target, rooms });
  }

  socketsLeave(target, rooms) {
    return this.#ask("socketsLeave", { ...target, rooms });
  }

  disconnectSockets(target, close = false) {
    return this.#ask("disconnectSockets", { ...target, close });
  }

  serverSideEmit(nsp, ...args) {
    return this.#ask("serverSideEmit", { nsp, args });
  }

  serverSideEmitWithAck(nsp, ...args) {
    return this.#ask("serverSideEmitWithAck", { nsp, args });
  }

  /** With a `reply` the handler answers with it when it is asked to, without one it never answers. */
  onServerSideEmit(nsp, event, options = {}) {
    return this.#ask("onServerSideEmit", { nsp, event, ...options });
  }

  heard(nsp, event) {
    return this.#ask("heard", { nsp, event });
  }

  allRooms(nsp) {
    return this.#ask("allRooms", { nsp });
  }

  serverCount(nsp) {
    return this.#ask("serverCount", { nsp });
  }

  sockets(nsp) {
    return this.#ask("sockets", { nsp });
  }

  rooms(nsp, sid) {
    return this.#ask("rooms", { nsp, sid });
  }

  join(nsp, sid, rooms) {
    return this.#ask("join", { nsp, sid, rooms: rooms.map(String) });
  }

  leave(nsp, sid, rooms) {
    return this.#ask("leave", { nsp, sid, rooms: rooms.map(String) });
  }

  setData(nsp, sid, data) {
    return this.#ask("setData", { nsp, sid, data });
  }

  nodes() {
    return this.#ask("nodes");
  }

  status() {
    return this.#ask("status");
  }

  counters() {
    return this.#ask("counters");
  }

  /** How many requests it waits for. */
  async pending() {
    return (await this.counters()).pending;
  }

  /** Leaves the bus; the process lives on. */
  close() {
    return this.#ask("close");
  }

  /** Stops the process in its tracks, with all its connections open; the function that it gives lets it go on. */
  stall() {
    this.child.signal("SIGSTOP");
    return () => this.child.signal("SIGCONT");
  }

  kill() {
    return this.child.kill();
  }

  stop() {
    return this.child.finish();
  }
}

/** With Buffers written as the peer reads them. */
function plain(value) {
  if (Buffer.isBuffer(value)) return { $bin: value.toString("base64") };
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bin === "string") return Buffer.from(value.$bin, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one)]));
}
