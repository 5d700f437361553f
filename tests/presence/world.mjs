// Three nodes with presence, users with tokens, and what a client believes of a room by what it is told.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { until, within } from "../harness/deadline.mjs";
import { deferred } from "../harness/inbox.mjs";
import { removeDirectory, temporaryDirectory } from "../harness/processes.mjs";
import { byTokens, claims, hs256 } from "../harness/tokens.mjs";

const SECRET = "a secret of the tests, which nobody else has";
export const MAX_LISTED = 6;
export const LINGER = 2000;

const CONFIG = `
[[namespaces]]
path = "/team"
rooms = ["room:*", "plain:*"]
auto_join = ["room:of-{team}"]
[namespaces.presence]
rooms = ["room:*"]
max_listed = ${MAX_LISTED}
info_claims = ["name", "org.title"]
${byTokens(SECRET)}
[[namespaces.events]]
name = "message"

[[namespaces]]
path = "/open"
rooms = ["room:*"]
[namespaces.presence]
rooms = ["room:*"]

[[namespaces]]
path = "/"
rooms = ["room:*"]
`;

/** A configuration file, gone with the file of tests. */
export function configFile() {
  const directory = temporaryDirectory();
  after(() => removeDirectory(directory));
  const config = join(directory, "roomcast.toml");
  writeFileSync(config, CONFIG);
  return config;
}

/** A cluster for all tests of a file. */
export function presenceForFile(options) {
  const cluster = new Cluster();
  const config = configFile();
  before(() => cluster.start({ config, ...options }));
  afterEach(() => cluster.closeClients());
  after(() => cluster.stop());
  return cluster;
}

/** A client of this user. */
export function enter(cluster, user, { claims: more, ...options } = {}) {
  return cluster.connect({ namespace: "/team", auth: { token: hs256(SECRET, claims(user, more)) }, ...options });
}

const nameOf = (member) => member.user ?? member.id;

/**
 * A client in a room, and who is there by what it was told. What it is told must make sense: nobody comes who is there,
 * and nobody goes who is not.
 */
export class Watch {
  log = [];
  wrong = [];

  constructor(client, room) {
    this.client = client;
    this.room = room;
    client.socket.on("presence", (news) => {
      if (news.room === room) this.#hear(news);
    });
  }

  /** Joins, and begins with the snapshot of the answer. */
  static async join(client, room) {
    const watch = new Watch(client, room);
    await watch.rejoin();
    return watch;
  }

  /** Joins, and begins anew. */
  async rejoin() {
    const { promise, resolve } = deferred();
    this.client.emit("join", this.room, (ack) => {
      // at once: after an await what follows may have been heard already
      if (ack.ok) this.begin(ack.presence);
      resolve(ack);
    });
    const ack = await within(promise, `the ack of "join" at ${this.client.id}`);
    assert.equal(ack.ok, true, JSON.stringify(ack));
  }

  /** What was heard before a snapshot is in it. */
  begin({ count, members }) {
    this.log = [];
    this.members = members && new Map(members.map((member) => [nameOf(member), member]));
    this.count = count;
    if (members && count !== members.length) this.wrong.push(`${count} are counted of ${members.length}`);
  }

  #hear(news) {
    this.log.push(news);
    this.count = news.count;
    if (news.members) this.members = new Map(news.members.map((member) => [nameOf(member), member]));
    else if (!news.joined) this.members = undefined;
    else if (this.members) {
      for (const member of news.joined) {
        if (this.members.has(nameOf(member))) this.wrong.push(`${nameOf(member)} has come again`);
        this.members.set(nameOf(member), member);
      }
      for (const member of news.left) {
        if (!this.members.delete(nameOf(member))) this.wrong.push(`${nameOf(member)} has gone again`);
      }
    }
    if (this.members && this.members.size !== news.count) this.wrong.push(`${news.count} are counted of ${this.names}`);
  }

  get names() {
    return this.members && [...this.members.keys()].sort().join(" ");
  }

  /** All who were told to have come (+) and gone (-), in order. */
  get told() {
    return this.log.flatMap(({ joined = [], left = [] }) => [...joined.map((one) => `+${nameOf(one)}`), ...left.map((one) => `-${nameOf(one)}`)]);
  }

  /** Waits until it believes that exactly these are there. */
  async sees(...names) {
    const wanted = [...names].sort().join(" ");
    await until(() => {
      assert.equal(this.names, wanted);
      return true;
    }, `${this.client.id} sees who is there`);
    this.sound();
  }

  sound() {
    assert.deepEqual(this.wrong, []);
  }
}

/** Who is there by a new snapshot of each node. */
export async function snapshots(cluster, room, members) {
  const seen = [];
  for (const client of members) {
    const { presence } = await client.ok("presence", room);
    seen.push(presence.members.map(nameOf).sort().join(" "));
  }
  return seen;
}
