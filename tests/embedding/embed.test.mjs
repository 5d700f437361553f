// The gateway as a library: crates/gateway/examples/embed.rs, used by stock clients.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { connect, TRANSPORTS } from "../harness/client.mjs";
import { until, within } from "../harness/deadline.mjs";
import { deferred } from "../harness/inbox.mjs";

// `cargo test` builds it beside the tests.
const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const program = process.env.ROOMCAST_EMBED ?? `${target}/debug/examples/embed`;

async function start(...options) {
  const child = spawn(program, ["--listen", "127.0.0.1:0", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill("SIGKILL"));
  const [line] = await within(once(createInterface(child.stdout), "line"), `${program} to listen`);
  return { child, url: line.replace(/^listening on /, "") };
}

async function stop({ child }) {
  child.kill("SIGINT");
  const [code] = await within(once(child, "exit"), "the end of the example");
  assert.equal(code, 0);
}

for (const transport of Object.keys(TRANSPORTS)) {
  describe(`an embedded namespace, ${transport}`, () => {
    let node;
    const clients = [];
    const echo = async (options) => {
      const client = await connect(node.url, { namespace: "/echo", transport, ...options });
      clients.push(client);
      return client;
    };
    before(async () => (node = await start()));
    after(async () => {
      for (const client of clients) client.close();
      await stop(node);
    });

    test("sends the handshake auth back", async () => {
      const auth = { token: "abc", list: [1, { two: true }] };
      const client = await echo({ auth });
      assert.deepEqual(await client.expect("auth"), [auth]);
      const anonymous = await echo();
      assert.deepEqual(await anonymous.expect("auth"), [{}]);
    });

    test("answers a message with the same arguments, binary included", async () => {
      const client = await echo();
      const args = [1, "2", { three: [true, null] }, Buffer.from([4, 5]), { six: [Buffer.from("seven")] }];
      client.emit("message", ...args);
      assert.deepEqual(await client.expect("message-back"), args);
      client.emit("message");
      assert.deepEqual(await client.expect("message-back"), []);
    });

    test("acknowledges with the arguments", async () => {
      const client = await echo();
      const { promise, resolve } = deferred();
      client.socket.emit("message-with-ack", 1, { two: Buffer.from([3]) }, "four", (...args) => resolve(args));
      assert.deepEqual(await within(promise, "the ack"), [1, { two: Buffer.from([3]) }, "four"]);
    });

    test("an event without handler is refused, and the configured namespaces are there as well", async () => {
      const client = await echo();
      await client.refused("unknown_event", "nonsense");
      const chat = await client.also("/chat");
      assert.equal((await chat.join("paris")).members, 1);
    });
  });
}

test("ping times and namespaces come from the arguments", async () => {
  const node = await start("--ping-interval-ms", "50", "--ping-timeout-ms", "40", "--namespace", "/", "--namespace", "/custom");
  try {
    const client = await connect(node.url, { namespace: "/custom" });
    assert.equal(client.socket.io.engine.pingInterval ?? client.socket.io.engine._pingInterval, 50);
    let pings = 0;
    client.socket.io.on("ping", () => (pings += 1));
    await until(() => pings >= 3, "the client is pinged every 50 ms");
    assert.equal(client.socket.connected, true);
    const root = await client.also("/");
    root.emit("message", "hi");
    assert.deepEqual(await root.expect("message-back"), ["hi"]);
    client.close();
  } finally {
    await stop(node);
  }
});
