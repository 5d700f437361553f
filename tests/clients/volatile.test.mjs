// A volatile event is worth something only now: for a client that is not ready, only the latest one waits.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { fence, freshRoom } from "../harness/fence.mjs";
import { SlowPoller } from "../harness/polling.mjs";

const cluster = clusterForFile();
const NUMBERS = [...Array(20).keys()];

for (const [where, senderNode] of Object.entries({ "on the sender's node": "node-1", "on another node": "node-2" })) {
  describe(`a client ${where} that does not poll`, () => {
    /** It sleeps in a room on node-1, where a witness on the same node is awake. */
    async function asleep() {
      const sender = await cluster.connect({ direct: senderNode, namespace: "/chat" });
      const witness = await cluster.connect({ direct: "node-1", namespace: "/chat" });
      const sleeper = await SlowPoller.connect(cluster.node("node-1").url);
      const room = freshRoom();
      for (const client of [sender, witness]) await client.join(room);
      await sleeper.request("join", room);
      return { sender, witness, sleeper, room };
    }

    /** When the witness has this behind it, it has been laid out for the sleeper, too. */
    async function sayLast({ sender, witness, room }) {
      await sender.ok("message", room, "last");
      await witness.hears("message", "last");
      await fence(sender, witness);
    }

    const awake = async (sleeper) => {
      const events = await sleeper.events((event, text) => event === "message" && text === "last");
      return (wanted) => events.filter(([event]) => event === wanted).map(([, what]) => what);
    };

    test("finds of twenty volatile events the latest, and the message behind them", async () => {
      const scene = await asleep();
      for (const n of NUMBERS) await scene.sender.ok("typing", scene.room, n);
      await sayLast(scene);
      const heard = await awake(scene.sleeper);
      assert.deepEqual(heard("typing"), [NUMBERS.at(-1)]);
      assert.deepEqual(heard("message"), ["last"]);
      await scene.sleeper.close();
    });

    test("finds twenty messages in order", async () => {
      const scene = await asleep();
      for (const n of NUMBERS) await scene.sender.ok("message", scene.room, n);
      await sayLast(scene);
      const heard = await awake(scene.sleeper);
      assert.deepEqual(heard("message"), [...NUMBERS, "last"]);
      assert.deepEqual(heard("typing"), []);
      await scene.sleeper.close();
    });

    test("hears the next volatile event when it is awake again", async () => {
      const scene = await asleep();
      for (const word of ["first", "second"]) {
        await scene.sender.ok("typing", scene.room, word);
        await sayLast(scene);
        assert.deepEqual((await awake(scene.sleeper))("typing"), [word]);
      }
      await scene.sleeper.close();
    });
  });
}
