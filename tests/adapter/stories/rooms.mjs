// What one server makes the sockets of all servers do: join, leave, go.
import assert from "node:assert/strict";
import { until } from "../../harness/deadline.mjs";
import { freshRoom } from "../world.mjs";
import { story } from "./story.mjs";

export const rooms = [
  story("socketsJoin: all sockets join", async (world) => {
    const people = await world.people();
    const [red, blue] = [freshRoom("red"), freshRoom("blue")];
    await world.caller.socketsJoin({}, [red, blue]);
    for (const client of people) await world.inRooms(client, red, blue);
  }),

  story("socketsJoin: the sockets of a room join", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const [room, red] = [freshRoom(), freshRoom("red")];
    await world.join(room, ann, eve);
    await world.caller.socketsJoin({ to: [room] }, [red]);
    for (const client of [ann, eve]) await world.inRooms(client, room, red);
    await world.silence(people);
    await world.inRooms(bob);
  }),

  story("socketsJoin: a given socket joins", async (world) => {
    const people = await world.people();
    for (const [i, chosen] of people.entries()) {
      const room = freshRoom(`of-${i}`);
      await world.caller.socketsJoin({ to: [chosen.id] }, [room]);
      await world.inRooms(chosen, room);
    }
    await world.silence(people);
    for (const client of people) assert.equal((await world.roomsOf(client)).length, 2);
  }),

  story("socketsJoin: except the sockets of a room", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const [quiet, red] = [freshRoom("quiet"), freshRoom("red")];
    await world.join(quiet, bob);
    await world.caller.socketsJoin({ except: [quiet] }, [red]);
    for (const client of [ann, eve]) await world.inRooms(client, red);
    await world.silence(people);
    await world.inRooms(bob, quiet);
  }),

  story("socketsJoin: who was made to join hears the room", async (world) => {
    const people = await world.people();
    const [ann, bob] = people;
    const room = freshRoom();
    await world.caller.socketsJoin({ to: [ann.id, bob.id] }, [room]);
    for (const client of [ann, bob]) await world.inRooms(client, room);
    await world.join(room, ann, bob);
    await world.caller.emit({ to: [room] }, "news", "welcome");
    await world.hear([ann, bob], "news", "welcome");
    await world.silence(people, { room, members: [ann, bob] });
  }),

  story("socketsLeave: all sockets leave", async (world) => {
    const people = await world.people();
    const [red, blue, kept] = [freshRoom("red"), freshRoom("blue"), freshRoom("kept")];
    await world.join([red, blue, kept], ...people);
    await world.caller.socketsLeave({}, [red, blue]);
    for (const client of people) await world.inRooms(client, kept);
  }),

  story("socketsLeave: the sockets of a room leave", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const [room, red] = [freshRoom(), freshRoom("red")];
    await world.join([room, red], ann, bob);
    await world.join(red, eve);
    await world.caller.socketsLeave({ to: [room] }, [red]);
    for (const client of [ann, bob]) await world.inRooms(client, room);
    await world.silence(people);
    await world.inRooms(eve, red);
  }),

  story("socketsLeave: a given socket leaves, and hears the room no more", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const room = freshRoom();
    await world.join(room, ...people);
    await world.caller.socketsLeave({ to: [bob.id] }, [room]);
    await world.inRooms(bob);
    await world.caller.emit({ to: [room] }, "news", "without bob");
    await world.hear([ann, eve], "news", "without bob");
    await world.silence(people, { room, members: [ann, eve] });
  }),

  story(
    "socketsJoin, socketsLeave, disconnectSockets: local sockets only",
    async (world) => {
      const people = await world.people();
      const [red, blue] = [freshRoom("red"), freshRoom("blue")];
      const near = people.filter((one) => world.isLocal(one));
      const far = people.filter((one) => !world.isLocal(one));
      await world.join(red, ...people);
      const here = { flags: { local: true } };
      await world.caller.socketsJoin(here, [blue]);
      await world.caller.socketsLeave(here, [red]);
      for (const client of near) await world.inRooms(client, blue);
      await world.silence(people);
      for (const client of far) await world.inRooms(client, red);
      await world.caller.disconnectSockets(here);
      for (const client of near) assert.equal(await client.gone(), "io server disconnect");
      await world.silence(far);
      for (const client of far) assert.deepEqual(client.disconnects, []);
    },
    { needs: ["local clients"] },
  ),

  story("disconnectSockets: all are disconnected", async (world) => {
    const people = await world.people();
    await world.caller.disconnectSockets({});
    for (const client of people) assert.equal(await client.gone(), "io server disconnect");
  }),

  story("disconnectSockets: those of a room are disconnected", async (world) => {
    const [ann, bob, eve] = await world.people();
    const room = freshRoom();
    await world.join(room, ann, eve);
    await world.caller.disconnectSockets({ to: [room] });
    for (const client of [ann, eve]) assert.equal(await client.gone(), "io server disconnect");
    await world.silence([bob]);
    assert.deepEqual(bob.disconnects, []);
  }),

  story("disconnectSockets: a given one is disconnected, in its namespace only", async (world) => {
    const people = await world.people();
    for (const [i, main] of people.entries()) {
      const custom = world.keep(await main.also("/custom"), main.server);
      await world.caller.disconnectSockets({ nsp: "/custom", to: [custom.id] });
      assert.equal(await custom.gone(), "io server disconnect");
      await world.silence(people);
      assert.deepEqual(people.map((one) => one.disconnects), people.map(() => []), `after number ${i}`);
    }
  }),

  story("disconnectSockets: with its connection, and so in all namespaces", async (world) => {
    const people = await world.people();
    const [ann, bob, eve] = people;
    const customs = await Promise.all(people.map(async (one) => world.keep(await one.also("/custom"), one.server)));
    await world.caller.disconnectSockets({ to: [ann.id, bob.id] }, true);
    for (const client of [ann, bob, customs[0], customs[1]]) await client.gone();
    for (const { socket } of [ann, bob]) {
      await until(() => socket.io.engine.readyState === "closed", "the connection is closed");
    }
    await world.silence([eve]);
    await world.silence([customs[2]], { nsp: "/custom" });
    assert.deepEqual([...eve.disconnects, ...customs[2].disconnects], []);
  }),
];
