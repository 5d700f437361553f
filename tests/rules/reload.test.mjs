// The configuration is read anew while clients are connected: nobody is disconnected, and what is new counts at once.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { dial } from "../harness/client.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { until, within } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { deferred } from "../harness/inbox.mjs";
import { temporaryDirectory } from "../harness/processes.mjs";
import { byTokens, claims, hs256, Key } from "../harness/tokens.mjs";

const [OLD, NEW] = ["the first secret of the tests, which is long", "the second secret of the tests, which is long"];
const directory = temporaryDirectory();
const file = join(directory, "roomcast.toml");
const pem = join(directory, "key.pem");
const cluster = new Cluster();
const keys = [new Key("one"), new Key("two")];

/** A whole configuration; what is given differs from the first. */
function configuration({ rooms = ["room:*"], events = "", limits = "", secret = OLD, server = "", more = "", perUser = 0 } = {}) {
  return `
[server]
session_keys = ["${"k".repeat(40)}"]
${server}
[[namespaces]]
path = "/"
[[namespaces]]
path = "/chat"
rooms = ${JSON.stringify(rooms)}
[[namespaces.events]]
name = "message"
${events}
${limits}
[[namespaces]]
path = "/team"
rooms = ["room:*"]
max_sockets_per_user = ${perUser}
${byTokens(secret)}
[[namespaces.events]]
name = "message"
[[namespaces]]
path = "/pem"
[namespaces.identity]
kind = "jwt"
[namespaces.identity.jwt]
algorithms = ["RS256"]
public_key_files = ["${pem}"]
audiences = ["chat"]
${more}`;
}

const write = (settings) => writeFileSync(file, configuration(settings));

/** All nodes read it anew; gives the answer of the first. */
async function reload(settings) {
  write(settings);
  const answers = [];
  for (const { admin_url } of cluster.nodes) {
    const response = await fetch(new URL("/reload", admin_url), { method: "POST" });
    answers.push({ status: response.status, ...(await response.json()) });
  }
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  return answers[0];
}

before(async () => {
  writeFileSync(pem, keys[0].pem);
  write();
  await cluster.start({ config: file });
});
beforeEach(async () => {
  writeFileSync(pem, keys[0].pem);
  assert.equal((await reload()).status, 200);
});
afterEach(() => cluster.closeClients());
after(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

const rulesOf = async (node) => (await (await fetch(new URL("/rules", node.admin_url))).json()).namespaces;
const token = (user, secret) => ({ auth: { token: hs256(secret, claims(user)) } });

/** The message of the refusal, or "let in". */
async function wish(options) {
  const client = cluster.keep(dial(cluster.balancer, options));
  const { promise, resolve } = deferred();
  client.socket.on("connect_error", (error) => resolve(error.message));
  client.socket.on("connect", () => resolve("let in"));
  const answer = await within(promise, "an answer to the wish to connect");
  client.close();
  return answer;
}

describe("rules and limits", () => {
  for (const options of [{ transport: "websocket" }, { transport: "polling" }, { transport: "websocket", eio3: true }]) {
    test(`change for who is connected, ${options.transport}${options.eio3 ? ", 2.x" : ""}`, async () => {
      const room = freshRoom();
      const [ann, bob] = [await cluster.connect({ namespace: "/chat", node: "node-1", ...options }), await cluster.connect({ namespace: "/chat", node: "node-2", ...options })];
      for (const client of [ann, bob]) await client.join(room);
      await ann.refused("room_not_allowed", "join", "lounge");
      await ann.refused("unknown_event", "wave", room);
      const { status, changed, needs_restart } = await reload({
        rooms: ["lounge"],
        events: '[[namespaces.events]]\nname = "wave"',
        limits: '[[namespaces.limits]]\nname = "talk"\nevents = ["message"]\ncount = 2\ninterval_ms = 3600000',
      });
      assert.deepEqual({ status, changed, needs_restart }, { status: 200, changed: ["namespaces[/chat].rooms", "namespaces[/chat].events", "namespaces[/chat].limits"], needs_restart: [] });
      await ann.join("lounge");
      await ann.refused("room_not_allowed", "join", freshRoom());
      // who is in a room stays there
      await ann.ok("wave", room, "hello");
      await bob.hears("wave", "hello");
      await ann.ok("message", room, 1);
      await ann.ok("message", room, 2);
      await ann.refused("rate_limited", "message", room, 3);
      // a limit that stays the same keeps what it has counted, also when it does something else
      await reload({ limits: '[[namespaces.limits]]\nname = "talk"\nevents = ["message"]\ncount = 2\ninterval_ms = 3600000\naction = "drop"' });
      ann.emit("message", room, 4);
      // what one client sends is handled in order: the event has been dropped when this is answered
      await ann.whoami();
      await reload();
      await ann.ok("message", room, 5);
      for (const n of [1, 2, 5]) await bob.hears("message", n);
      assert.deepEqual(bob.unread, []);
      for (const client of [ann, bob]) assert.deepEqual(client.disconnects, []);
    });
  }

  test("under load nothing is lost", async () => {
    const room = freshRoom();
    const [ann, bob] = [await cluster.connect({ namespace: "/chat", node: "node-1" }), await cluster.connect({ namespace: "/chat", node: "node-3" })];
    for (const client of [ann, bob]) await client.join(room);
    let sent = 0;
    let going = true;
    const talking = (async () => {
      while (going) {
        await Promise.all([...Array(20).keys()].map(() => ann.ok("message", room, sent++)));
      }
    })();
    for (let round = 0; round < 15; round += 1) {
      const limits = `[[namespaces.limits]]\nname = "wide-${round % 3}"\ncount = ${1_000_000 + round}`;
      assert.deepEqual((await reload({ rooms: ["room:*", `extra-${round}`], limits })).needs_restart, []);
    }
    going = false;
    await talking;
    await bob.hears("message", sent - 1);
    assert.ok(sent > 300, `only ${sent} were sent`);
    for (const client of [ann, bob]) assert.deepEqual(client.disconnects, []);
  });

  test("a user's sockets are counted before there is a limit", async () => {
    const options = { namespace: "/team", node: "node-1", ...token("ann", OLD) };
    const first = await cluster.connect(options);
    await cluster.connect(options);
    assert.deepEqual((await reload({ perUser: 2 })).changed, ["namespaces[/team].max_sockets_per_user"]);
    assert.match(await wish({ ...options, pin: "node-1" }), /^too_many_sockets: /);
    first.close();
    await until(async () => (await wish({ ...options, pin: "node-1" })) === "let in", "the place is free");
  });
});

describe("keys and origins", () => {
  test("a secret is changed: new clients need the new one, those who are there stay", async () => {
    const ann = await cluster.connect({ namespace: "/team", ...token("ann", OLD) });
    assert.deepEqual((await reload({ secret: NEW })).changed, ["namespaces[/team].identity.jwt.secrets"]);
    assert.match(await wish({ namespace: "/team", ...token("bob", OLD) }), /^token_invalid: /);
    assert.equal(await wish({ namespace: "/team", ...token("bob", NEW) }), "let in");
    assert.equal((await ann.whoami()).user, "ann");
    await ann.refused("token_invalid", "refresh", hs256(OLD, claims("ann")));
    await ann.ok("refresh", hs256(NEW, claims("ann")));
    assert.deepEqual(ann.disconnects, []);
  });

  test("a key file is replaced", async () => {
    const of = (key) => ({ namespace: "/pem", auth: { token: key.rs256(claims("ann")) } });
    assert.equal(await wish(of(keys[0])), "let in");
    assert.match(await wish(of(keys[1])), /^token_invalid: /);
    writeFileSync(pem, keys[1].pem);
    assert.deepEqual((await reload()).changed, []);
    assert.equal(await wish(of(keys[1])), "let in");
    assert.match(await wish(of(keys[0])), /^token_invalid: /);
  });

  test("an origin is allowed, and is not any more", async () => {
    const from = async (origin) => (await fetch(new URL("/socket.io/?EIO=4&transport=polling", cluster.balancer), { headers: { origin } })).status;
    const page = "https://app.example";
    assert.equal(await from(page), 403);
    assert.deepEqual((await reload({ server: `origins = ["${page}"]` })).changed, ["server.origins"]);
    assert.equal(await from(page), 200);
    assert.equal(await from("https://other.example"), 403);
    await reload();
    assert.equal(await from(page), 403);
  });
});

describe("what cannot be", () => {
  test("a file with mistakes changes nothing, and all of them are told", async () => {
    const ann = await cluster.connect({ namespace: "/chat" });
    const before = await rulesOf(cluster.nodes[0]);
    const { status, error } = await reload({ rooms: ["*"], events: '[[namespaces.events]]\nname = "join"', limits: '[[namespaces.limits]]\nname = "Talk!"\ncount = 0\nevents = ["nothing"]' });
    assert.equal(status, 422);
    for (const part of ["5 mistakes", "namespaces[1].rooms[0]", "`join` is reserved", "`Talk!` is no name", "limits[0].count", "there is no event `nothing`", file]) {
      assert.ok(error.includes(part), `"${part}" is not in:\n${error}`);
    }
    writeFileSync(file, "this is no TOML");
    for (const { admin_url } of cluster.nodes) assert.equal((await fetch(new URL("/reload", admin_url), { method: "POST" })).status, 422);
    rmSync(file);
    for (const { admin_url } of cluster.nodes) assert.equal((await fetch(new URL("/reload", admin_url), { method: "POST" })).status, 422);
    assert.deepEqual(await rulesOf(cluster.nodes[0]), before);
    await ann.join(freshRoom());
    assert.deepEqual(ann.disconnects, []);
  });

  test("a namespace that would ask in another way who clients are waits as a whole", async () => {
    const otherwise = `[namespaces.identity]\nkind = "webhook"\n[namespaces.identity.webhook]\nurl = "http://127.0.0.1:1/"\nsecret = "${OLD}"`;
    const hall = 'path = "/team"\nrooms = ["hall"]';
    const text = configuration({ rooms: ["lounge"] }).replace('path = "/team"\nrooms = ["room:*"]', hall).replace(byTokens(OLD), otherwise);
    assert.ok(text.includes(hall) && text.includes(otherwise));
    writeFileSync(file, text);
    let answer;
    for (const { admin_url } of cluster.nodes) answer = await (await fetch(new URL("/reload", admin_url), { method: "POST" })).json();
    assert.deepEqual(answer.changed, ["namespaces[/chat].rooms"]);
    for (const key of ["namespaces[/team].rooms", "namespaces[/team].identity.kind"]) assert.ok(answer.needs_restart.includes(key), JSON.stringify(answer));
    const ann = await cluster.connect({ namespace: "/team", direct: cluster.names[0], ...token("ann", OLD) });
    await ann.join(freshRoom());
    await ann.refused("room_not_allowed", "join", "hall");
  });

  test("what waits for a restart is named each time, and the rest counts", async () => {
    const answer = await reload({ rooms: ["lounge"], server: "max_headers = 77", more: '[[namespaces]]\npath = "/new"\n[log]\nlevel = "warn"' });
    assert.deepEqual(answer, { status: 200, changed: ["namespaces[/chat].rooms"], needs_restart: ["server.max_headers", "log.level", "namespaces[/new]"] });
    const again = await reload({ rooms: ["lounge"], server: "max_headers = 77" });
    assert.deepEqual(again, { status: 200, changed: [], needs_restart: ["server.max_headers"] });
    const ann = await cluster.connect({ namespace: "/chat" });
    await ann.join("lounge");
  });

  test("pages cannot ask for it", async () => {
    for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
      const response = await fetch(new URL("/reload", cluster.nodes[0].admin_url), { method: "POST", headers });
      assert.equal(response.status, 403);
    }
  });
});

test("SIGHUP does it, too, and the log tells what", async () => {
  const [node] = cluster.nodes;
  const log = () => readFileSync(join(cluster.place.dir, "state", `${node.name}.log`), "utf8");
  const before = log().length;
  const logged = (text) => until(() => log().slice(before).includes(text), `the log tells: ${text}`);
  const ann = await cluster.connect({ namespace: "/chat", direct: node.name });
  write({ rooms: ["lounge"], server: "max_headers = 66" });
  process.kill(node.pid, "SIGHUP");
  await logged("namespaces[/chat].rooms");
  await logged("server.max_headers");
  await ann.join("lounge");
  assert.deepEqual((await rulesOf(node)).find(({ path }) => path === "/chat").rooms, ["lounge"]);
  // nobody learns a secret by it
  const text = JSON.stringify(await rulesOf(node));
  assert.ok(text.includes("***") && !text.includes(OLD), text);
  writeFileSync(file, "nonsense");
  process.kill(node.pid, "SIGHUP");
  await logged("nothing has changed");
  await ann.ok("leave", "lounge");
  await ann.join("lounge");
  assert.deepEqual(ann.disconnects, []);
});
