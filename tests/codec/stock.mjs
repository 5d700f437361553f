// The stock adapter of one namespace, with a Redis that only keeps what is published, and one socket.
import { EventEmitter, once } from "node:events";
import { createAdapter } from "@socket.io/redis-adapter";
import { Encoder } from "socket.io-parser";

// The adapter's timeouts are not waited for at the end.
const { setTimeout } = globalThis;
globalThis.setTimeout = (...args) => setTimeout(...args).unref();

export class Redis extends EventEmitter {
  #published = [];

  psubscribe() {}
  subscribe() {}
  publish(channel, message) {
    this.#published.push(Buffer.from(message));
    this.emit("published");
  }

  /** The next message that is published. */
  async next() {
    while (this.#published.length === 0) await once(this, "published");
    return this.#published.shift();
  }
}

const SID = "0123456789abcdefghij";

export class Server {
  redis = new Redis();
  /** What was sent to the socket: lists of packets. */
  sent = [];

  constructor(namespace, { rooms = [], data = {} } = {}) {
    this.socket = {
      id: SID,
      acks: new Map(),
      handshake: { headers: {} },
      rooms: new Set([SID, ...rooms]),
      data,
      client: { writeToEngine: (packets) => this.sent.push(packets) },
    };
    const sockets = new Map([[SID, this.socket]]);
    this.nsp = { name: namespace, server: { encoder: new Encoder() }, sockets, _ids: 0 };
    this.adapter = createAdapter(this.redis, this.redis)(this.nsp);
    this.adapter.addAll(SID, this.socket.rooms);
    // this one, and one that is asked
    this.adapter.serverCount = async () => 2;
  }

  hearsBroadcast(message) {
    this.adapter.onmessage(null, this.adapter.channel, message);
  }

  hearsRequest(message) {
    this.adapter.onrequest(this.adapter.requestChannel, message);
  }

  hearsResponse(message) {
    this.adapter.onrequest(this.adapter.responseChannel, message);
  }
}
