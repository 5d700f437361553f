// Who is in a room, on all nodes: the snapshot in the answer to a join, and what is told afterwards.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";
import { emitterOf } from "../harness/redis.mjs";
import { enter, MAX_LISTED, presenceForFile, Watch } from "./world.mjs";

const cluster = presenceForFile();
const team = (user, options) => enter(cluster, user, options);
const open = (node, options) => cluster.connect({ node, namespace: "/open", ...options });

inEveryMode("members of a room see each other", (transport) => {
  test("on all nodes, and nobody is told of itself", async () => {
    const room = freshRoom();
    const began = Date.now();
    const ann = await Watch.join(await team("ann", { node: "node-1", transport }), room);
    assert.deepEqual(ann.names, "ann");
    const bob = await Watch.join(await team("bob", { node: "node-2", transport }), room);
    await bob.sees("ann", "bob");
    await ann.sees("ann", "bob");
    const eve = await Watch.join(await team("eve", { node: "node-3", transport }), room);
    for (const watch of [ann, bob, eve]) await watch.sees("ann", "bob", "eve");
    await bob.client.leave(room);
    for (const watch of [ann, eve]) await watch.sees("ann", "eve");
    assert.deepEqual(ann.told, ["+bob", "+eve", "-bob"]);
    // who came on another node a moment before may be told of after the snapshot
    assert.deepEqual(bob.told.filter((name) => name !== "+ann"), ["+eve"]);
    assert.deepEqual(eve.told.filter((name) => name !== "+ann" && name !== "+bob"), ["-bob"]);
    for (const { since } of ann.members.values()) assert.ok(since >= began - 1000 && since <= Date.now() + 1000, `since ${since}`);
  });

  test("where users are not known, by the ids of their sockets", async () => {
    const room = freshRoom();
    const [first, second] = [await open("node-1", { transport }), await open("node-2", { transport })];
    const watch = await Watch.join(first, room);
    const other = await Watch.join(second, room);
    const ids = await Promise.all([first, second].map(async (client) => (await client.whoami()).id));
    for (const one of [watch, other]) await one.sees(...ids);
    for (const id of ids) assert.deepEqual(Object.keys(other.members.get(id)), ["id", "since"]);
    second.close();
    await watch.sees((await first.whoami()).id);
  });
});

describe("clients of the 2.x line", () => {
  for (const transport of ["websocket", "polling"]) {
    test(`see and are seen, ${transport}`, async () => {
      const room = freshRoom();
      const [old, today] = [await open("node-1", { transport, eio3: true }), await open("node-2")];
      const oldWatch = await Watch.join(old, room);
      const watch = await Watch.join(today, room);
      const ids = [(await old.whoami()).id, (await today.whoami()).id];
      await oldWatch.sees(...ids);
      await watch.sees(...ids);
      today.close();
      await oldWatch.sees(ids[0]);
    });
  }
});

describe("a user", () => {
  test("with sockets on two nodes is one member", async () => {
    const room = freshRoom();
    const watch = await Watch.join(await team("bob", { node: "node-3" }), room);
    const sockets = [await team("ann", { node: "node-1" }), await team("ann", { node: "node-2" }), await team("ann", { node: "node-1" })];
    for (const socket of sockets) {
      await socket.join(room);
      // who came on another node a moment before may be missing at first
      await until(async () => (await socket.ok("presence", room)).presence.count === 2, "both are there, each once");
    }
    for (const socket of sockets) {
      await watch.sees("ann", "bob");
      await socket.leave(room);
    }
    await watch.sees("bob");
    assert.deepEqual(watch.told, ["+ann", "-ann"]);
  });

  test("is shown with the claims that may be shown, and no others", async () => {
    const room = freshRoom();
    const secrets = { email: "hush@hush.example", roles: ["hush"] };
    const ann = await team("ann", { node: "node-1", claims: { ...secrets, name: "Ann", org: { title: "Doctor", id: "hush" } } });
    const shown = { user: "ann", info: { name: "Ann", "org.title": "Doctor" } };
    const watch = await Watch.join(await team("bob", { node: "node-2", claims: secrets }), room);
    const { presence } = await ann.join(room);
    await watch.sees("ann", "bob");
    for (const { since, ...member } of [watch.members.get("ann"), presence.members.find(({ user }) => user === "ann")]) {
      assert.equal(typeof since, "number");
      assert.deepEqual(member, shown);
    }
    assert.deepEqual(Object.keys(watch.members.get("bob")), ["user", "since"]);
    assert.doesNotMatch(JSON.stringify([watch.log, presence]), /hush/);
  });
});

describe("the event presence", () => {
  test("tells members who is there, and nobody else", async () => {
    const room = freshRoom();
    const [ann, eve] = [await team("ann"), await team("eve")];
    await ann.join(room);
    const { presence, ...rest } = await ann.ok("presence", room);
    assert.deepEqual(rest, { ok: true, room });
    assert.deepEqual([presence.count, presence.members.map(({ user }) => user)], [1, ["ann"]]);
    await eve.refused("not_in_room", "presence", room);
    await eve.refused("invalid_room", "presence");
    await eve.refused("invalid_arguments", "presence", room, 1);
    await ann.leave(room);
    await ann.refused("not_in_room", "presence", room);
  });

  test("there is none where nobody is shown", async () => {
    const ann = await team("ann");
    const ack = await ann.join("plain:a");
    assert.equal("presence" in ack, false);
    await ann.refused("no_presence", "presence", "plain:a");
    const other = await cluster.connect({ namespace: "/" });
    assert.equal("presence" in (await other.join("room:a")), false);
    await other.refused("unknown_event", "presence", "room:a");
  });

  test("tells who is in rooms from the beginning", async () => {
    const red = { claims: { team: "red" } };
    const ann = await team("ann", { node: "node-1", ...red });
    const watch = new Watch(ann, "room:of-red");
    watch.begin((await ann.ok("presence", watch.room)).presence);
    await watch.sees("ann");
    await team("bob", { node: "node-2", ...red });
    await watch.sees("ann", "bob");
    assert.deepEqual(watch.told, ["+bob"]);
  });
});

describe("sockets that are moved by others", () => {
  test("are seen to come and go", async () => {
    const room = freshRoom();
    const emitter = (await emitterOf(cluster)).of("/team");
    const watch = await Watch.join(await team("bob", { node: "node-3" }), room);
    const ann = await team("ann", { node: "node-1" });
    emitter.in(ann.id).socketsJoin([room, freshRoom("plain")]);
    await watch.sees("ann", "bob");
    assert.equal((await ann.ok("presence", room)).presence.count, 2);
    emitter.in(ann.id).socketsLeave(room);
    await watch.sees("bob");
    emitter.in(ann.id).socketsJoin(room);
    await watch.sees("ann", "bob");
    emitter.in(ann.id).disconnectSockets();
    await watch.sees("bob");
    assert.deepEqual(watch.told, ["+ann", "-ann", "+ann", "-ann"]);
  });
});

describe("a room with more members than are listed", () => {
  test("is told of by its count, and by a list when it is small again", async () => {
    const room = freshRoom();
    const people = [];
    for (let n = 0; n < MAX_LISTED; n += 1) people.push(await team(`user-${n}`, { node: cluster.names[n % 3] }));
    const first = await Watch.join(people[0], room);
    for (const person of people.slice(1)) await person.join(room);
    const users = people.map((_, n) => `user-${n}`);
    await first.sees(...users);
    const others = [];
    for (const user of ["ann", "bob"]) {
      const client = await team(user, { node: "node-2" });
      const { presence } = await client.join(room);
      assert.deepEqual(Object.keys(presence), ["count"]);
      others.push(client);
    }
    await until(() => first.count === MAX_LISTED + 2, "the count is told");
    assert.deepEqual(Object.keys(first.log.at(-1)), ["room", "count"]);
    assert.deepEqual(first.told.filter((name) => name.endsWith("bob")), []);
    for (const client of others) await client.leave(room);
    await first.sees(...users);
    assert.ok(first.log.at(-1).members, "a list replaces what was known");
    // and from there it goes on by changes
    await people.at(-1).leave(room);
    await first.sees(...users.slice(0, -1));
    assert.deepEqual(first.log.at(-1).left.map(({ user }) => user), users.slice(-1));
  });
});

describe("who joins", () => {
  test("misses nothing and hears nothing twice, however many come and go", async () => {
    const room = freshRoom();
    const people = await Promise.all(["a", "b", "c"].flatMap((user) => cluster.names.map((node) => team(user, { node }))));
    const restless = async (client) => {
      for (let n = 0; n < 15; n += 1) {
        await client.join(room);
        await client.leave(room);
      }
      await client.join(room);
    };
    const watches = [];
    const comers = async (name) => {
      for (let n = 0; n < 5; n += 1) {
        const client = await team(name, { node: cluster.names[n % 3] });
        watches.push(await Watch.join(client, room));
      }
    };
    await Promise.all([...people.map(restless), comers("d")]);
    for (const watch of watches) await watch.sees("a", "b", "c", "d");
  });
});

describe("messages", () => {
  test("in a room with presence are published once, and cause nothing else", async () => {
    const room = freshRoom();
    const clients = [];
    for (const node of cluster.names) clients.push(await team(`talker-${node}`, { node }));
    const watches = [];
    for (const client of clients) watches.push(await Watch.join(client, room));
    for (const watch of watches) await watch.sees(...cluster.names.map((node) => `talker-${node}`));

    const sum = async (metric, labels) => {
      const all = await Promise.all(cluster.names.map((node) => cluster.metric(node, metric, labels)));
      return all.reduce((one, other) => one + other, 0);
    };
    const sent = (kind) => sum("roomcast_presence_messages_total", { direction: "sent", kind });
    const counts = async () => ({
      changes: await sent("changes"),
      ask: await sent("ask"),
      state: await sent("state"),
      // what goes out by the clock is no consequence of messages
      rest: (await sum("roomcast_bus_published_total")) - (await sum("roomcast_presence_messages_total", { direction: "sent", kind: "digest" })),
    });
    // users of former tests are still to go
    for (const node of cluster.names) {
      await until(async () => (await cluster.metric(node, "roomcast_presence_members")) === 3, `${node} knows of nobody else`);
    }
    // a digest may go out between two looks
    const settled = async () => {
      let last;
      await until(async () => {
        const [one, other] = [await counts(), await counts()];
        last = other;
        return JSON.stringify(one) === JSON.stringify(other);
      }, "two looks agree");
      return last;
    };
    const before = await settled();
    const MESSAGES = 300;
    for (let n = 0; n < MESSAGES; n += 1) await clients[n % 3].ok("message", room, n);
    for (const client of clients) await client.expect("message", (n) => n >= MESSAGES - 3);
    await until(async () => (await counts()).rest >= before.rest + MESSAGES, "all are published");
    assert.deepEqual(await settled(), { ...before, rest: before.rest + MESSAGES });
  });
});
