// The nginx variant in front of three nodes.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { connect, TRANSPORTS } from "../harness/client.mjs";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { nginxBefore } from "../harness/nginx.mjs";
import { kill } from "../harness/scripts.mjs";

const cluster = clusterForFile();
let url;
before(async () => {
  await cluster.ready;
  url = await nginxBefore(cluster);
});

const connectHere = async (options) => cluster.keep(await connect(url, { namespace: "/chat", ...options }));

for (const transport of Object.keys(TRANSPORTS)) {
  describe(`deploy/nginx, ${transport}`, () => {
    test("relays cross the nodes", async () => {
      const clients = await Promise.all(cluster.names.map((pin) => connectHere({ pin, transport })));
      const room = freshRoom();
      for (const [i, client] of clients.entries()) {
        assert.equal((await client.whoami()).node, cluster.names[i]);
        await client.join(room);
      }
      for (const client of clients) {
        await client.ok("message", room, `from ${client.id}`);
        await client.ok("file", room, `file of ${client.id}`, Buffer.alloc(500_000, 1));
        for (const other of clients) {
          if (other === client) continue;
          await other.hears("message", `from ${client.id}`);
          const [, bytes] = await other.expect("file", (name) => name === `file of ${client.id}`);
          assert.deepEqual(bytes, Buffer.alloc(500_000, 1));
        }
      }
      await nothingMore(...clients);
    });

    test("a client stays where it is", async () => {
      const clients = await Promise.all(Array.from({ length: 6 }, () => connectHere({ transport })));
      const nodes = new Set();
      for (const client of clients) {
        const { node } = await client.whoami();
        nodes.add(node);
        for (let i = 0; i < 3; i += 1) assert.equal((await client.whoami()).node, node);
      }
      assert.ok(nodes.size > 1, `all six went to ${[...nodes]}`);
    });

    if (transport === "upgrade") return;
    test("a client of the 2.x line is served", async () => {
      const [ann, bob] = [await connectHere({ pin: "node-1", transport, eio3: true }), await connectHere({ pin: "node-2", transport })];
      const room = freshRoom();
      for (const client of [ann, bob]) await client.join(room);
      await ann.ok("message", room, "old to new");
      await bob.hears("message", "old to new");
      await bob.ok("message", room, "new to old");
      await ann.hears("message", "new to old");
    });
  });
}

describe("deploy/nginx", () => {
  test("serves the page", async () => {
    assert.match(await (await fetch(url)).text(), /<html/);
  });

  test("a node is lost: its clients go on by themselves on the others", async () => {
    const reconnecting = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 500 };
    const [ann, bob] = [await connectHere({ pin: "node-1", ...reconnecting }), await connectHere({ pin: "node-2" })];
    const room = freshRoom();
    for (const client of [ann, bob]) await client.join(room);
    await kill(cluster.node("node-1").pid);
    await ann.gone();
    await until(() => ann.connectedNow, "Ann is connected again", 30_000);
    assert.notEqual((await ann.whoami()).node, "node-1");
    await ann.join(room);
    await ann.ok("message", room, "back again");
    await bob.hears("message", "back again");
    await bob.ok("message", room, "welcome");
    await ann.hears("message", "welcome");
  });
});
