// One node, without Redis unless a test gives it one, for the tests of what stands between the TCP socket and Socket.IO. Without a balancer, unless
// ROOMCAST_TEST_THROUGH=haproxy puts one before it: the protocols are the same through it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { connect } from "./client.mjs";
import { until } from "./deadline.mjs";
import { SESSIONS } from "./engine.mjs";
import { freshRoom } from "./fence.mjs";
import { ask } from "./http.mjs";
import { Child, removeDirectory, temporaryDirectory } from "./processes.mjs";
import { BINARY, freePort, REPOSITORY } from "./scripts.mjs";
import { closeWires, Wire } from "./wire.mjs";

const MEGABYTE = 1024 * 1024;

/** The balancer in front of the node, if there is one. */
export const THROUGH = process.env.ROOMCAST_TEST_THROUGH;
if (THROUGH && THROUGH !== "haproxy") throw new Error(`ROOMCAST_TEST_THROUGH is haproxy, not "${THROUGH}"`);

export class LoneNode {
  #clients = new Set();

  /** `settings` are sections of the configuration: `{ server: { body_timeout_ms: 500 } }`. */
  async start(settings = {}) {
    this.directory = temporaryDirectory();
    [this.port, this.internalPort] = [await freePort(), await freePort()];
    const config = join(this.directory, "roomcast.toml");
    const server = { listen: `127.0.0.1:${this.port}`, ...settings.server };
    const node = { tag: "n001", ...settings.node };
    const place = `127.0.0.1:${this.internalPort}`;
    const internal = { listen: place, advertise: place, ...settings.internal };
    writeFileSync(config, toml({ ...settings, node, server, internal }));
    this.process = new Child(BINARY, ["serve", "--config", config]);
    const ready = async () => !this.process.alive || (await ask(this.internalPort, "/ready")).status === 200;
    await until(ready, `${BINARY} is ready`);
    this.#mustLive();
    if (THROUGH) await this.#behindBalancer();
  }

  /** From here on what is asked of the node goes through the balancer. */
  async #behindBalancer() {
    const [bind, node] = [await freePort(), this.port];
    const env = [`ROOMCAST_BIND=127.0.0.1:${bind}`, `ROOMCAST_NODE_1=127.0.0.1:${node}`];
    this.balancer = new Child("env", [...env, "haproxy", "-db", "-f", join(REPOSITORY, "deploy/haproxy/haproxy.cfg")]);
    this.port = bind;
    await until(async () => (await ask(bind, "/ready")).status === 200, () => `HAProxy leads to the node:\n${this.balancer.tail}`);
  }

  async stop() {
    this.closeClients();
    if (this.balancer?.alive) await this.balancer.kill();
    if (this.process?.alive) await this.process.kill();
    if (this.directory) removeDirectory(this.directory);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.process.pid;
  }

  /** A stock client. */
  async connect(options) {
    const client = await connect(this.url, { namespace: "/chat", ...options });
    this.#clients.add(client);
    return client;
  }

  closeClients() {
    for (const client of this.#clients) client.close();
    this.#clients.clear();
    closeWires();
  }

  /** A session by hand, Ann, and a stock client, Bob, who hears what comes of it: both in a room of /chat. */
  async couple(Kind = SESSIONS.websocket) {
    const [ann, bob] = [await Kind.open(this), await this.connect()];
    const room = freshRoom();
    await ann.arrive();
    await ann.ok("join", room);
    await bob.join(room);
    return { ann, bob, room };
  }

  /** A request by hand. */
  ask(target, options) {
    return ask(this.port, target, options);
  }

  /** A connection by hand. */
  wire() {
    return Wire.to(this.port);
  }

  /** The sum of the series of this metric that carry these labels; 0 while there is none. */
  async metric(name, labels = {}) {
    const { text } = await ask(this.internalPort, "/metrics");
    let sum = 0;
    for (const line of text.split("\n")) {
      const series = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (series?.[1] !== name) continue;
      if (Object.entries(labels).every(([key, value]) => series[2]?.includes(`${key}="${value}"`))) sum += Number(series[3]);
    }
    return sum;
  }

  sessions() {
    return this.metric("roomcast_sessions");
  }

  /** Resident memory, in bytes. */
  memory() {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))[1]) * 1024;
  }

  /** CPU time so far, in milliseconds; the kernel counts in steps of 10. */
  cpu() {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** The node runs, and serves newcomers by both transports. */
  async unharmed() {
    this.#mustLive();
    const room = freshRoom("unharmed");
    const people = [];
    for (const Kind of Object.values(SESSIONS)) {
      const person = await Kind.open(this);
      await person.enter("/chat");
      await person.ok("join", room);
      people.push(person);
    }
    for (const [at, speaker] of people.entries()) {
      await speaker.ok("message", room, "still here");
      await people[1 - at].until(`42/chat,["message","still here",`);
    }
    for (const person of people) await person.close();
    this.#mustLive();
  }

  /** What an attack has taken is given back; `before` is the memory from before it. */
  async givesBack(before) {
    const most = before * 1.2 + 8 * MEGABYTE;
    const mib = (bytes) => `${(bytes / MEGABYTE).toFixed(1)} MiB`;
    await until(() => {
      const now = this.memory();
      assert.ok(now <= most, `it has ${mib(now)}`);
      return true;
    }, `the node is back below ${mib(most)}; it had ${mib(before)}`);
  }

  #mustLive() {
    assert.ok(this.process.alive, `the node has died:\n${this.process.tail}`);
  }
}

/** A node for all tests of a file; what a test has opened is closed behind it. */
export function nodeForFile(settings) {
  const node = new LoneNode();
  before(() => node.start(settings));
  afterEach(() => node.closeClients());
  after(() => node.stop());
  return node;
}

function toml(sections) {
  // numbers, booleans, texts and lists of texts look the same in JSON
  const lines = (section) => Object.entries(section).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return Object.entries(sections).map(([name, section]) => [`[${name}]`, ...lines(section), ""].join("\n")).join("\n");
}
