// The numbers of the edge say what has happened.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness/deadline.mjs";
import { SESSIONS } from "../harness/engine.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile({ server: { write_stall_ms: 2000 }, socketio: { send_queue_packets: 1_000_000 } });

const values = async () => ({
  handshakes: await node.metric("roomcast_handshake_seconds_count"),
  took: await node.metric("roomcast_handshake_seconds_sum"),
  bytesIn: await node.metric("roomcast_client_bytes_total", { direction: "in" }),
  bytesOut: await node.metric("roomcast_client_bytes_total", { direction: "out" }),
  packetsIn: await node.metric("roomcast_client_packets_total", { direction: "in" }),
  packetsOut: await node.metric("roomcast_client_packets_total", { direction: "out" }),
});

for (const [name, Kind] of Object.entries(SESSIONS)) {
  test(`handshakes, bytes and packets, ${name}`, async () => {
    const client = await Kind.open(node);
    await client.arrive();
    const before = await values();
    const other = await Kind.open(node);
    await until(async () => (await values()).handshakes === before.handshakes + 1, "the handshake is counted");
    const text = "x".repeat(10_000);
    await client.ok("join", "paris");
    await client.ok("message", "paris", text);
    const now = await values();
    assert.ok(now.took > before.took && now.took - before.took < 5, `${now.took - before.took} s`);
    // two events, and pongs
    assert.ok(now.packetsIn - before.packetsIn >= 2 && now.packetsIn - before.packetsIn <= 6, `${now.packetsIn - before.packetsIn} packets in`);
    assert.ok(now.packetsOut - before.packetsOut >= 3 && now.packetsOut - before.packetsOut <= 9, `${now.packetsOut - before.packetsOut} packets out`);
    const [bytesIn, bytesOut] = [now.bytesIn - before.bytesIn, now.bytesOut - before.bytesOut];
    assert.ok(bytesIn >= text.length && bytesIn < text.length + 10_000, `${bytesIn} bytes in`);
    assert.ok(bytesOut > 0 && bytesOut < text.length, `${bytesOut} bytes out: nobody else is in the room`);
    await other.close();
    await client.close();
  });
}

test("a peer that takes nothing stalls a writer, and is given up", async () => {
  const given = () => node.metric("roomcast_stalled_connections_total");
  const before = await given();
  const deaf = await SESSIONS.websocket.open(node);
  await deaf.arrive();
  await deaf.ok("join", "lyon");
  const bob = await node.connect();
  await bob.join("lyon");
  deaf.socket.wire.stopReading();
  const text = "x".repeat(60_000);
  let talking = true;
  const talk = (async () => {
    while (talking) await bob.ok("message", "lyon", text);
  })();
  await until(async () => (await node.metric("roomcast_stalled_writers")) === 1, "a writer waits");
  talking = false;
  await talk;
  await until(async () => (await given()) === before + 1, "it is given up");
  assert.equal(await node.metric("roomcast_stalled_writers"), 0);
});
