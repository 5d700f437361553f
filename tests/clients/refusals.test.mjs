import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom, nothingMore } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();
const MUST_BE_A_ROOM = ["", `room:${"x".repeat(124)}`, `room:${"é".repeat(62)}`, 7, 1.5, null, true, { room: "paris" }, ["paris"]];

inEveryMode("refusals", (transport) => {
  const on = (namespace) => cluster.connect({ node: "node-1", transport, namespace });

  /** After a refusal the same connection still does what it should. */
  async function stillUsable(client) {
    const room = freshRoom();
    const other = await cluster.connect({ node: "node-2", transport, namespace: "/chat" });
    await client.join(room);
    await other.join(room);
    await client.ok("message", room, "still here");
    await other.hears("message", "still here");
    await other.ok("message", room, "so am I");
    await client.hears("message", "so am I");
    assert.deepEqual(client.disconnects, []);
  }

  test("unknown_event: no rule, in any namespace", async () => {
    const chat = await on("/chat");
    await chat.refused("unknown_event", "shout", "paris", "hey");
    await chat.refused("unknown_event", "announcement", "hey");
    await chat.refused("unknown_event", "", "hey");
    await chat.refused("unknown_event", "x".repeat(500));
    await stillUsable(chat);

    const lobby = await on("/");
    await lobby.refused("unknown_event", "typing", "paris");
    await lobby.ok("message", "still here");
  });

  test("server_only: clients cannot publish in /public", async () => {
    const reader = await on("/public");
    await reader.refused("server_only", "announcement", "sale!");
    await reader.refused("unknown_event", "message", "hey");
    assert.equal((await reader.whoami()).namespace, "/public");
  });

  test("room_not_allowed: rooms that no pattern names", async () => {
    const chat = await on("/chat");
    for (const room of ["berlin", "Paris", "paris ", "xroom:1", "room", chat.id]) {
      await chat.refused("room_not_allowed", "join", room);
    }
    assert.deepEqual((await chat.whoami()).rooms, []);
    await stillUsable(chat);

    for (const namespace of ["/", "/public"]) {
      await (await on(namespace)).refused("room_not_allowed", "join", "paris");
    }
  });

  test("invalid_room: missing, empty, over 128 bytes, or not a string", async () => {
    const chat = await on("/chat");
    for (const event of ["join", "leave", "message", "typing", "file"]) await chat.refused("invalid_room", event);
    for (const room of MUST_BE_A_ROOM) {
      await chat.refused("invalid_room", "join", room);
      await chat.refused("invalid_room", "leave", room);
      await chat.refused("invalid_room", "message", room, "hey");
    }
    await stillUsable(chat);
  });

  test("not_in_room: who has not joined may not speak", async () => {
    const [ann, bob] = [await on("/chat"), await on("/chat")];
    const room = freshRoom();
    await bob.join(room);
    for (const event of ["message", "typing", "here"]) await ann.refused("not_in_room", event, room, { hey: 1 });
    await ann.refused("not_in_room", "file", room, Buffer.from("hey"));
    await ann.refused("not_in_room", "message", bob.id, "straight to your own room");
    await nothingMore(ann, bob);
    await stillUsable(ann);
  });

  test("invalid_arguments: binary where it is not allowed", async () => {
    const [ann, bob] = [await on("/chat"), await on("/chat")];
    const room = freshRoom();
    await ann.join(room);
    await bob.join(room);
    const bytes = Buffer.from([1, 2, 3]);
    for (const event of ["message", "typing", "here"]) {
      await ann.refused("invalid_arguments", event, room, bytes);
      await ann.refused("invalid_arguments", event, room, { deep: [{ inside: bytes }] });
    }
    const lobby = await on("/");
    await lobby.refused("invalid_arguments", "message", bytes);
    await nothingMore(ann, bob);
    await stillUsable(ann);
  });

  test("payload_too_large: over the limit of the event", async () => {
    const [ann, bob] = [await on("/chat"), await on("/chat")];
    const room = freshRoom();
    await ann.join(room);
    await bob.join(room);
    await ann.ok("message", room, "x".repeat(65_000));
    await bob.expect("message");
    await ann.refused("payload_too_large", "message", room, "x".repeat(66_000));
    await ann.refused("payload_too_large", "message", room, ...Array(100).fill("x".repeat(700)));
    await ann.refused("payload_too_large", "message", room, "é".repeat(40_000));
    await ann.refused("payload_too_large", "file", room, Buffer.alloc(710_000));
    await ann.refused("payload_too_large", "file", room, Buffer.alloc(360_000), Buffer.alloc(360_000));
    await nothingMore(ann, bob);
    await stillUsable(ann);
  });

  test("too_many_rooms: a client cannot join without end", async () => {
    const chat = await on("/chat");
    let joined = 0;
    let refusal;
    while (!refusal && joined < 5000) {
      const rooms = Array.from({ length: 50 }, (_, i) => `room:many-${joined + i}`);
      const acks = await Promise.all(rooms.map((room) => chat.request("join", room)));
      refusal = acks.find((ack) => !ack.ok);
      joined += acks.filter((ack) => ack.ok).length;
    }
    assert.equal(refusal?.code, "too_many_rooms");
    assert.equal((await chat.whoami()).rooms.length, joined);
    await chat.leave("room:many-0");
    await chat.leave("room:many-1");
    await stillUsable(chat);
  });

  test("without an ack a refusal is silent, but counted", async () => {
    const [ann, bob] = [await on("/chat"), await on("/chat")];
    const room = freshRoom();
    await ann.join(room);
    await bob.join(room);
    const silent = [
      ["unknown_event", "shout", room, "hey"],
      ["room_not_allowed", "join", "berlin"],
      ["invalid_room", "join", 7],
      ["not_in_room", "message", freshRoom(), "hey"],
      ["invalid_arguments", "message", room, Buffer.from("hey")],
      ["payload_too_large", "message", room, "x".repeat(70_000)],
    ];
    for (const [code, event, ...args] of silent) {
      const counted = () => cluster.metric("node-1", "roomcast_refusals_total", { code });
      const before = await counted();
      ann.emit(event, ...args);
      await until(async () => (await counted()) === before + 1, `${code} is counted once more`);
    }
    await nothingMore(ann, bob);
    await nothingMore(bob, ann);
    assert.deepEqual(ann.disconnects, []);
  });
});
