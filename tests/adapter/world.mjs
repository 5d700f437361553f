// Servers on one bus and the clients on them, with the words that the stories need.
import assert from "node:assert/strict";
import { connect } from "../harness/client.mjs";
import { PATIENCE, until } from "../harness/deadline.mjs";
import { NAMESPACES, NodeEmitter, NodeServer } from "../harness/adapter-node.mjs";
import { OurServer } from "../harness/peer.mjs";

const KINDS = { ours: OurServer, node: NodeServer, emitter: NodeEmitter };
export const NOBODY = { nodes: [], others: 0 };
// long enough for a slow machine; nobody waits for it who is answered
export const ASK = 4000;
// for questions between servers that one of them does not answer
const REQUESTS = 2500;

let worlds = 0;
let markers = 0;
let rooms = 0;

/** `until` for what takes a moment only, of which there are thousands. */
const soon = (condition, what) => until(condition, what, PATIENCE, 3);

/** A room that no other test uses, with a name that is longer than any socket's id. */
export function freshRoom(label = "test") {
  rooms += 1;
  return `a fresh room: ${label}-${process.pid}-${rooms}`;
}

export class World {
  #clients = new Set();
  #members = new Map();

  /**
   * `servers` are kinds, the first of which makes the calls unless `caller` names the kind of another one; `seats` are
   * the numbers of the servers that clients are put on, in turn. What other worlds say in the same Redis is not heard.
   */
  static async start(redis, bus, { servers, caller, seats = servers.map((_, i) => i), ...options }) {
    worlds += 1;
    const world = Object.assign(new World(), { redis, bus, seats, servers: [] });
    const prefix = `world-${process.pid}-${worlds}`;
    world.options = { redis, prefix, requestsTimeout: REQUESTS, ...bus.options, ...options };
    try {
      world.servers = await startAll(servers, world.options);
      world.caller = world.servers[0];
      if (caller) {
        world.outsider = await KINDS[caller].start(world.options);
        world.caller = world.outsider;
      }
      await world.together();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  /** One more server, like the others, until `visit` has ended. */
  async visitedBy(kind, visit) {
    const server = await KINDS[kind].start(this.options);
    this.servers.push(server);
    try {
      await this.together();
      await visit(server);
    } finally {
      this.servers.splice(this.servers.indexOf(server), 1);
      await server.stop();
      // the next story is not to suffer from this one
      await this.together();
    }
  }

  /** Gives `story` the list of what goes over the channel of all sharded messages meanwhile, as bytes. */
  async overheard(nsp, story) {
    const client = await this.redis.client();
    try {
      const messages = [];
      await client.sSubscribe(`${this.prefix}#${nsp}#`, (message) => messages.push(message), true);
      await story(messages);
    } finally {
      await client.close();
      // who listens is counted as a server
      await this.together();
    }
  }

  get prefix() {
    return this.options.prefix;
  }

  get others() {
    return this.servers.filter((server) => server !== this.caller);
  }

  /** Waits until all servers, and no others, hear each other in all namespaces, and ours know the nodes of ours. */
  async together() {
    const count = this.servers.length;
    await Promise.all(this.servers.map((server) => server.ready()));
    for (const nsp of NAMESPACES) {
      const channel = `${this.prefix}${this.bus.sharded ? "" : "-request"}#${nsp}#`;
      const all = async () => (await this.redis.listeners(channel, this.bus)) === count;
      await soon(all, `${count} servers listen to ${channel}`);
    }
    const ours = this.servers.filter(({ kind }) => kind === "ours");
    const ids = ours.map(({ node }) => node).sort().join();
    for (const server of ours) {
      const known = async () => (await server.nodes()).map(({ id }) => id).sort().join() === ids;
      await soon(known, `${server.node} knows ${ids} and no others`);
    }
  }

  /** Three clients, each on the server whose turn it is. */
  async people(nsp = "/", options = {}) {
    const seats = [0, 1, 2].map((i) => this.servers[this.seats[i % this.seats.length]]);
    return Promise.all(seats.map((server) => this.client(server, { namespace: nsp, ...options })));
  }

  async client(server, { namespace = "/", ...options } = {}) {
    const client = this.keep(await connect(server.url, { namespace, ...options }), server);
    await this.reachable(client);
    return client;
  }

  /**
   * Waits until all servers would reach these clients by their ids. Ours need no channel for that among themselves, but
   * in dynamic mode a Node server does not know the ids of ours for what they are.
   */
  async reachable(...clients) {
    if (!this.bus.options.mode.endsWith("private") && !this.servers.some(({ kind }) => kind === "node")) return;
    for (const { nsp, id, server } of clients) await this.#heardOf(nsp, id, server);
  }

  /** A client that is closed with the others. */
  keep(client, server) {
    this.#clients.add(client);
    return Object.assign(client, { server, nsp: client.socket.nsp, since: markers });
  }

  /**
   * What a client has heard and the test has not taken. A story may end before the last of its markers has come through
   * a slow server, which then gives it to the clients of the next one: what is older than the client does not count.
   */
  #unread(client) {
    return client.unread.filter(([event, number]) => event !== "marker" || !(number <= client.since));
  }

  /** Makes these clients join a room or several, and waits until all servers would reach them there. */
  async join(rooms, ...clients) {
    const list = [rooms].flat();
    for (const { server, nsp, id } of clients) await server.join(nsp, id, list);
    for (const { server, nsp } of clients) for (const room of list) await this.#heardOf(nsp, room, server);
  }

  /** Modes with a channel for each room: a server hears of it a moment after its first member has joined. */
  async #heardOf(nsp, room, server) {
    const channel = this.channelOf(room, nsp);
    if (!channel) return;
    const servers = this.#members.get(channel) ?? new Set();
    this.#members.set(channel, servers.add(server));
    const heard = async () => (await this.redis.listeners(channel, { sharded: true })) >= servers.size;
    await soon(heard, `${servers.size} servers with members of ${room} listen to ${channel}`);
  }

  /** The channel that messages for just this room take, if it is not the one of all messages. */
  channelOf(room, nsp = "/") {
    return this.bus.separate?.(String(room)) ? `${this.prefix}#${nsp}#${room}#` : undefined;
  }

  /** Waits until no server listens to a channel of its own for a room any more. */
  async unheard(channel) {
    const none = async () => (await this.redis.listeners(channel, { sharded: true })) === 0;
    await soon(none, `nobody listens to ${channel}`);
    this.#members.delete(channel);
  }

  /** They hear it with these arguments, and have heard nothing else before. */
  async hear(clients, event, ...args) {
    for (const client of clients) {
      assert.deepEqual(await client.expect(event), args);
      assert.deepEqual(this.#unread(client), []);
    }
  }

  /**
   * These have heard nothing that the test has not taken. A marker takes the way of what was sent before: for a room with
   * a channel of its own first that one, where its members hear it, and then that of all messages.
   */
  async silence(clients, { room, members = [], nsp = "/" } = {}) {
    markers += 1;
    if (room !== undefined && members.length > 0) {
      await this.caller.emit({ nsp, to: [room] }, "marker", `${room} ${markers}`);
      for (const member of members) await member.expect("marker", (text) => text === `${room} ${markers}`);
    }
    await this.caller.emit({ nsp }, "marker", markers);
    for (const client of clients) await client.expect("marker", (number) => number === markers);
    for (const client of clients) {
      assert.deepEqual(this.#unread(client), [], `a client on a server of ${client.server.kind} heard what it should not`);
    }
  }

  /** Everybody hears every server, in a room as well, and all answer. */
  async talk(people) {
    const room = freshRoom("talk");
    await this.join(room, ...people);
    for (const [i, server] of this.servers.entries()) {
      await server.emit({}, "news", `of number ${i}`);
      await this.hear(people, "news", `of number ${i}`);
      await server.emit({ to: [room] }, "news", `of number ${i}, in a room`);
      await this.hear(people, "news", `of number ${i}, in a room`);
      const question = freshRoom("question");
      this.answering(people, question, (ack, n) => ack(n));
      const answer = await server.emitWithAck({ to: [room], flags: { timeout: ASK } }, question);
      assert.deepEqual(answer.replies.sort(), people.map((_, n) => n));
      assert.deepEqual([answer.complete, answer.missing], [true, NOBODY]);
      await this.hear(people, question);
    }
  }

  /** The clients answer this question, each with its own answer. */
  answering(clients, event, answer) {
    for (const [i, client] of clients.entries()) {
      client.socket.on(event, (...args) => answer(args.pop(), i, args));
    }
  }

  async roomsOf({ server, nsp, id }) {
    return (await server.rooms(nsp, id)).map(String);
  }

  /** Waits until a client is in exactly these rooms beside its own. */
  async inRooms(client, ...rooms) {
    const wanted = JSON.stringify([client.id, ...rooms].sort());
    const same = async () => {
      const now = await this.roomsOf(client);
      if (JSON.stringify([...now].sort()) !== wanted) throw new Error(`it is in ${now}`);
      return true;
    };
    await soon(same, `a client on a server of ${client.server.kind} is in ${wanted}`);
  }

  isLocal(client) {
    return client.server === this.caller;
  }

  /** Closes all clients and waits until the servers have noticed. */
  async clear() {
    for (const client of this.#clients) client.close();
    this.#clients.clear();
    this.#members.clear();
    const empty = async (server) => {
      const left = await Promise.all(NAMESPACES.map((nsp) => server.sockets(nsp)));
      return left.flat().length === 0;
    };
    for (const server of this.servers) {
      await soon(() => empty(server), `the clients of a server of ${server.kind} are gone`);
    }
  }

  /** Everything is stopped even if something of it fails. */
  async stop() {
    for (const client of this.#clients) client.close();
    const all = [...this.servers, ...(this.outsider ? [this.outsider] : [])];
    throwFirst(await Promise.allSettled(all.map((server) => server.stop())));
  }
}

async function startAll(kinds, options) {
  const started = await Promise.allSettled(kinds.map((kind) => KINDS[kind].start(options)));
  const servers = started.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
  if (servers.length < kinds.length) await Promise.allSettled(servers.map((server) => server.stop()));
  throwFirst(started);
  return servers;
}

function throwFirst(results) {
  const failed = results.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}
