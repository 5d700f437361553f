// One cluster of real processes: the balancer, the nodes and Redis, started by deploy/local/up on free ports.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { haproxyForTests } from "./balancer.mjs";
import { connect } from "./client.mjs";
import { deferred } from "./inbox.mjs";
import { freePort, Place, REPOSITORY } from "./scripts.mjs";

const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => process.exit(1));
}
// also when a test crashed the process: nothing of ours may be left behind
process.on("exit", () => {
  for (const cluster of running) cluster.place.clear();
});

export class Cluster {
  #clients = new Set();
  #companions = [];
  #started = deferred();

  /** Resolves when the cluster runs. Hooks of a file are all started together, so what needs the cluster awaits this. */
  ready = this.#started.promise;

  /** A running cluster; the caller stops it. */
  static async start(options) {
    const cluster = new Cluster();
    await cluster.start(options);
    return cluster;
  }

  async start(options) {
    try {
      await this.#up(options);
      this.#started.resolve();
    } catch (error) {
      // who awaits it fails as well; that nobody does is no second failure
      this.ready.catch(() => {});
      this.#started.reject(error);
      throw error;
    }
  }

  /** `env` is for the nodes, `balancer` one of those of balancer.mjs; with `product` the balancer has the product's configuration as it is, and cannot be told. */
  async #up({ nodes = 3, config, env = {}, product = false, balancer } = {}) {
    this.place = new Place();
    running.add(this);
    Object.assign(this.place.env, env);
    if (!product) {
      this.place.env.ROOMCAST_HAPROXY_CFG = join(this.place.dir, "haproxy.cfg");
      writeFileSync(this.place.env.ROOMCAST_HAPROXY_CFG, haproxyForTests(join(REPOSITORY, "deploy/haproxy/haproxy.cfg"), balancer));
    }
    const options = ["--nodes", String(nodes), "--port", String(await freePort()), "--detach"];
    if (config) options.push("--config", config);
    const { code, output } = await this.place.run("up", ...options);
    assert.equal(code, 0, `up ${options.join(" ")} ended with ${code}:\n${output}`);
    Object.assign(this, await this.place.status());
    this.names = this.nodes.map((node) => node.name);
  }

  /** Something that lives with the cluster and is closed before it. */
  accompaniedBy(close) {
    this.#companions.push(close);
  }

  async stop() {
    this.closeClients();
    try {
      for (const close of this.#companions.reverse()) await close();
      // not by clear() alone, which blocks: what clients say at their end must get out, or nodes wait for them
      await this.place?.run("down");
    } finally {
      running.delete(this);
      this.place?.clear();
    }
  }

  node(name) {
    const node = this.nodes.find((one) => one.name === name);
    assert.ok(node, `there is no ${name} in ${this.names}`);
    return node;
  }

  /**
   * A connected client: `node` lets the balancer lead it to this node (see balancer.mjs), `direct` goes round the
   * balancer to that node, and with neither the balancer chooses.
   */
  async connect({ node, direct, ...options } = {}) {
    const url = direct ? this.node(direct).url : this.balancer;
    return this.keep(await connect(url, { pin: node, ...options }));
  }

  /** A client that is closed with the others. */
  keep(client) {
    this.#clients.add(client);
    return client;
  }

  closeClients() {
    for (const client of this.#clients) client.close();
    this.#clients.clear();
  }

  /** One of the node's own HTTP resources; with `{ internal: true }` of those for operators. */
  async get(name, path, { internal = false } = {}) {
    const { url, admin_url } = this.node(name);
    const response = await fetch(new URL(path, internal ? admin_url : url));
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined;
    return { status: response.status, text, json };
  }

  /** The sum of a node's series of this metric that carry these labels; 0 while there is none. */
  async metric(name, metric, labels = {}) {
    const { text } = await this.get(name, "/metrics", { internal: true });
    let sum = 0;
    for (const line of text.split("\n")) {
      const series = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (series?.[1] !== metric) continue;
      const wanted = Object.entries(labels).every(([key, value]) => series[2]?.includes(`${key}="${value}"`));
      if (wanted) sum += Number(series[3]);
    }
    return sum;
  }
}

/** A cluster for all tests of a file; each test's clients are closed behind it. */
export function clusterForFile(options) {
  const cluster = new Cluster();
  before(() => cluster.start(options));
  afterEach(() => cluster.closeClients());
  after(() => cluster.stop());
  return cluster;
}
