// Events to many clients on many servers.
import assert from "node:assert/strict";
import { freshRoom } from "../world.mjs";
import { story } from "./story.mjs";

export const broadcasts = [
  story("to all clients", async (world) => {
    const people = await world.people();
    const args = [1, "2", Buffer.from([3, 4]), { deep: [{ bytes: Buffer.from("abc") }, null, true] }];
    await world.caller.emit({}, "news", ...args);
    await world.hear(people, "news", ...args);
    await world.silence(people);
  }),

  story("to all clients in a namespace, and only there", async (world) => {
    const [customs, mains] = [await world.people("/custom"), await world.people()];
    await world.caller.emit({ nsp: "/custom" }, "news", "for some");
    await world.hear(customs, "news", "for some");
    await world.silence(customs, { nsp: "/custom" });
    await world.silence(mains);
  }),

  story("to all clients in a room", async (world) => {
    const people = await world.people();
    const [ann, , eve] = people;
    const room = freshRoom();
    await world.join(room, ann, eve);
    await world.caller.emit({ to: [room] }, "news", "for the room");
    await world.hear([ann, eve], "news", "for the room");
    await world.silence(people, { room, members: [ann, eve] });
  }),

  story("to a room of one namespace, and not to the same room of another", async (world) => {
    const [customs, mains] = [await world.people("/custom"), await world.people()];
    const room = freshRoom();
    await world.join(room, ...customs, ...mains);
    await world.caller.emit({ nsp: "/custom", to: [room] }, "news", 1);
    await world.hear(customs, "news", 1);
    await world.silence(customs, { nsp: "/custom", room, members: customs });
    await world.silence(mains, { room, members: mains });
  }),

  story("to all clients except those in a room", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const room = freshRoom("quiet");
    await world.join(room, bob);
    await world.caller.emit({ except: [room] }, "news", "not for bob");
    await world.hear([ann, eve], "news", "not for bob");
    await world.silence(people);
  }),

  story("to a room except one socket of it", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const room = freshRoom();
    await world.join(room, ...people);
    for (const loner of [ann, bob, eve]) {
      await world.caller.emit({ to: [room], except: [loner.id] }, "news", loner.id);
      await world.hear(people.filter((one) => one !== loner), "news", loner.id);
    }
    await world.silence(people, { room, members: people });
  }),

  story("to two rooms, once to who is in both", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const [red, blue] = [freshRoom("red"), freshRoom("blue")];
    await world.join(red, ann, eve);
    await world.join(blue, bob, eve);
    await world.caller.emit({ to: [red, blue] }, "news", "for both");
    await world.hear(people, "news", "for both");
    await world.silence(people);
  }),

  story("to a room that nobody is in", async (world) => {
    const people = await world.people();
    await world.caller.emit({ to: [freshRoom()] }, "news", "lost");
    await world.silence(people);
  }),

  story(
    "to local clients only",
    async (world) => {
      const people = await world.people();
      const room = freshRoom();
      await world.join(room, ...people);
      const near = people.filter((one) => world.isLocal(one));
      await world.caller.emit({ flags: { local: true } }, "news", "near");
      await world.hear(near, "news", "near");
      await world.caller.emit({ to: [room], flags: { local: true } }, "news", "nearer");
      await world.hear(near, "news", "nearer");
      await world.silence(people, { room, members: people });
    },
    { needs: ["local clients"] },
  ),

  story("to a single client by its id", async (world) => {
    const people = await world.people();
    for (const client of people) {
      await world.caller.emit({ to: [client.id] }, "news", client.id);
      await world.hear([client], "news", client.id);
      await world.silence(people, { room: client.id, members: [client] });
    }
  }),

  story("to two clients by their ids", async (world) => {
    const people = await world.people();
    const [ann, , eve] = people;
    await world.caller.emit({ to: [ann.id, eve.id] }, "news", "for two");
    await world.hear([ann, eve], "news", "for two");
    await world.silence(people);
  }),

  story("to rooms whose names are full of signs", async (world) => {
    const people = await world.people();
    const [ann, bob] = people;
    const rooms = ["#", "a#b#", "*", "?[x]\\", "🏔 é", "/custom#", "{slot}", "x".repeat(300)];
    // as long as the ids of Node's sockets and of ours
    rooms.push("room-of-20-characters".slice(1), "room-of-16-chars");
    await world.join(rooms, ann);
    for (const room of rooms) {
      await world.caller.emit({ to: [room] }, "news", room);
      await world.hear([ann], "news", room);
    }
    await world.silence([ann, bob]);
  }),

  story(
    "to a room whose name is a number",
    async (world) => {
      const people = await world.people();
      const [ann, , eve] = people;
      await world.join(123, ann, eve);
      await world.caller.emit({ to: [123] }, "news", "to a number");
      await world.hear([ann, eve], "news", "to a number");
      await world.silence(people, { room: 123, members: [ann, eve] });
    },
    { needs: ["numeric rooms"] },
  ),

  story("volatile, to clients who are there", async (world) => {
    const people = await world.people();
    await world.caller.emit({ flags: { volatile: true } }, "news", "now");
    await world.hear(people, "news", "now");
    await world.silence(people);
  }),

  story("with half a megabyte of bytes", async (world) => {
    const people = await world.people();
    const bytes = Buffer.alloc(500_000, "roomcast");
    await world.caller.emit({}, "file", bytes, "a name");
    await world.hear(people, "file", bytes, "a name");
  }),

  story("without arguments, and with texts of all kinds", async (world) => {
    const people = await world.people();
    await world.caller.emit({}, "nothing");
    await world.hear(people, "nothing");
    const texts = ["", "é", "🎉", "\u0000", "\u2028", '"quoted\\"', { "ключ": ["x".repeat(70_000)] }];
    await world.caller.emit({}, "texts", ...texts);
    await world.hear(people, "texts", ...texts);
  }),

  story(
    "a hundred in a row, and they come in order",
    async (world) => {
      const people = await world.people();
      const room = freshRoom();
      await world.join(room, ...people);
      const numbers = [...Array(100).keys()];
      for (const n of numbers) await world.caller.emit({ to: [room] }, "count", n);
      for (const client of people) {
        await client.expect("count", (n) => n === 99);
        assert.deepEqual(client.drain("count").map(([n]) => n), numbers.slice(0, 99));
      }
    },
    { needs: ["order"] },
  ),

  story(
    "a last packet before all sockets are disconnected",
    async (world) => {
      const people = await world.people();
      await world.caller.emit({}, "bye", "see you");
      await world.caller.disconnectSockets({});
      await world.hear(people, "bye", "see you");
      for (const client of people) assert.equal(await client.gone(), "io server disconnect");
    },
    { needs: ["order"] },
  ),
];
