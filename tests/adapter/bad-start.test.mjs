// A server whose Redis cannot be used when it starts: it says why, serves its own clients, and joins when it can.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../harness/client.mjs";
import { until } from "../harness/deadline.mjs";
import { OurServer } from "../harness/peer.mjs";
import { certificate, cluster, secured, standalone } from "../harness/redis-servers.mjs";
import { freePort } from "../harness/scripts.mjs";
import { describeOurs } from "./buses.mjs";

const RECOVERY = 20_000;
const CLASSIC = "classic";
const SHARDED = "sharded-dynamic";

/** Two of ours, which cannot be joined yet. */
async function two(t, redis, mode) {
  const servers = await Promise.all([1, 2].map(() => OurServer.start({ redis, mode })));
  t.after(() => Promise.all(servers.map((server) => server.stop())));
  const clients = await Promise.all(servers.map(({ url }) => connect(url)));
  t.after(() => clients.forEach((client) => client.close()));
  return { servers, clients };
}

/** They say what is wrong, and serve their own. */
async function alone({ servers, clients }, reason) {
  for (const [i, server] of servers.entries()) {
    const status = await until(async () => {
      const now = await server.status();
      return now.reason && now;
    }, "there is a reason");
    assert.notEqual(status.state, "connected");
    assert.match(status.reason, reason);
    assert.doesNotMatch(status.reason, /s3cret/, "a reason is for everybody to read");

    const client = clients[i];
    assert.equal(await client.request("echo", "still here"), "still here");
    await server.emit({}, "news", "for my own");
    assert.deepEqual(await client.expect("news"), ["for my own"]);
    await server.join("/", client.id, ["room"]);
    await server.emit({ to: ["room"] }, "news", "for the room");
    assert.deepEqual(await client.expect("news"), ["for the room"]);
    const { sockets } = await server.fetchSockets({});
    assert.deepEqual(sockets.map(({ id }) => id), [client.id]);
    client.socket.on("question", (ack) => ack("answer"));
    const { replies } = await server.emitWithAck({ flags: { timeout: 500 } }, "question");
    assert.deepEqual(replies, ["answer"]);
    await client.expect("question");
  }
}

/** They are joined now, and what they say is heard by the other as well. */
async function joined({ servers, clients }) {
  for (const server of servers) {
    await until(async () => (await server.status()).state === "connected", "it is connected", RECOVERY);
  }
  await until(async () => (await servers[0].nodes()).length === 2, "they know each other", RECOVERY);
  for (const [i, server] of servers.entries()) {
    await server.emit({}, "joined", i);
    for (const client of clients) await client.expect("joined", (number) => number === i);
  }
  const { sockets, missing } = await servers[0].fetchSockets({});
  assert.deepEqual(missing, { nodes: [], others: 0 });
  assert.deepEqual(sockets.map(({ id }) => id).sort(), clients.map(({ id }) => id).sort());
}

describeOurs("a bad start", () => {
  for (const mode of [CLASSIC, SHARDED]) {
    test(`the wrong password, ${mode}`, async (t) => {
      const redis = await standalone({ password: "right" });
      t.after(() => redis.stop());
      const [server] = redis.servers;
      const both = await two(t, { url: `redis://:s3cret@${server.address}` }, mode);
      await alone(both, /password|auth/i);
      await server.command("CONFIG", "SET", "requirepass", "s3cret");
      await joined(both);
    });

    test(`nobody listens at the port, ${mode}`, async (t) => {
      const port = await freePort();
      const both = await two(t, { url: `redis://127.0.0.1:${port}` }, mode);
      await alone(both, /refused/i);
      const redis = await standalone({ port });
      t.after(() => redis.stop());
      await joined(both);
    });
  }

  test("no password where one is needed", async (t) => {
    const redis = await standalone({ password: "s3cret" });
    t.after(() => redis.stop());
    const [server] = redis.servers;
    const both = await two(t, { url: `redis://${server.address}` }, CLASSIC);
    await alone(both, /password|auth/i);
    await server.command("CONFIG", "SET", "requirepass", "");
    await joined(both);
  });

  test("TLS to a plain port", async (t) => {
    const files = await certificate();
    const plain = await standalone();
    t.after(() => plain.stop());
    const [{ port }] = plain.servers;
    const both = await two(t, { url: `rediss://127.0.0.1:${port}`, authority: files.authority }, CLASSIC);
    await alone(both, /tls|ssl|handshake|corrupt|record/i);
    await plain.servers[0].kill();
    const redis = await secured(files, { port });
    t.after(() => redis.stop());
    await joined(both);
  });

  test("TLS, and the certificate is signed by nobody we know", async (t) => {
    const [files, others] = [await certificate(), await certificate()];
    const stranger = await secured(files);
    t.after(() => stranger.stop());
    const [{ port }] = stranger.servers;
    const both = await two(t, { url: stranger.url, authority: others.authority }, CLASSIC);
    await alone(both, /certificate|issuer/i);
    await stranger.servers[0].kill();
    const redis = await secured(others, { port });
    t.after(() => redis.stop());
    await joined(both);
  });

  test("sharded, with a cluster that has slots without a master", async (t) => {
    const redis = await cluster({ whole: false });
    t.after(() => redis.stop());
    const both = await two(t, redis, SHARDED);
    await alone(both, /cluster|slot/i);
    await redis.complete();
    await joined(both);
  });

  test("nobody listens at any port of the cluster", async (t) => {
    const ports = [await freePort(), await freePort()];
    const both = await two(t, { url: `redis-cluster://${ports.map((port) => `127.0.0.1:${port}`).join(",")}` }, SHARDED);
    await alone(both, /refused/i);
    // a cluster of one is enough to be found at one of the addresses
    const redis = await cluster({ masters: 1, ports: [ports[1]] });
    t.after(() => redis.stop());
    await joined(both);
  });

  test("a cluster is expected, and there is a single server", async (t) => {
    const redis = await standalone();
    t.after(() => redis.stop());
    const both = await two(t, { url: `redis-cluster://${redis.servers[0].address}` }, SHARDED);
    await alone(both, /cluster/i);
    await redis.servers[0].kill();
    const real = await cluster({ masters: 1, ports: [redis.servers[0].port] });
    t.after(() => real.stop());
    await joined(both);
  });

  test("an account that may not use the channels", async (t) => {
    const redis = await standalone();
    t.after(() => redis.stop());
    const [server] = redis.servers;
    await server.command("ACL", "SETUSER", "roomcast", "on", ">s3cret", "~*", "resetchannels", "+@all");
    const both = await two(t, { url: `redis://roomcast:s3cret@${server.address}` }, CLASSIC);
    await alone(both, /perm|channel|access/i);
    await server.command("ACL", "SETUSER", "roomcast", "allchannels");
    await joined(both);
  });
});
