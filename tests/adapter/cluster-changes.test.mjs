// A cluster that changes while it is used: a slot moves to another master, and a master dies.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { cluster } from "../harness/redis-servers.mjs";
import { CLASSIC, describeOurs, DYNAMIC, STATIC } from "./buses.mjs";
import { freshRoom, World } from "./world.mjs";

const RECOVERY = 30_000;

describeOurs("a cluster that changes", () => {
  let redis;
  let world;
  afterEach(async () => {
    await world?.stop();
    await redis?.stop();
  });

  /** The master that has a channel's slot. */
  async function ownerOf(channel) {
    const alive = redis.servers.filter((one) => one.child.alive);
    const slot = await alive[0].command("CLUSTER", "KEYSLOT", channel);
    for (const server of alive) {
      const nodes = (await server.command("CLUSTER", "NODES")).split("\n");
      const ranges = nodes.find((line) => line.includes("myself")).split(" ").slice(8);
      const has = (range) => {
        const [from, to = from] = range.split("-").map(Number);
        return slot >= from && slot <= to;
      };
      if (ranges.some(has)) return { slot, owner: server };
    }
    throw new Error(`nobody has the slot of ${channel}`);
  }

  async function listening(server, channel) {
    return Number((await server.command("PUBSUB", "SHARDNUMSUB", channel))[1]);
  }

  test("the slots of a room and of the namespace move: the subscriptions follow", async () => {
    redis = await cluster();
    world = await World.start(redis, DYNAMIC, { servers: ["ours", "ours"] });
    const people = await world.people();
    const room = freshRoom();
    await world.join(room, ...people);
    for (const channel of [world.channelOf(room), `${world.prefix}#/#`]) {
      const { slot, owner } = await ownerOf(channel);
      const heir = redis.masters.find((one) => one !== owner);
      const id = await heir.command("CLUSTER", "MYID");
      for (const server of [heir, owner, ...redis.masters]) await server.command("CLUSTER", "SETSLOT", slot, "NODE", id);
      const both = async () => (await listening(heir, channel)) === 2;
      await until(both, `both listen to ${channel} at its new place`, RECOVERY);
    }
    await world.caller.emit({ to: [room] }, "news", "after the move");
    await world.hear(people, "news", "after the move");
    await world.talk(people);
    assert.deepEqual(people.map(({ disconnects }) => disconnects), [[], [], []]);
  });

  for (const bus of [CLASSIC, STATIC, DYNAMIC]) {
    test(`a master dies and its replica takes over, ${bus.title}`, async () => {
      redis = await cluster({ replicas: 3 });
      world = await World.start(redis, bus, { servers: ["ours", "ours"] });
      const people = await world.people();
      await world.talk(people);
      const channel = `${world.prefix}#/#`;
      const { owner } = await ownerOf(channel);
      await owner.kill();
      await until(async () => (await ownerOf(channel)).owner !== owner, "another one has its slots", RECOVERY);
      for (const server of world.servers) {
        await until(async () => (await server.status()).state === "connected", "it is connected", RECOVERY);
      }
      const listened = `${world.prefix}${bus.sharded ? "" : "-request"}#/#`;
      await until(async () => (await redis.listeners(listened, bus)) === 2, `both listen to ${listened}`, RECOVERY);
      await world.talk(people);
      assert.deepEqual(people.map(({ disconnects }) => disconnects), [[], [], []]);
    });
  }
});
