// Servers that talk without a pause, in rooms, and what of it arrives at the others.
import { setTimeout as pause } from "node:timers/promises";
import { World } from "../adapter/world.mjs";
import { until } from "../harness/deadline.mjs";
import { Stream } from "./stream.mjs";

const PACE = 2;
const RECOVERY = 20_000;
// what is published together, so as many may always wait
const BATCH = 256;

let talks = 0;

/** The listeners at one server: one client in each room, as one for all would have too much to take in after an outage. */
class Hearer {
  static async join(world, server, rooms) {
    const hearer = Object.assign(new Hearer(), { server, clients: new Map() });
    for (const room of rooms) {
      const client = await world.client(server);
      hearer.clients.set(room, client);
      await world.join(room, client);
    }
    return hearer;
  }

  get label() {
    return `hearer at ${this.server.label}`;
  }

  get disconnects() {
    return [...this.clients.values()].flatMap(({ disconnects }) => disconnects);
  }

  /** How much its server could not give to the clients, whose queues were full. */
  async overrun() {
    return this.server.kind === "ours" ? (await this.server.counters()).dropped.client_queue : 0;
  }
}

export class Traffic {
  #talking = true;
  #loops = new Map();
  #silent = new Set();
  logs = [];

  /** Servers that talk in rooms until they are told to stop; those that `listening` does not choose have no members. */
  static async begin(t, world, { rooms, listening = () => true } = {}) {
    talks += 1;
    const traffic = new Traffic();
    const names = rooms ?? Array.from({ length: 6 }, (_, i) => `talk-${talks}-${i}`);
    Object.assign(traffic, { world, rooms: names, began: performance.now() });
    for (const [i, server] of world.servers.entries()) {
      server.label = `${server.kind}-${i}`;
      server.child?.process.stderr.on("data", (text) => traffic.#log(server, text));
    }
    const seats = world.servers.filter(listening);
    traffic.hearers = await Promise.all(seats.map((server) => Hearer.join(world, server, names)));
    traffic.streams = world.servers.flatMap((sender) => names.map((room) => new Stream(sender, room, traffic.hearers)));
    for (const hearer of traffic.hearers) traffic.#listen(hearer);
    t.after(() => traffic.stop());
    for (const sender of world.servers) {
      const loop = traffic.#talk(sender);
      // why it failed is said by who waits for it
      loop.catch(() => {});
      traffic.#loops.set(sender, loop);
    }
    await traffic.heardBy((stream, hearer) => stream.heardBy(hearer).length >= 10, "they talk");
    return traffic;
  }

  #log(server, text) {
    // without the colours
    const lines = String(text).replace(/\x1b\[[0-9;]*m/g, "").trimEnd().split("\n");
    this.logs.push(...lines.map((line) => `${server.label} ${line}`));
  }

  #listen(hearer) {
    for (const client of hearer.clients.values()) {
      client.socket.on("count", (index, n) => this.streams[index].hear(hearer, n));
    }
  }

  /** Who hears what over the bus. */
  get pairs() {
    const over = (hearer) => this.streams.filter(({ sender }) => sender !== hearer.server);
    return this.hearers.flatMap((hearer) => over(hearer).map((stream) => [stream, hearer]));
  }

  get ours() {
    return this.world.servers.filter(({ kind }) => kind === "ours");
  }

  async #talk(sender) {
    const own = this.streams.filter((stream) => stream.sender === sender);
    let next = performance.now();
    for (let turn = 0; this.#talking && !this.#silent.has(sender); turn += 1) {
      const stream = own[turn % own.length];
      const n = stream.ask();
      // one after the other: a server takes what it is told at the same time in any order
      await sender.emit({ to: [stream.room] }, "count", this.streams.indexOf(stream), n);
      stream.accept();
      // one that was held up does not make up for it
      next = Math.max(next + PACE, performance.now() - 10 * PACE);
      await pause(next - performance.now());
    }
  }

  /** Waits until every hearer has heard enough of all others. */
  async heardBy(enough, what, ms = RECOVERY) {
    const all = () => {
      const missing = this.pairs.find(([stream, hearer]) => !enough(stream, hearer));
      if (missing) throw new Error(`not ${missing[0].name} by the ${missing[1].label}`);
      return true;
    };
    await until(all, `${what} (${this.world.bus.title})`, ms).catch((error) => {
      throw new Error(`${error.message}\n${this.evidence()}`);
    });
  }

  /** Waits until everybody has heard everybody else since a moment; gives how long after it that was. */
  async togetherAgain(since) {
    const first = (stream, hearer) => stream.heardBy(hearer).find(({ at }) => at > since)?.at;
    await this.heardBy(first, "all hear each other again");
    return Math.round(Math.max(...this.pairs.map((pair) => first(...pair))) - since);
  }

  /** Waits until each server has said so much more. */
  async more(count) {
    const talkers = this.world.servers.filter((server) => !this.#silent.has(server));
    const goals = talkers.map((server) => this.said(server) + count);
    const all = () => talkers.every((server, i) => this.said(server) >= goals[i]);
    await until(all, `${count} more are said`, RECOVERY);
  }

  /** How much a server has said, or all. */
  said(server) {
    const own = this.streams.filter(({ sender }) => server === undefined || sender === server);
    return own.reduce((sum, { length }) => sum + length, 0);
  }

  /** Kills a server that talks, when it has said what it has to say. */
  async kill(server) {
    this.#silent.add(server);
    await this.#loops.get(server);
    await until(async () => (await server.counters()).outboxMessages === 0, `all of ${server.label} is published`);
    this.hearers = this.hearers.filter((hearer) => hearer.server !== server);
    await server.kill();
  }

  async stop() {
    this.#talking = false;
    await Promise.allSettled(this.#loops.values());
  }

  /** Talks on until the outboxes are as empty as they ever are, then stops, and waits until the last words are heard. */
  async end() {
    for (const server of this.ours.filter((one) => !this.#silent.has(one))) {
      const left = async () => (await server.counters()).outboxMessages <= BATCH;
      await until(left, `${server.label} has caught up`, RECOVERY);
    }
    await this.more(100);
    this.#talking = false;
    await Promise.all(this.#loops.values());
    await this.heardBy((stream, hearer) => stream.heardLast(hearer), "the last one is heard");
  }

  /**
   * What is wrong if everything that was accepted has to arrive once and in order at every hearer, but for what may be
   * lost and doubled: times of acceptance, as `allowed` gives them for a stream and a hearer. What a server of ours says
   * that it could not give to its clients has arrived.
   */
  async verify(allowed = () => ({}), moments = {}) {
    const wrong = [];
    const sums = { said: this.said(), lost: 0, doubled: 0, lostOfNode: 0, overrun: 0 };
    for (const hearer of this.hearers) {
      const overrun = await hearer.overrun();
      sums.overrun += overrun;
      let unexplained = 0;
      const losses = [];
      for (const stream of this.streams) {
        const local = stream.sender === hearer.server;
        const { lost, doubled, overtaken } = stream.outcome(hearer);
        const { lost: mayLose, doubled: mayDouble } = local ? {} : allowed(stream, hearer);
        sums[stream.sender.kind === "node" ? "lostOfNode" : "lost"] += lost.length;
        sums.doubled += doubled.length;
        const missing = lost.filter((n) => !stream.isWithin(n, mayLose));
        unexplained += missing.length;
        if (missing.length > 0) losses.push(["lost", stream, missing]);
        const twice = doubled.filter((n) => !stream.isWithin(n, mayDouble));
        if (twice.length > 0) wrong.push(["doubled", stream, twice, hearer]);
        if (overtaken.length > 0) wrong.push(["overtaken", stream, overtaken, hearer]);
      }
      if (unexplained > overrun) wrong.push(...losses.map((loss) => [...loss, hearer]));
    }
    if (wrong.length > 0) {
      const line = ([what, stream, numbers, hearer]) =>
        `${what} for the ${hearer.label}: ${numbers.length} of ${stream.name}: ${stream.ranges(numbers, this.began)}`;
      throw new Error(`${this.world.bus.title}: ${JSON.stringify(sums)}\n${wrong.map(line).join("\n")}\n${this.evidence(moments)}`);
    }
    return sums;
  }

  /** When things happened, and what the servers have to say about it. */
  evidence(moments = {}) {
    const clock = `0 ms is ${new Date(performance.timeOrigin + this.began).toISOString()}`;
    const happened = Object.entries(moments).map(([what, at]) => `${Math.round(at - this.began)} ms ${what}`);
    return [clock, ...happened, ...this.logs.slice(-60)].join("\n");
  }
}

/** Traffic on one Redis for each of these buses, at the same time. */
export async function talking(t, redis, buses, { servers, prepare, setup, ...options }) {
  return Promise.all(
    buses.map(async (bus) => {
      const world = await World.start(redis, bus, { servers, ...setup });
      t.after(() => stop(world));
      const more = await prepare?.(world);
      return Traffic.begin(t, world, { ...options, ...more });
    }),
  );
}

export async function stop(world) {
  for (const server of world.servers.filter(({ kind }) => kind === "node")) {
    // without a Redis Node's client would wait for one to say the rest to
    for (const client of server.clients.filter(({ isReady }) => !isReady)) client.destroy();
    server.clients = server.clients.filter(({ isReady }) => isReady);
  }
  await world.stop();
}
