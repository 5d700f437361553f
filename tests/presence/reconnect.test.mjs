// A user whose connection breaks and who is back soon has never been away; one who is not, has gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshRoom } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";
import { enter, LINGER, presenceForFile, Watch } from "./world.mjs";

const cluster = presenceForFile();
const team = (user, options) => enter(cluster, user, options);

inEveryMode("a user who is disconnected", (transport) => {
  for (const [where, node] of Object.entries({ "on the same node": "node-1", "on another node": "node-2" })) {
    test(`and is back in time, ${where}, was never away`, async () => {
      const room = freshRoom();
      const watches = [];
      for (const at of cluster.names) watches.push(await Watch.join(await team(`watch-${at}`, { node: at }), room));
      const [ann, mark] = [await team("ann", { node: "node-1", transport }), await team("mark", { node: "node-1", transport })];
      for (const client of [ann, mark]) await client.join(room);
      for (const watch of watches) await watch.sees("ann", "mark", "watch-node-1", "watch-node-2", "watch-node-3");

      ann.close();
      const back = await team("ann", { node, transport });
      const { presence } = await back.join(room);
      assert.equal(presence.count, 5);
      // Of the same node, and later: when this one is told to be gone, ann would have been.
      mark.close();
      for (const watch of watches) {
        await watch.sees("ann", "watch-node-1", "watch-node-2", "watch-node-3");
        assert.deepEqual(watch.told.filter((name) => name.endsWith("ann")).slice(1), [], "nobody hears of it");
      }
    });
  }

  test("and is not back has gone, on all nodes, once", async () => {
    const room = freshRoom();
    const watches = [];
    for (const node of cluster.names) watches.push(await Watch.join(await team(`watch-${node}`, { node }), room));
    const ann = await team("ann", { node: "node-1", transport });
    await ann.join(room);
    for (const watch of watches) await watch.sees("ann", "watch-node-1", "watch-node-2", "watch-node-3");
    const began = Date.now();
    ann.close();
    for (const watch of watches) await watch.sees("watch-node-1", "watch-node-2", "watch-node-3");
    assert.ok(Date.now() - began >= LINGER - 100, `it took only ${Date.now() - began} ms`);
    const again = await team("ann", { node: "node-2", transport });
    await again.join(room);
    for (const watch of watches) {
      await watch.sees("ann", "watch-node-1", "watch-node-2", "watch-node-3");
      assert.deepEqual(watch.told.filter((name) => name.endsWith("ann")), ["+ann", "-ann", "+ann"]);
    }
  });
});
