// Who sends too often is told when to come back, on each node or in the whole cluster, and nobody else is concerned.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { SEPARATOR } from "../harness/engine.mjs";
import { temporaryDirectory } from "../harness/processes.mjs";
import { takeAway } from "../harness/redis.mjs";
import { byTokens, claims, hs256 } from "../harness/tokens.mjs";

const SECRET = "a secret of the tests, which nobody else has";
// So long that nothing is let through again while a test runs.
const LONG = 3_600_000;
const directory = temporaryDirectory();
const cluster = new Cluster();

const limit = (name, settings) => `[[namespaces.limits]]\nname = "${name}"\ninterval_ms = ${LONG}\n${settings}\n`;
const namespace = (path, limits, more = "") => `
[[namespaces]]
path = "${path}"
rooms = ["room:*"]
${more}
[[namespaces.events]]
name = "message"
[[namespaces.events]]
name = "typing"
${limits}
`;
const IDENTITY = byTokens(SECRET);

before(async () => {
  const file = join(directory, "roomcast.toml");
  const text = [
    namespace("/", ""),
    namespace("/chat", ""),
    namespace("/socket", limit("talk", 'events = ["message"]\ncount = 5') + limit("all", "count = 20")),
    namespace("/user", limit("here", 'events = ["message"]\nper = "user"\ncount = 4') + limit("everywhere", 'events = ["typing"]\nper = "user"\nscope = "cluster"\ncount = 30'), IDENTITY),
    namespace("/address", limit("here", 'events = ["message"]\nper = "address"\ncount = 6') + limit("everywhere", 'events = ["typing"]\nper = "address"\nscope = "cluster"\ncount = 10')),
    namespace("/drop", limit("talk", 'events = ["message"]\ncount = 3\naction = "drop"')),
    namespace("/cut", limit("talk", 'events = ["message"]\ncount = 3\naction = "disconnect"')),
    namespace("/dry", limit("talk", 'events = ["message"]\ncount = 3\naction = "disconnect"\ndry_run = true')),
    namespace("/weight", limit("talk", 'events = ["message"]\ncount = 16\nreceivers_per_count = 3')),
    namespace("/heavy", limit("everywhere", 'events = ["message"]\nper = "address"\nscope = "cluster"\ncount = 100\nreceivers_per_count = 1')),
    namespace("/hang", limit("everywhere", 'events = ["message"]\nper = "address"\nscope = "cluster"\ncount = 7')),
    namespace("/seen", limit("talk", 'events = ["message"]\ncount = 10\nreceivers_per_count = 1'), '[namespaces.presence]\nrooms = ["room:*"]'),
    namespace("/again", '[[namespaces.limits]]\nname = "talk"\nevents = ["message"]\ncount = 2\ninterval_ms = 400\n'),
    namespace("/down", limit("everywhere", 'events = ["message"]\nper = "address"\nscope = "cluster"\ncount = 7')),
  ];
  writeFileSync(file, text.join(""));
  await cluster.start({ config: file });
});
afterEach(() => cluster.closeClients());
after(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

const CLIENTS = [{ transport: "websocket" }, { transport: "polling" }, { transport: "websocket", eio3: true }];
const called = ({ transport, eio3 }) => `${transport}${eio3 ? ", 2.x" : ""}`;
const as = (user) => ({ auth: { token: hs256(SECRET, claims(user)) } });

/** How many of so many events are accepted; the others are refused as too many. */
async function accepted(client, event, room, count) {
  const acks = await Promise.all([...Array(count).keys()].map((n) => client.request(event, room, n)));
  for (const ack of acks) if (!ack.ok) assert.equal(ack.code, "rate_limited", JSON.stringify(ack));
  return acks.filter((ack) => ack.ok).length;
}

async function inRoom(options, room) {
  const client = await cluster.connect(options);
  await client.join(room);
  return client;
}

describe("of a socket", () => {
  for (const kind of CLIENTS) {
    test(`what is too much is refused with the time to wait, and others go on, ${called(kind)}`, async () => {
      const room = freshRoom();
      const [ann, bob] = [await inRoom({ namespace: "/socket", ...kind }, room), await inRoom({ namespace: "/socket", ...kind }, room)];
      assert.equal(await accepted(ann, "message", room, 9), 5);
      const refusal = await ann.refused("rate_limited", "message", room, "more");
      assert.ok(refusal.retry_after_ms > 0 && refusal.retry_after_ms <= LONG / 5, JSON.stringify(refusal));
      assert.match(refusal.message, /`talk`/);
      // its own limit does not count other events, and that of bob is his own
      await ann.ok("typing", room);
      assert.equal(await accepted(bob, "message", room, 5), 5);
      for (let n = 0; n < 5; n += 1) await bob.expect("message", (number) => number === n);
    });

    test(`everything counts: built-in events, unknown ones and refused ones, ${called(kind)}`, async () => {
      const ann = await cluster.connect({ namespace: "/socket", ...kind });
      for (let n = 0; n < 5; n += 1) {
        await ann.whoami();
        await ann.refused("unknown_event", "nonsense");
        await ann.refused("not_in_room", "typing", "room:nobody");
        await ann.refused("room_not_allowed", "join", "elsewhere");
      }
      const { retry_after_ms } = await ann.refused("rate_limited", "whoami");
      assert.ok(retry_after_ms > 0);
    });
  }

  test("packets in one body of a polling client count one by one", async () => {
    const endpoint = new URL("/socket.io/?EIO=4&transport=polling", cluster.node("node-1").url);
    const { sid } = JSON.parse((await (await fetch(endpoint)).text()).slice(1));
    endpoint.searchParams.set("sid", sid);
    const post = async (body) => assert.equal((await fetch(endpoint, { method: "POST", body })).status, 200);
    await post("40/socket,");
    await post([...Array(25).keys()].map((n) => `42/socket,${n}["whoami"]`).join(SEPARATOR));
    const answers = [];
    while (answers.length < 25) {
      const packets = (await (await fetch(endpoint)).text()).split(SEPARATOR);
      for (const packet of packets) if (packet.startsWith("43/socket,")) answers.push(JSON.parse(packet.slice(packet.indexOf("["))));
    }
    const codes = answers.map(([answer]) => (answer.ok ? "ok" : answer.code));
    assert.deepEqual(codes, [...Array(20).fill("ok"), ...Array(5).fill("rate_limited")]);
  });

  test("who waits as long as told is let through", async () => {
    const room = freshRoom();
    const ann = await inRoom({ namespace: "/again" }, room);
    for (let round = 0; round < 4; round += 1) {
      let refusal;
      await until(async () => {
        refusal = await ann.request("message", room, "fill");
        return refusal.code === "rate_limited";
      }, "too many");
      const { retry_after_ms } = refusal;
      assert.ok(retry_after_ms > 0 && retry_after_ms <= 200, `${retry_after_ms}`);
      const told = performance.now();
      await new Promise((resolve) => setTimeout(resolve, retry_after_ms));
      await ann.ok("message", room, `after ${performance.now() - told} ms`);
    }
  });
});

describe("of a user and of an address", () => {
  test("all sockets of a user on a node count together, those on other nodes do not", async () => {
    const room = freshRoom();
    const one = await inRoom({ namespace: "/user", node: "node-1", ...as("ann") }, room);
    const two = await inRoom({ namespace: "/user", node: "node-1", ...as("ann") }, room);
    const elsewhere = await inRoom({ namespace: "/user", node: "node-2", ...as("ann") }, room);
    const bob = await inRoom({ namespace: "/user", node: "node-1", ...as("bob") }, room);
    const both = await Promise.all([accepted(one, "message", room, 4), accepted(two, "message", room, 4)]);
    assert.equal(both[0] + both[1], 4);
    assert.equal(await accepted(elsewhere, "message", room, 6), 4);
    assert.equal(await accepted(bob, "message", room, 6), 4);
  });

  test("a user who comes back has not been forgotten", async () => {
    const room = freshRoom();
    const one = await inRoom({ namespace: "/user", node: "node-1", ...as("eve") }, room);
    assert.equal(await accepted(one, "message", room, 6), 4);
    one.close();
    const again = await inRoom({ namespace: "/user", node: "node-1", ...as("eve") }, room);
    assert.equal(await accepted(again, "message", room, 2), 0);
  });

  test("a limit of the cluster counts the sockets of a user on all nodes together", async () => {
    const room = freshRoom();
    const sockets = [];
    for (const [at, node] of ["node-1", "node-2", "node-3"].entries()) {
      // a client of 2.x has no `auth`
      sockets.push(await inRoom({ namespace: "/user", node, transport: ["websocket", "polling", "upgrade"][at], ...as("cleo") }, room));
    }
    const counts = await Promise.all(sockets.map((socket) => accepted(socket, "typing", room, 25)));
    const all = counts.reduce((sum, count) => sum + count);
    // what a node took in advance and did not use is lost to the others: a tenth of the burst, at most
    assert.ok(all <= 30 && all >= 30 - 2 * 2, `${counts} were accepted`);
    // it is used up everywhere, to the last
    for (const socket of sockets) await accepted(socket, "typing", room, 3);
    for (const socket of sockets) {
      const { retry_after_ms } = await socket.refused("rate_limited", "typing", room);
      assert.ok(retry_after_ms > 0 && retry_after_ms <= LONG / 30, `${retry_after_ms}`);
    }
    const dave = await inRoom({ namespace: "/user", ...as("dave") }, room);
    assert.equal(await accepted(dave, "typing", room, 20), 20);
  });

  test("the sockets of an address count together, on a node or in the cluster, whichever client it is", async () => {
    const room = freshRoom();
    const here = [];
    for (const kind of CLIENTS) here.push(await inRoom({ namespace: "/address", node: "node-3", ...kind }, room));
    let all = 0;
    for (const client of here) all += await accepted(client, "message", room, 4);
    assert.equal(all, 6);
    const everywhere = [];
    for (const node of cluster.names) everywhere.push(await inRoom({ namespace: "/address", node }, room));
    all = 0;
    for (const client of everywhere) all += await accepted(client, "typing", room, 6);
    assert.equal(all, 10);
  });
});

describe("what happens then", () => {
  for (const kind of CLIENTS) {
    test(`drop: nothing is answered and nothing relayed, ${called(kind)}`, async () => {
      const room = freshRoom();
      const [ann, bob] = [await inRoom({ namespace: "/drop", ...kind }, room), await inRoom({ namespace: "/drop", ...kind }, room)];
      const answers = [];
      for (let n = 0; n < 8; n += 1) ann.socket.emit("message", room, n, (ack) => answers.push(ack));
      // events of one sender stay in order
      await ann.ok("typing", room, "fence");
      await bob.expect("typing", (text) => text === "fence");
      assert.deepEqual(answers.map((ack) => ack.ok), [true, true, true]);
      assert.deepEqual(bob.drain("message").map(([n]) => n), [0, 1, 2]);
      assert.deepEqual(ann.disconnects, []);
    });

    test(`disconnect: the connection is closed, and the client may come back, ${called(kind)}`, async () => {
      const room = freshRoom();
      const bob = await inRoom({ namespace: "/cut", ...kind }, room);
      const ann = await inRoom({ namespace: "/cut", ...kind }, room);
      const closes = async () => (await Promise.all(cluster.names.map((name) => cluster.metric(name, "roomcast_closes_total", { code: "flood" })))).reduce((a, b) => a + b);
      const before = await closes();
      for (let n = 0; n < 8; n += 1) ann.emit("message", room, n);
      assert.equal(await ann.gone(), "transport close");
      await until(async () => (await closes()) === before + 1, "the close is counted");
      for (let n = 0; n < 3; n += 1) await bob.expect("message", (number) => number === n);
      const again = await inRoom({ namespace: "/cut", ...kind }, room);
      await again.ok("message", room, "back");
      await bob.expect("message", (text) => text === "back");
      assert.deepEqual(bob.unread, []);
    });
  }

  test("dry run: everything passes, and is counted", async () => {
    const room = freshRoom();
    const ann = await inRoom({ namespace: "/dry", node: "node-1" }, room);
    assert.equal(await accepted(ann, "message", room, 10), 10);
    const labels = { namespace: "/dry", limit: "talk" };
    assert.equal(await cluster.metric("node-1", "roomcast_limited_total", { ...labels, action: "dry_run" }), 7);
    assert.equal(await cluster.metric("node-1", "roomcast_limited_total", { ...labels, action: "disconnect" }), 0);
    assert.deepEqual(ann.disconnects, []);
  });

  test("an event to many counts for more than one to few", async () => {
    const [full, empty] = [freshRoom(), freshRoom()];
    const crowd = [];
    for (let n = 0; n < 8; n += 1) crowd.push(await inRoom({ namespace: "/weight", node: "node-2" }, full));
    // 8 members here, and as many on each of the other two nodes as far as this one can tell: 24 receivers, 8 counts
    assert.equal(await accepted(crowd[0], "message", full, 5), 2);
    const lonely = await inRoom({ namespace: "/weight", node: "node-2" }, empty);
    assert.equal(await accepted(lonely, "message", empty, 20), 16);
  });
});

test("a limit of the cluster that refuses what is expensive lets through what is not", async () => {
  const [full, empty] = [freshRoom(), freshRoom()];
  const crowd = [];
  // 15 members here, and as many on each of the other two nodes as far as this one can tell: 45 counts
  for (let n = 0; n < 15; n += 1) crowd.push(await inRoom({ namespace: "/heavy", node: "node-1" }, full));
  assert.equal(await accepted(crowd[0], "message", full, 5), 2);
  // 10 of 100 are left: three for each message to a room of one
  const other = await inRoom({ namespace: "/heavy", node: "node-2" }, empty);
  assert.equal(await accepted(other, "message", empty, 6), 3);
  const { retry_after_ms } = await crowd[0].refused("rate_limited", "message", full);
  assert.ok(retry_after_ms > LONG / 100, `${retry_after_ms}`);
});

test("a Redis that hangs holds up one event now and then, and each node counts for itself", async () => {
  const room = freshRoom();
  const clients = [];
  for (let n = 0; n < 4; n += 1) clients.push(await inRoom({ namespace: "/hang", node: "node-1" }, room));
  process.kill(cluster.redis.pid, "SIGSTOP");
  try {
    let all = 0;
    const slow = [];
    for (let round = 0; round < 10; round += 1) {
      for (const client of clients) {
        const begun = performance.now();
        all += await accepted(client, "message", room, 1);
        if (performance.now() - begun > 200) slow.push(performance.now() - begun);
      }
    }
    assert.equal(all, 7);
    assert.ok(slow.length >= 1 && slow.length <= 3, `${slow.length} of 40 events were held up: ${slow}`);
  } finally {
    process.kill(cluster.redis.pid, "SIGCONT");
  }
});

test("where members are shown, all of them count, wherever they are", async () => {
  const room = freshRoom();
  const crowd = [];
  for (const node of ["node-1", "node-2", "node-2", "node-2", "node-3"]) crowd.push(await inRoom({ namespace: "/seen", node }, room));
  await until(async () => (await crowd[0].ok("presence", room)).presence.count === 5, "node-1 knows of all five");
  assert.equal(await accepted(crowd[0], "message", room, 4), 2);
});

// The last: it takes Redis away from all.
test("while Redis is away each node counts for itself, and when it is back all count together", async () => {
  const room = freshRoom();
  const [one, two] = [await inRoom({ namespace: "/down", node: "node-1" }, room), await inRoom({ namespace: "/down", node: "node-2" }, room)];
  assert.equal((await accepted(one, "message", room, 2)) + (await accepted(two, "message", room, 2)), 4);
  const bringBack = await takeAway(cluster);
  // each of them lets through what it would alone
  const alone = [await accepted(one, "message", room, 12), await accepted(two, "message", room, 12)];
  assert.deepEqual(alone, [7, 7]);
  await bringBack();
  // the new Redis knows of nothing: there is a whole burst again
  const both = () => Promise.all([accepted(one, "message", room, 5), accepted(two, "message", room, 5)]);
  let all = 0;
  await until(async () => {
    all += (await both()).reduce((a, b) => a + b);
    return all >= 7;
  }, "the cluster's limit is back");
  all += (await both()).reduce((a, b) => a + b);
  assert.equal(all, 7);
});
