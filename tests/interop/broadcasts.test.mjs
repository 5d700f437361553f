// What a Node server and an emitter in the same Redis send reaches our clients as it reaches Node's own.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { nodeServer } from "../harness/node-server.mjs";
import { emitterOf } from "../harness/redis.mjs";

const cluster = clusterForFile();
let neighbour;
let emitter;
before(async () => {
  neighbour = await nodeServer(cluster);
  emitter = await emitterOf(cluster);
});

const SENDERS = {
  "a Node server": { of: (namespace) => neighbour.io.of(namespace) },
  "the emitter": { of: (namespace) => emitter.of(namespace) },
};

for (const [name, sender] of Object.entries(SENDERS)) {
  describe(name, () => {
    const ours = (namespace = "/chat") =>
      Promise.all(cluster.names.map((node) => cluster.connect({ node, namespace })));
    const theirs = (namespace = "/chat") => neighbour.connect({ namespace });

    /** All of these hear it with these arguments, and nobody heard anything before it that the test has not taken. */
    async function allHear(clients, event, ...args) {
      for (const client of clients) {
        assert.deepEqual(await client.expect(event), args);
        assert.deepEqual(client.unread, []);
      }
    }

    /** One publisher's messages are in order, so this one proves what did not come before. */
    async function nothingElse(namespace, clients) {
      sender.of(namespace).emit("done", 1);
      await allHear(clients, "done", 1);
    }

    test("broadcasts to all", async () => {
      const clients = [...(await ours()), await theirs()];
      sender.of("/chat").emit("news", "for all", { a: [1, "2", null] });
      await allHear(clients, "news", "for all", { a: [1, "2", null] });
    });

    test("broadcasts in a namespace, and only there", async () => {
      const chat = await ours("/chat");
      const lobby = await ours("/");
      const readers = await ours("/public");
      sender.of("/public").emit("announcement", "sale!");
      await allHear(readers, "announcement", "sale!");
      sender.of("/").emit("lobby", 1);
      await allHear(lobby, "lobby", 1);
      await nothingElse("/chat", chat);
      await nothingElse("/public", readers);
    });

    test("broadcasts to a room", async () => {
      const [ann, bob, eve] = await ours();
      const room = freshRoom();
      await ann.join(room);
      await eve.join(room);
      sender.of("/chat").to(room).emit("news", "for the room");
      await allHear([ann, eve], "news", "for the room");
      await nothingElse("/chat", [ann, bob, eve]);
    });

    test("broadcasts to a room whose name is full of signs", async () => {
      const [ann, bob] = await ours();
      for (const room of ["room:#", "room:a#b#", "room:*", "room:?[x]\\", "room:🏔 é", "room:/chat#"]) {
        await ann.join(room);
        sender.of("/chat").to(room).emit("news", room);
        await allHear([ann], "news", room);
      }
      await nothingElse("/chat", [ann, bob]);
    });

    test("broadcasts to several rooms: who is in two of them hears it once", async () => {
      const [ann, bob, eve] = await ours();
      const stranger = await cluster.connect({ node: "node-1", namespace: "/chat" });
      const [red, blue] = [freshRoom("red"), freshRoom("blue")];
      await ann.join(red);
      await bob.join(blue);
      await eve.join(red);
      await eve.join(blue);
      sender.of("/chat").to(red).to(blue).emit("news", "for both");
      await allHear([ann, bob, eve], "news", "for both");
      await nothingElse("/chat", [ann, bob, eve, stranger]);
    });

    test("broadcasts except rooms, except sockets", async () => {
      const [ann, bob, eve] = await ours();
      const [all, quiet] = [freshRoom("all"), freshRoom("quiet")];
      for (const client of [ann, bob, eve]) await client.join(all);
      await bob.join(quiet);
      sender.of("/chat").to(all).except(quiet).emit("news", 1);
      await allHear([ann, eve], "news", 1);
      sender.of("/chat").except(eve.id).emit("news", 2);
      await allHear([ann, bob], "news", 2);
      sender.of("/chat").except([ann.id, quiet]).emit("news", 3);
      await allHear([eve], "news", 3);
      await nothingElse("/chat", [ann, bob, eve]);
    });

    test("a room that is undefined is nobody's, not everybody's", async () => {
      const clients = await ours();
      sender.of("/chat").to(undefined).emit("news", "lost");
      sender.of("/chat").to([undefined, null]).emit("news", "lost");
      await nothingElse("/chat", clients);
    });

    test("sends to a single socket by its id", async () => {
      const [ann, bob, eve] = await ours();
      for (const client of [ann, bob, eve]) {
        sender.of("/chat").to(client.id).emit("news", client.id);
        await allHear([client], "news", client.id);
      }
      await nothingElse("/chat", [ann, bob, eve]);
    });

    test("sends binary", async () => {
      const clients = await ours();
      const args = [Buffer.from([0, 1, 255]), { deep: [{ bytes: Buffer.from("abc") }, "text"] }, Buffer.alloc(0)];
      sender.of("/chat").emit("file", ...args);
      await allHear(clients, "file", ...args);
      const big = Buffer.alloc(500_000, 7);
      sender.of("/chat").emit("file", big);
      await allHear(clients, "file", big);
    });

    test("sends volatile and uncompressed", async () => {
      const clients = await ours();
      sender.of("/chat").volatile.emit("tick", 1);
      await allHear(clients, "tick", 1);
      sender.of("/chat").compress(false).emit("tick", 2);
      await allHear(clients, "tick", 2);
    });

    test("reaches clients on polling and of the 2.x line", async () => {
      const clients = [
        await cluster.connect({ node: "node-1", namespace: "/chat", transport: "polling" }),
        await cluster.connect({ node: "node-2", namespace: "/chat", transport: "upgrade" }),
        await cluster.connect({ node: "node-3", namespace: "/chat", eio3: true }),
        await cluster.connect({ node: "node-1", namespace: "/chat", eio3: true, transport: "polling" }),
      ];
      sender.of("/chat").emit("news", "for young and old", Buffer.from("bytes"), { deep: Buffer.from("more") });
      await allHear(clients, "news", "for young and old", Buffer.from("bytes"), { deep: Buffer.from("more") });
    });

    test("keeps two hundred messages in order", async () => {
      const clients = await ours();
      const room = freshRoom();
      for (const client of clients) await client.join(room);
      for (let n = 0; n < 200; n += 1) sender.of("/chat").to(room).emit("count", n);
      for (const client of clients) {
        await client.expect("count", (n) => n === 199);
        assert.deepEqual(client.drain("count").map(([n]) => n), [...Array(199).keys()]);
      }
    });

    // Node's own client is the judge of how a value of JavaScript looks on the other side.
    const VALUES = {
      dates: [new Date(0), new Date(1_795_220_000_123), new Date(-1), { at: new Date(2 ** 34 * 1000 + 5) }],
      nothing: [undefined, null, [undefined, null], { gone: undefined, nothing: null }],
      "not a number": [Number.NaN, Infinity, -Infinity, -0, { n: Number.NaN }],
      numbers: [0, -1, 1.5, 255, 65_536, 2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 63 - 1024, 1e-7],
      strings: ["", "é", "🎉", "\u0000", "\u2028", "x".repeat(70_000)],
      collections: [new Map([[1, 2]]), new Set([1]), new Error("no")],
      "objects with toJSON": [{ toJSON: () => ({ plain: true }) }, { deep: { toJSON: () => [1] } }],
      buffers: [{ a: Buffer.from("a"), list: [Buffer.from("b"), null, { c: Buffer.from("c") }] }, new Uint8Array([1, 2]), new Uint8Array([3]).buffer],
      "buffers beside dates": [Buffer.from("x"), new Date(5), undefined, { when: new Date(6), bytes: Buffer.from("y") }],
      placeholders: [{ _placeholder: true, num: 0 }],
      "no argument": [],
    };
    for (const [kind, args] of Object.entries(VALUES)) {
      // a client of the emitter's own does not exist: the Node server hears the emitter like we do
      test(`sends ${kind} so that our clients hear what Node's hear`, async () => {
        const node = await theirs();
        const clients = [...(await ours()), await cluster.connect({ namespace: "/chat", transport: "polling" })];
        sender.of("/chat").emit("news", ...args);
        const judged = await node.expect("news");
        await allHear(clients, "news", ...judged);
      });
    }
  });
}
