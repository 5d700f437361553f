import assert from "node:assert/strict";
import { test } from "node:test";
import { BALANCER } from "../harness/balancer.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";
import { kill } from "../harness/scripts.mjs";

inEveryMode("a node is lost", (transport) => {
  // Where the balancer sends requests anywhere, those that the lost node was just passing on for others are lost with it.
  const onlyItsOwn = BALANCER === "by-sid" || transport === "websocket";

  test("its clients go on by themselves on the others", async (t) => {
    const cluster = await Cluster.start();
    t.after(() => cluster.stop());
    const room = freshRoom();
    const free = () =>
      cluster.connect({ transport, namespace: "/chat", reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 500 });

    // the balancer spreads them: with two for each node all nodes have some
    const clients = await Promise.all(Array.from({ length: 2 * cluster.names.length }, free));
    for (const client of clients) {
      client.home = (await client.whoami()).node;
      // what an application does: join again after each connect
      client.socket.on("connect", () => client.emit("join", room));
      await client.join(room);
    }
    const lost = clients[0].home;
    const struck = clients.filter((client) => client.home === lost);
    const spared = clients.filter((client) => client.home !== lost);
    assert.ok(spared.length > 0, `all clients were on ${lost}`);

    await kill(cluster.node(lost).pid);
    const [first, ...others] = spared;
    if (onlyItsOwn) {
      await first.ok("message", room, "go on");
      for (const other of others) await other.hears("message", "go on");
    }

    for (const client of struck) await client.gone();
    for (const client of onlyItsOwn ? struck : clients) {
      await until(async () => client.connectedNow && (await client.whoami()).rooms.includes(room), "back in the room", 30_000);
      assert.notEqual((await client.whoami()).node, lost);
      await client.onTransport();
    }
    await struck[0].ok("message", room, "we are back");
    for (const client of clients.filter((one) => one !== struck[0])) await client.hears("message", "we are back");
    await first.ok("message", room, "welcome");
    for (const client of clients.filter((one) => one !== first)) await client.hears("message", "welcome");
    if (onlyItsOwn) for (const client of spared) assert.deepEqual(client.disconnects, [], "a client of another node was disturbed");
    await nothingMore(first, ...clients.filter((one) => one !== first));
  });
});
