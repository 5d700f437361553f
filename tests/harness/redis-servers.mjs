// Redis as the bus may find it: alone, as a cluster, watched by a sentinel, behind TLS. All on free ports of this
// machine, each server in a directory of its own.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient, createCluster } from "redis";
import { until, within } from "./deadline.mjs";
import { Child, removeDirectory, temporaryDirectory } from "./processes.mjs";
import { freePort } from "./scripts.mjs";

const run = promisify(execFile);
const quiet = (client) => client.on("error", () => {});

/** One server process, and a connection to ask it things. */
export class RedisServer {
  #admin;

  /** `args` are options of redis-server; a `port` that is not given is found. */
  static async start({ args = [], port, tls, password, config } = {}) {
    const server = new RedisServer();
    Object.assign(server, { dir: temporaryDirectory(), tls, password, sentinel: Boolean(config) });
    // somebody may take a free port before the server does
    for (let attempt = 1; ; attempt += 1) {
      server.port = port ?? (await freePort());
      try {
        await server.#start(args, config);
        return server;
      } catch (error) {
        await server.child?.kill();
        if (port || attempt === 3) {
          removeDirectory(server.dir);
          throw error;
        }
      }
    }
  }

  async #start(args, config) {
    const own = ["--bind", "127.0.0.1", "--dir", this.dir];
    own.push(...(this.tls ? ["--port", "0", "--tls-port", String(this.port)] : ["--port", String(this.port)]));
    if (config) {
      const file = join(this.dir, "sentinel.conf");
      writeFileSync(file, `${config}\n`);
      this.child = new Child("redis-server", [file, "--sentinel", ...own]);
      await this.child.says(/Sentinel ID is/);
    } else {
      if (this.password) own.push("--requirepass", this.password);
      this.child = new Child("redis-server", [...own, "--save", "", "--appendonly", "no", ...args]);
      await this.child.says(/Ready to accept connections/);
    }
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  get url() {
    return `${this.tls ? "rediss" : "redis"}://${this.password ? `:${this.password}@` : ""}${this.address}`;
  }

  /** Asks the server, as its administrator. */
  async command(...words) {
    this.#admin ??= quiet(createClient({ url: this.url, socket: this.tls && { tls: true, ...this.tls } })).connect();
    const answer = this.#admin.then((client) => client.sendCommand(words.map(String)));
    return within(answer, () => `${this.address} to answer ${words.join(" ")}`);
  }

  /** Ends it, with all its connections, and leaves its directory. */
  async kill() {
    await this.child.kill();
  }

  async stop() {
    (await this.#admin?.catch(() => {}))?.destroy();
    await this.child.kill();
    removeDirectory(this.dir);
  }
}

/** A Redis of one or more servers, as a bus needs it. */
class Redis {
  channels = [];

  constructor(url, servers, connect) {
    Object.assign(this, { url, servers, connect });
  }

  /** A connection of Node's client, by default not closed by us. */
  async client(options) {
    const client = quiet(this.connect(options));
    await within(client.connect(), `a connection to ${this.url}`);
    return client;
  }

  /** How many connections are subscribed to a channel; of the sharded ones if told so. */
  async listeners(channel, { sharded = false } = {}) {
    const subcommand = sharded ? "SHARDNUMSUB" : "NUMSUB";
    const alive = this.servers.filter((one) => !one.sentinel && one.child.alive);
    const numbers = await Promise.all(alive.map((one) => one.command("PUBSUB", subcommand, channel)));
    return numbers.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async stop() {
    await Promise.all(this.servers.map((one) => one.stop()));
  }
}

/** A single server; `options` as those of `RedisServer.start`. */
export async function standalone(options) {
  const server = await RedisServer.start(options);
  return new Redis(server.url, [server], (more) => createClient({ url: server.url, ...more }));
}

/** The files of an authority and of a certificate for this machine that it has signed. */
export async function certificate() {
  const dir = temporaryDirectory();
  const path = (name) => join(dir, name);
  const openssl = (...args) => run("openssl", args, { cwd: dir });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority");
  await openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=redis");
  writeFileSync(path("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
  await openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", ...signing);
  return { authority: path("ca.pem"), certificate: path("server.pem"), key: path("server.key") };
}

/** A server that speaks TLS only, with files as `certificate` gives them. */
export async function secured(files, { port } = {}) {
  const tls = { ca: readFileSync(files.authority) };
  const own = ["--tls-cert-file", files.certificate, "--tls-key-file", files.key];
  const args = [...own, "--tls-ca-cert-file", files.authority, "--tls-auth-clients", "no"];
  const server = await RedisServer.start({ args, port, tls });
  const redis = new Redis(server.url, [server], () => createClient({ url: server.url, socket: { tls: true, ...tls } }));
  return Object.assign(redis, { authority: files.authority });
}

const SLOTS = 16_384;
const FAILOVER = 20_000;
// a replica is not made to wait for others that might come
const AT_ONCE = ["--repl-diskless-sync-delay", "0"];

/**
 * A cluster; `channels` has one for each master. If it is not `whole`, its last master has no slots until `complete()` is
 * called.
 */
export async function cluster({ masters = 3, replicas = 0, whole = true, ports = [] } = {}) {
  const servers = await Promise.all(Array.from({ length: masters + replicas }, (_, i) => clusterServer(ports[i], replicas > 0 ? 1000 : 5000)));
  const redis = new Redis(
    `redis-cluster://${servers.map((one) => one.address).join(",")}`,
    servers,
    () => createCluster({ rootNodes: servers.map(({ url }) => ({ url })) }),
  );
  const share = (i) => [Math.floor((SLOTS * i) / masters), Math.floor((SLOTS * (i + 1)) / masters) - 1];
  const state = (wanted, links) =>
    Promise.all(servers.map((one) => until(() => settled(one, wanted, links), `${one.address} is ${wanted}`)));
  redis.masters = servers.slice(0, masters);
  redis.complete = async () => {
    await redis.masters.at(-1).command("CLUSTER", "ADDSLOTSRANGE", ...share(masters - 1));
    await state("ok", servers.length);
  };
  try {
    redis.channels = await Promise.all(redis.masters.map((_, i) => channelIn(servers[0], share(i))));
    for (const [i, one] of servers.entries()) {
      // two masters of the same epoch would first have to find out which of them gives way
      await one.command("CLUSTER", "SET-CONFIG-EPOCH", i + 1);
      if (i < masters - 1) await one.command("CLUSTER", "ADDSLOTSRANGE", ...share(i));
      if (i > 0) await servers[0].command("CLUSTER", "MEET", "127.0.0.1", one.port, one.busPort);
    }
    await state("fail", servers.length);
    for (const [i, replica] of servers.slice(masters).entries()) {
      await replica.command("CLUSTER", "REPLICATE", await redis.masters[i].command("CLUSTER", "MYID"));
    }
    if (whole) await redis.complete();
    // one that has nothing yet would not take over
    await Promise.all(servers.slice(masters).map(follows));
  } catch (error) {
    await redis.stop();
    throw error;
  }
  return redis;
}

// `patience`: how long a server may be silent before the others take it for dead. Where nobody could take over, one that
// is merely slow on a busy machine must not make the others look for another.
async function clusterServer(port, patience) {
  const busPort = await freePort();
  const timeout = ["--cluster-node-timeout", String(patience)];
  const args = ["--cluster-enabled", "yes", "--cluster-port", String(busPort), ...timeout, ...AT_ONCE];
  const server = await RedisServer.start({ args, port });
  server.busPort = busPort;
  return server;
}

/** A channel whose slot is one of these. */
async function channelIn(server, [first, last]) {
  for (let n = 0; ; n += 1) {
    const slot = await server.command("CLUSTER", "KEYSLOT", `channel-${n}`);
    if (slot >= first && slot <= last) return `channel-${n}`;
  }
}

/** Whether a server of a cluster has this state and a link to all. */
async function settled(server, wanted, links) {
  const info = await server.command("CLUSTER", "INFO");
  const nodes = (await server.command("CLUSTER", "NODES")).trim().split("\n");
  const linked = nodes.filter((line) => / connected( |$)/.test(line) && !/handshake|fail|noaddr/.test(line));
  return info.includes(`cluster_state:${wanted}`) && linked.length === links;
}

async function follows(replica) {
  const linked = async () => (await replica.command("INFO", "replication")).includes("master_link_status:up");
  await until(linked, `${replica.address} follows its master`, FAILOVER);
}

/** A master with a replica, and a sentinel that watches them under the name `mymaster`. */
export async function watched() {
  const servers = [];
  try {
    const master = await RedisServer.start({ args: AT_ONCE });
    servers.push(master);
    const replica = await RedisServer.start({ args: ["--replicaof", `127.0.0.1 ${master.port}`, ...AT_ONCE] });
    servers.push(replica);
    await follows(replica);
    const config = [
      `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
      "sentinel down-after-milliseconds mymaster 1000",
      "sentinel failover-timeout mymaster 5000",
    ].join("\n");
    const sentinel = await RedisServer.start({ config });
    servers.push(sentinel);
    // it demotes the old master after some of these periods, which are of seconds otherwise
    await sentinel.command("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 200, "INFO-PERIOD", 500);
    const known = async () => (await sentinel.command("SENTINEL", "REPLICAS", "mymaster")).length === 1;
    await until(known, "the sentinel knows the replica");

    const url = `redis-sentinel://${sentinel.address}#mymaster`;
    const redis = new Redis(url, servers, () => createClient({ url: master.url }));
    const asked = (...words) => sentinel.command("SENTINEL", ...words, "mymaster");
    const current = async () => Number((await asked("GET-MASTER-ADDR-BY-NAME"))[1]);
    const pair = [master, replica];
    return Object.assign(redis, {
      sentinel,
      masterNow: () => pair[0],
      /** Makes the replica the master, and the master a replica of it; gives the new master. */
      failOver: async () => {
        // the sentinel refuses until it has heard from the replica
        await until(async () => (await asked("FAILOVER")) === "OK", "the failover begins");
        await until(async () => (await current()) === pair[1].port, "the sentinel names the new master", FAILOVER);
        pair.reverse();
        await follows(pair[1]);
        return pair[0];
      },
    });
  } catch (error) {
    await Promise.all(servers.map((one) => one.stop()));
    throw error;
  }
}
