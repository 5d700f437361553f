// socketsJoin, socketsLeave and disconnectSockets of a Node server and of the emitter act on our sockets.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { neighboursOf } from "../harness/neighbours.mjs";

const cluster = clusterForFile();
const neighbours = neighboursOf(cluster);

const rooms = async (client) => (await client.whoami()).rooms.sort();
const isIn = (client, ...expected) =>
  until(async () => (await rooms(client)).join() === expected.sort().join(), `${client.id} is in [${expected}]`);

for (const [name, hand] of Object.entries(neighbours.hands)) {
  describe(name, () => {
    const ours = (options) => Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace: "/chat", ...options })));

    test("lets all sockets join and leave", async () => {
      const clients = await ours();
      const room = freshRoom();
      hand().socketsJoin(room);
      for (const client of clients) await isIn(client, room);
      hand().to(room).emit("news", 1);
      for (const client of clients) await client.expect("news");
      hand().socketsLeave(room);
      for (const client of clients) await isIn(client);
    });

    test("lets the members of a room join and leave others", async () => {
      const [ann, bob, eve] = await ours();
      const [room, red, blue] = [freshRoom(), freshRoom("red"), freshRoom("blue")];
      for (const client of [ann, bob]) await client.join(room);
      hand().in(room).socketsJoin([red, blue]);
      for (const client of [ann, bob]) await isIn(client, room, red, blue);
      assert.deepEqual(await rooms(eve), []);
      // a room that they were put into is theirs like one they have joined
      await ann.ok("message", red, "thanks");
      await bob.hears("message", "thanks");
      hand().in(room).socketsLeave([red, blue]);
      for (const client of [ann, bob]) await isIn(client, room);
      await ann.refused("not_in_room", "message", red, "thanks");
    });

    test("moves a single socket by its id", async () => {
      const [ann, bob, eve] = await ours();
      const room = freshRoom();
      for (const client of [ann, bob, eve]) {
        hand().in(client.id).socketsJoin(room);
        await isIn(client, room);
      }
      hand().in(bob.id).socketsLeave(room);
      await isIn(bob);
      await ann.ok("message", room, "who is here?");
      await eve.hears("message", "who is here?");
      await nothingMore(ann, bob, eve);
    });

    test("leaves alone who is in an excepted room", async () => {
      const [ann, bob, eve] = await ours();
      const [room, quiet] = [freshRoom(), freshRoom("quiet")];
      await bob.join(quiet);
      hand().except(quiet).socketsJoin(room);
      await isIn(ann, room);
      await isIn(eve, room);
      // requests are in order: when this one is done, bob's node is through with the one before
      hand().in(bob.id).socketsJoin("lyon");
      await isIn(bob, quiet, "lyon");
      hand().in(bob.id).socketsLeave("lyon");
      await isIn(bob, quiet);
    });

    test("disconnects a room, and only from the namespace", async () => {
      const [ann, bob, eve] = await ours();
      const room = freshRoom();
      const lobby = await ann.also("/");
      for (const client of [ann, bob]) await client.join(room);
      hand().in(room).disconnectSockets();
      for (const client of [ann, bob]) assert.equal(await client.gone(), "io server disconnect");
      assert.deepEqual(eve.disconnects, []);
      await eve.join(room);
      await lobby.ok("message", "the lobby is still mine");
      assert.deepEqual(lobby.disconnects, []);
    });

    test("a room that is undefined is nobody's, not everybody's", async () => {
      const [ann, bob, eve] = await ours();
      hand().in(undefined).socketsJoin("paris");
      hand().in([undefined, null]).disconnectSockets();
      // requests are in order: when these are done, so are those before
      for (const client of [ann, bob, eve]) hand().in(client.id).socketsJoin("lyon");
      for (const client of [ann, bob, eve]) await isIn(client, "lyon");
    });

    test("disconnects a single socket by its id and closes its connection", async () => {
      const [ann, bob, eve] = await ours();
      const lobby = await bob.also("/");
      hand().in(bob.id).disconnectSockets(true);
      assert.equal(await bob.gone(), "io server disconnect");
      await lobby.gone();
      await until(() => bob.socket.io.engine.readyState === "closed", "the connection is closed");
      const room = freshRoom();
      for (const client of [ann, eve]) await client.join(room);
      await ann.ok("message", room, "still here");
      await eve.hears("message", "still here");
    });

    for (const transport of ["polling", "upgrade"]) {
      test(`disconnects clients on ${transport}, with and without closing`, async () => {
        for (const close of [false, true]) {
          const clients = await ours({ transport });
          const room = freshRoom();
          for (const client of clients) await client.join(room);
          hand().in(room).disconnectSockets(close);
          for (const client of clients) assert.equal(await client.gone(), "io server disconnect");
        }
      });
    }

    test("disconnects everybody in the namespace", async () => {
      const clients = await ours();
      const node = await neighbours.node.connect({ namespace: "/chat" });
      hand().disconnectSockets(true);
      for (const client of [...clients, node]) assert.equal(await client.gone(), "io server disconnect");
      const again = await ours();
      for (const client of again) await client.join(freshRoom());
    });
  });
}
