// What the dynamic modes are for: a server without a member of a room has nothing to do with what is said there.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { cluster, standalone } from "../harness/redis-servers.mjs";
import { describeOurs, DYNAMIC, PRIVATE } from "./buses.mjs";
import { freshRoom, World } from "./world.mjs";

const MESSAGES = 50;

for (const [name, start] of Object.entries({ standalone, cluster })) {
  describeOurs(`traffic of rooms, ${name}`, () => {
    let redis;
    before(async () => {
      redis = await start();
    });
    after(() => redis?.stop());
    let world;
    let everybody;
    afterEach(() => world?.stop());

    /** The first server talks to the room; gives how many messages each server has received because of it. */
    async function talked(room, members) {
      const { servers, caller } = world;
      const received = async () => Promise.all(servers.map(async (one) => (await one.counters()).received));
      const before = await received();
      for (let n = 0; n < MESSAGES; n += 1) await caller.emit({ to: [room] }, "count", n);
      for (const member of members) {
        await member.expect("count", (n) => n === MESSAGES - 1);
        assert.equal(member.drain("count").length, MESSAGES - 1);
      }
      // every server gets the marker as well, the one that sends it not before the others
      await world.silence(everybody);
      return until(async () => {
        const more = (await received()).map((count, i) => count - before[i] - 1);
        return more.every((count) => count >= 0) && more;
      }, "the marker is counted");
    }

    for (const bus of [DYNAMIC, PRIVATE]) {
      test(`${bus.title}: only servers with members receive what is said in a room`, async () => {
        world = await World.start(redis, bus, { servers: ["ours", "ours", "ours"] });
        everybody = await world.people();
        const [, bob, eve] = everybody;
        const room = freshRoom();
        const channel = world.channelOf(room);
        const listeners = () => redis.listeners(channel, { sharded: true });
        assert.equal(await listeners(), 0);

        await world.join(room, bob);
        assert.equal(await listeners(), 1);
        assert.deepEqual(await talked(room, [bob]), [0, MESSAGES, 0]);

        await world.join(room, eve);
        assert.equal(await listeners(), 2);
        assert.deepEqual(await talked(room, [bob, eve]), [0, MESSAGES, MESSAGES]);

        // a second member changes nothing, and the first may leave
        const mate = await world.client(world.servers[1]);
        await world.join(room, mate);
        await bob.server.leave("/", bob.id, [room]);
        await world.inRooms(bob);
        assert.deepEqual(await talked(room, [mate, eve]), [0, MESSAGES, MESSAGES]);

        // one leaves by its connection, the other is made to leave
        mate.close();
        await world.caller.socketsLeave({ to: [eve.id] }, [room]);
        await world.unheard(channel);
        assert.deepEqual(await talked(room, []), [0, 0, 0]);

        await world.join(room, eve);
        assert.deepEqual(await talked(room, [eve]), [0, 0, MESSAGES]);
      });
    }

    test("a room that is left and joined again and again is heard whenever somebody is in it", async () => {
      world = await World.start(redis, DYNAMIC, { servers: ["ours", "ours"] });
      const bob = await world.client(world.servers[1]);
      everybody = [bob];
      const room = freshRoom();
      for (let n = 0; n < 20; n += 1) {
        await bob.server.join("/", bob.id, [room]);
        if (n % 2 === 0) await bob.server.leave("/", bob.id, [room]);
      }
      await world.join(room, bob);
      assert.deepEqual(await talked(room, [bob]), [0, MESSAGES]);
      await bob.server.leave("/", bob.id, [room]);
      await world.unheard(world.channelOf(room));
    });

    test("a thousand rooms at once", async () => {
      world = await World.start(redis, DYNAMIC, { servers: ["ours", "ours"] });
      const bob = await world.client(world.servers[1]);
      everybody = [bob];
      const rooms = Array.from({ length: 1000 }, () => freshRoom());
      await bob.server.join("/", bob.id, rooms);
      // one after the other would take a thousand round trips of this test
      await world.join([rooms[0], rooms[499], rooms[999]], bob);
      for (const room of [rooms[0], rooms[499], rooms[999]]) assert.deepEqual(await talked(room, [bob]), [0, MESSAGES]);
      bob.close();
      for (const room of [rooms[0], rooms[499], rooms[999]]) await world.unheard(world.channelOf(room));
    });
  });
}
