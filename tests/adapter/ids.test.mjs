// The ids of our sockets have 16 characters, those of Node's 20. In dynamic mode a Node server takes only a room of 20
// characters for a socket's id, and so addresses ours as rooms with a channel of their own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { cluster, standalone } from "../harness/redis-servers.mjs";
import { describeOurs, DYNAMIC } from "./buses.mjs";
import { ASK, World } from "./world.mjs";

const buses = { standalone, cluster };

for (const [name, start] of Object.entries(buses)) {
  describeOurs(`ids in dynamic mode, ${name}`, () => {
    let redis;
    let world;
    let ann;
    let nora;
    before(async () => {
      redis = await start();
      world = await World.start(redis, DYNAMIC, { servers: ["ours", "node"] });
      [ann, nora] = [await world.client(world.servers[0]), await world.client(world.servers[1])];
      world.answering([ann, nora], "who?", (ack, i) => ack(i));
    });
    after(async () => {
      await world?.stop();
      await redis?.stop();
    });

    test("they have 16 and 20 characters", () => {
      assert.deepEqual([ann.id.length, nora.id.length], [16, 20]);
    });

    for (const [title, caller, chosen, other] of [
      ["a Node server reaches a socket of ours", 1, () => ann, () => nora],
      ["one of ours reaches a socket of a Node server", 0, () => nora, () => ann],
    ]) {
      test(`${title} by its id`, async () => {
        world.caller = world.servers[caller];
        const [{ id }, nsp] = [chosen(), "/"];
        await world.caller.emit({ to: [id] }, "news", id);
        await world.hear([chosen()], "news", id);
        await world.silence([ann, nora], { room: id, members: [chosen()] });

        await world.caller.emit({ except: [id] }, "news", "not for it");
        await world.hear([other()], "news", "not for it");
        await world.silence([ann, nora]);

        assert.equal(await world.caller.askOne({ nsp, id, timeout: ASK }, "who?"), [ann, nora].indexOf(chosen()));
        await world.hear([chosen()], "who?");
        const { sockets } = await world.caller.fetchSockets({ to: [id] });
        assert.deepEqual(sockets.map((one) => one.id), [id]);
        await world.caller.socketsJoin({ to: [id] }, [title]);
        await world.inRooms(chosen(), title);
      });
    }

    test("a socket of ours that has gone takes its channel with it", async () => {
      const eve = await world.client(world.servers[0]);
      const channel = world.channelOf(eve.id);
      assert.equal(await redis.listeners(channel, { sharded: true }), 1);
      eve.close();
      await world.unheard(channel);
    });
  });
}
