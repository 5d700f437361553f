import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { fence, freshRoom } from "../harness/fence.mjs";
import { inEveryMode } from "../harness/modes.mjs";

const cluster = clusterForFile();
const CLIENTS = 30;
const EACH = 200;
const IN_FLIGHT = 10;

inEveryMode("a crowd", (transport) => {
  /** Thirty clients, ten on each node: every third only in red, every third only in blue, every third in both. */
  async function crowd() {
    const [red, blue] = [freshRoom("red"), freshRoom("blue")];
    const places = [[red], [blue], [red, blue]];
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async (_, i) => {
        const node = cluster.names[i % cluster.names.length];
        const client = await cluster.connect({ node, transport, namespace: "/chat" });
        client.rooms = places[Math.floor(i / cluster.names.length) % places.length];
        for (const room of client.rooms) await client.join(room);
        return client;
      }),
    );
    return { clients, red, blue };
  }

  const members = (clients, room) => clients.filter((client) => client.rooms.includes(room));

  test("everybody speaks once: exactly the right ones hear it, once", async () => {
    const { clients, red, blue } = await crowd();
    const expected = new Map(clients.map((client) => [client, []]));
    await Promise.all(
      clients.flatMap((client, i) =>
        client.rooms.map(async (room) => {
          const text = `${i} in ${room}`;
          for (const other of members(clients, room)) if (other !== client) expected.get(other).push(text);
          await client.ok("message", room, text);
        }),
      ),
    );
    for (const client of clients) {
      await until(() => client.unread.length >= expected.get(client).length, `${client.id} has heard all`);
    }
    // a second copy, or a message for the other room, would come before these
    for (const room of [red, blue]) {
      const [first, ...rest] = members(clients, room);
      await fence(first, ...rest);
    }
    for (const client of clients) {
      const heard = client.unread.map(([, text, meta]) => {
        assert.ok(text.endsWith(`in ${meta.room}`));
        assert.equal(clients[Number.parseInt(text, 10)].id, meta.from);
        return text;
      });
      assert.deepEqual(heard.sort(), expected.get(client).sort());
    }
  });

  test("what one client sends arrives in order, on every node", async () => {
    const { clients, red, blue } = await crowd();
    // one of each node in each room
    const senders = [red, blue].flatMap((room) => {
      const own = clients.filter((client) => client.rooms.length === 1 && client.rooms[0] === room);
      return own.slice(0, cluster.names.length).map((client) => ({ client, room }));
    });
    assert.equal(new Set(senders.map(({ client }) => client.id)).size, 2 * cluster.names.length);

    await Promise.all(
      senders.map(async ({ client, room }) => {
        for (let n = 0; n < EACH; n += IN_FLIGHT) {
          const some = Array.from({ length: IN_FLIGHT }, (_, i) => client.ok("message", room, n + i));
          await Promise.all(some);
        }
      }),
    );
    for (const { client, room } of senders) {
      for (const other of members(clients, room)) {
        if (other === client) continue;
        const heard = () => other.unread.filter(([, , meta]) => meta.from === client.id);
        await until(() => heard().length >= EACH, `${other.id} has heard all ${EACH} of ${client.id}`);
        assert.deepEqual(heard().map(([, n]) => n), [...Array(EACH).keys()]);
      }
      assert.deepEqual(client.unread.filter(([, , meta]) => meta.from === client.id), [], "no echo");
    }
  });

  test("a burst of one client arrives in order, with and without acks", async () => {
    const { clients, red } = await crowd();
    const [sender, ...others] = members(clients, red);
    const acks = [];
    for (let n = 0; n < 50; n += 1) {
      if (n % 2) acks.push(sender.ok("message", red, n));
      else sender.emit("message", red, n);
    }
    await Promise.all(acks);
    for (const other of others) {
      await until(() => other.unread.length >= 50, `${other.id} has heard the burst`);
      assert.deepEqual(other.unread.map(([, n]) => n), [...Array(50).keys()]);
    }
  });
});
