// A Node Socket.IO server with the stock Redis adapter, and the stock emitter, with the methods of `OurServer`. They
// live in the process of the test.
import { once } from "node:events";
import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { Server } from "socket.io";
import { until } from "./deadline.mjs";

export const NAMESPACES = ["/", "/custom"];
const NOBODY = { nodes: [], others: 0 };

/** What a server and an emitter have in common. */
class NodeCaller {
  /** A namespace, narrowed to the target. */
  target({ nsp = "/", to = [], except = [], flags = {} } = {}) {
    let operator = this.of(nsp);
    if (to.length > 0) operator = operator.to(to);
    if (except.length > 0) operator = operator.except(except);
    if (flags.local) operator = operator.local;
    if (flags.volatile) operator = operator.volatile;
    if (flags.timeout) operator = operator.timeout(flags.timeout);
    return operator;
  }

  async emit(target, ...args) {
    this.target(target).emit(...args);
  }

  async socketsJoin(target, rooms) {
    this.target(target).socketsJoin(rooms);
  }

  async socketsLeave(target, rooms) {
    this.target(target).socketsLeave(rooms);
  }

  async disconnectSockets(target, close = false) {
    this.target(target).disconnectSockets(close);
  }

  async serverSideEmit(nsp, ...args) {
    this.of(nsp).serverSideEmit(...args);
  }
}

export class NodeServer extends NodeCaller {
  kind = "node";
  #heard = new Map();

  static async start({ redis, mode = "classic", prefix = "socket.io", requestsTimeout, specificResponses }) {
    const server = new NodeServer();
    const [pub, sub] = (server.clients = await Promise.all([redis.client(), redis.client()]));
    await hold(sub, redis.channels);
    const publishOnSpecificResponseChannel = specificResponses;
    const adapter =
      mode === "classic"
        ? createAdapter(pub, sub, { key: prefix, requestsTimeout, publishOnSpecificResponseChannel })
        : createShardedAdapter(pub, sub, { channelPrefix: prefix, subscriptionMode: mode.slice("sharded-".length) });
    const http = createServer();
    server.io = new Server(http, { adapter });
    for (const nsp of NAMESPACES) server.io.of(nsp).on("connection", echo);
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    server.url = `http://127.0.0.1:${http.address().port}`;
    // the adapters do not wait for their subscriptions
    server.ready = async () => {
      for (const nsp of NAMESPACES) {
        const { specificResponseChannel, responseChannel } = server.io.of(nsp).adapter;
        const [own, sharded] = mode === "classic" ? [specificResponseChannel, false] : [responseChannel, true];
        await until(async () => (await redis.listeners(own, { sharded })) === 1, `a Node server listens to ${own}`);
      }
    };
    return server;
  }

  of(nsp) {
    return this.io.of(nsp);
  }

  #adapter(nsp = "/") {
    return this.of(nsp).adapter;
  }

  async emitWithAck(target, ...args) {
    return answered(this.target(target).emitWithAck(...args));
  }

  async askOne({ nsp, id, timeout }, ...args) {
    const [remote] = await this.target({ nsp, to: [id] }).fetchSockets();
    return remote.timeout(timeout).emitWithAck(...args);
  }

  async fetchSockets(target) {
    const sockets = await this.target(target).fetchSockets();
    return {
      sockets: sockets.map(({ id, handshake, rooms, data }) => ({ id, handshake, rooms: [...rooms], data })),
      missing: NOBODY,
    };
  }

  async serverSideEmitWithAck(nsp, ...args) {
    return answered(this.of(nsp).serverSideEmitWithAck(...args));
  }

  async onServerSideEmit(nsp, event, options = {}) {
    const calls = [];
    this.#heard.set(`${nsp} ${event}`, calls);
    this.of(nsp).on(event, (...args) => {
      const answer = typeof args.at(-1) === "function" ? args.pop() : undefined;
      calls.push(args);
      if ("reply" in options) answer?.(options.reply);
    });
  }

  async heard(nsp, event) {
    return this.#heard.get(`${nsp} ${event}`);
  }

  /** Of the classic adapter; the sharded one has no such call. */
  async allRooms(nsp) {
    return { rooms: [...(await this.#adapter(nsp).allRooms())], missing: NOBODY };
  }

  async serverCount(nsp) {
    return this.#adapter(nsp).serverCount();
  }

  async sockets(nsp) {
    return [...this.of(nsp).sockets.keys()];
  }

  async rooms(nsp, sid) {
    return [...(this.of(nsp).sockets.get(sid)?.rooms ?? [])];
  }

  async join(nsp, sid, rooms) {
    this.of(nsp).sockets.get(sid).join(rooms);
  }

  async leave(nsp, sid, rooms) {
    for (const room of rooms) this.of(nsp).sockets.get(sid).leave(room);
  }

  async setData(nsp, sid, data) {
    this.of(nsp).sockets.get(sid).data = data;
  }

  async pending() {
    const adapters = NAMESPACES.map((nsp) => this.#adapter(nsp));
    return adapters.reduce((sum, { requests, ackRequests }) => sum + requests.size + ackRequests.size, 0);
  }

  /** Leaves the bus, and unlike ours stops serving as well. */
  async close() {
    await this.io.close();
  }

  async stop() {
    await this.io.close();
    // what the adapters still have to say is said
    for (const client of this.clients) await client.close();
  }
}

/** The stock emitter: it can tell and not ask. */
export class NodeEmitter extends NodeCaller {
  kind = "emitter";

  static async start({ redis, prefix = "socket.io" }) {
    const emitter = new NodeEmitter();
    emitter.client = await redis.client();
    emitter.stock = new Emitter(emitter.client, { key: prefix });
    return emitter;
  }

  async ready() {}

  of(nsp) {
    return this.stock.of(nsp);
  }

  async stop() {
    await this.client.close();
  }
}

/**
 * Node's client of a cluster closes a connection when its last subscription ends, and fails if two of them end at the
 * same time, as those of an adapter do. One more that never ends keeps the connection to each master open.
 */
async function hold(client, channels) {
  if (channels.length > 0) await client.subscribe(channels[0], () => {});
  for (const channel of channels) await client.sSubscribe(channel, () => {});
}

/** What was answered, in the form of ours; Node fails where we give what there is. */
async function answered(promise) {
  try {
    return { replies: await promise, complete: true, missing: NOBODY };
  } catch (error) {
    return { replies: error.responses, complete: false, error: error.message };
  }
}

function echo(socket) {
  socket.on("echo", (...args) => args.pop()(...args));
}
