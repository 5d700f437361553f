// Who is this? Tokens, keys of an identity provider and a backend, on three nodes, with stock clients of every kind.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { dial } from "../harness/client.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { deferred } from "../harness/inbox.mjs";
import { until, within } from "../harness/deadline.mjs";
import { freePort } from "../harness/scripts.mjs";
import { Backend, claims, hs256, Key, token } from "../harness/tokens.mjs";

const SECRET = "a secret of the tests, which nobody else has";
const WEBHOOK_SECRET = "another secret of the tests, for the webhook";
const key = new Key("first");
const backend = new Backend(() => ({ status: 500 }));
const provider = new Backend(() => ({ body: { keys: [key.jwk] } }));
const directory = mkdtempSync(join(tmpdir(), "roomcast-identity-"));
const cluster = new Cluster();

const config = ({ jwks, webhook }) => `
[socketio]
# one test tries thousands of tokens over one connection
max_connects_per_second = 1000000
[[namespaces]]
path = "/"

[[namespaces]]
path = "/jwt"
rooms = ["paris"]
[namespaces.identity]
kind = "jwt"
[namespaces.identity.jwt]
algorithms = ["HS256"]
secrets = ["${SECRET}"]
audiences = ["chat"]
issuers = ["https://login.example"]
leeway_ms = 0
[[namespaces.events]]
name = "message"

[[namespaces]]
path = "/refresh"
[namespaces.identity]
kind = "jwt"
expire = "refresh"
expire_warning_ms = 2000
[namespaces.identity.jwt]
algorithms = ["HS256"]
secrets = ["${SECRET}"]
audiences = ["chat"]
leeway_ms = 0

[[namespaces]]
path = "/header"
[namespaces.identity]
kind = "jwt"
token_from = "header"
token_name = "authorization"
[namespaces.identity.jwt]
algorithms = ["RS256", "EdDSA"]
public_key_files = ["${join(directory, "key.pem")}"]
audiences = ["chat"]

[[namespaces]]
path = "/cookie"
[namespaces.identity]
kind = "jwt"
token_from = "cookie"
token_name = "session"
[namespaces.identity.jwt]
algorithms = ["HS256"]
secrets = ["${SECRET}"]
audiences = ["chat"]

[[namespaces]]
path = "/jwks"
[namespaces.identity]
kind = "jwt"
[namespaces.identity.jwt]
algorithms = ["RS256"]
jwks_url = "http://127.0.0.1:${jwks}/keys"
jwks_min_interval_ms = 1000
jwks_timeout_ms = 1000
audiences = ["chat"]

[[namespaces]]
path = "/webhook"
[namespaces.identity]
kind = "webhook"
[namespaces.identity.webhook]
url = "http://127.0.0.1:${webhook}/who"
secret = "${WEBHOOK_SECRET}"
headers = ["x-device"]
timeout_ms = 1000
refusal_ttl_ms = 500
`;

before(async () => {
  // nobody listens at the provider's port until a test wants it
  provider.port = await freePort();
  await backend.listen();
  writeFileSync(join(directory, "key.pem"), key.pem);
  const file = join(directory, "roomcast.toml");
  writeFileSync(file, config({ jwks: provider.port, webhook: backend.port }));
  await cluster.start({ config: file });
});
after(async () => {
  await cluster.stop();
  await Promise.all([backend.close(), provider.close()]);
  rmSync(directory, { recursive: true, force: true });
});

/** A client of this namespace that is let in. */
const enter = (namespace, auth, options) => cluster.connect({ namespace, auth, ...options });
const enterBy = (jwt, options) => enter("/jwt", { token: jwt }, options);

/** What a client is told that is not let in. */
async function refusal(namespace, auth, options) {
  const client = cluster.keep(dial(cluster.balancer, { namespace, auth, ...options }));
  const { promise, resolve } = deferred();
  client.socket.on("connect_error", (error) => resolve(error.message ?? error));
  client.socket.on("error", (error) => resolve(error.message ?? error));
  client.socket.on("connect", () => resolve("let in"));
  return within(promise, "an answer to the wish to connect");
}

async function refused(code, namespace, auth, options) {
  const message = await refusal(namespace, auth, options);
  assert.equal(message.split(":")[0], code, message);
}

describe("a token in auth", () => {
  for (const transport of ["websocket", "polling", "upgrade"]) {
    test(`lets its user in, ${transport}`, async () => {
      const client = await enterBy(hs256(SECRET, claims("ann")), { transport });
      const { user, expires_in } = await client.whoami();
      assert.equal(user, "ann");
      assert.ok(expires_in > 200_000 && expires_in <= 300_000, `${expires_in}`);
    });

    test(`is wanted, ${transport}`, async () => {
      await refused("token_missing", "/jwt", undefined, { transport });
      await refused("token_missing", "/jwt", { token: 7 }, { transport });
    });
  }

  test("receivers on other nodes are told who speaks, and clients cannot say so themselves", async () => {
    const ann = await enterBy(hs256(SECRET, claims("ann")), { node: "node-1" });
    const bob = await enterBy(hs256(SECRET, claims("bob")), { node: "node-2" });
    await ann.join("paris");
    await bob.join("paris");
    await ann.ok("message", "paris", { user: "eve" });
    const [said, meta] = await bob.expect("message", () => true);
    assert.deepEqual(said, { user: "eve" });
    assert.equal(meta.user, "ann");
    assert.equal(meta.from, ann.id);
  });

  const good = hs256(SECRET, claims("ann"));
  const bad = {
    "another secret": hs256("b".repeat(40), claims("ann")),
    "one bit of the signature": good.slice(0, -2) + (good.at(-2) === "A" ? "B" : "A") + good.at(-1),
    "other claims under the signature": [good.split(".")[0], hs256(SECRET, claims("root")).split(".")[1], good.split(".")[2]].join("."),
    "for somebody else": hs256(SECRET, claims("ann", { aud: "mail" })),
    "by somebody else": hs256(SECRET, claims("ann", { iss: "https://evil.example" })),
    "no end": hs256(SECRET, { ...claims("ann"), exp: undefined }),
    "not yet": hs256(SECRET, claims("ann", { nbf: Math.floor(Date.now() / 1000) + 600 })),
    "no user": hs256(SECRET, claims("")),
    "a number as user": hs256(SECRET, claims(7)),
    "alg none": token({ alg: "none" }, claims("ann"), () => ""),
    "alg NoNe": token({ alg: "NoNe" }, claims("ann"), () => ""),
    "alg none with a signature": token({ alg: "none" }, claims("ann"), () => good.split(".")[2]),
    "another algorithm": key.rs256(claims("ann")),
    "critical extensions": hs256(SECRET, claims("ann"), { crit: ["exp"] }),
    "no token at all": "let me in",
    "two dots": "..",
    "most of a megabyte": hs256(SECRET, claims("ann", { more: "x".repeat(600_000) })),
    "deep claims": token({ alg: "HS256" }, `{"sub":${"[".repeat(3000)}${"]".repeat(3000)}}`, () => "AAAA"),
  };
  for (const [what, jwt] of Object.entries(bad)) test(`is refused: ${what}`, () => refused("token_invalid", "/jwt", { token: jwt }));

  test("is refused when its time is over", () => refused("token_expired", "/jwt", { token: hs256(SECRET, claims("ann", { ttl: -1 })) }));

  test("refusals are counted by code", async () => {
    const counts = await Promise.all(
      cluster.names.map((name) => cluster.metric(name, "roomcast_refusals_total", { namespace: "/jwt", code: "token_invalid" })),
    );
    assert.ok(counts.reduce((sum, count) => sum + count) >= Object.keys(bad).length, `${counts}`);
  });
});

describe("at its end", () => {
  test("the connection is closed, and a client with a new token is back by itself", async () => {
    const tokens = [hs256(SECRET, claims("ann", { ttl: 2 })), hs256(SECRET, claims("ann"))];
    const auth = (give) => give({ token: tokens.length > 1 ? tokens.shift() : tokens[0] });
    const client = await enter("/jwt", auth, { reconnection: true, reconnectionDelay: 50 });
    const before = client.id;
    await until(() => client.disconnects.length > 0, "the end");
    assert.deepEqual(client.disconnects, ["transport close"]);
    await until(() => client.connectedNow, "it is back");
    assert.notEqual(client.id, before);
    assert.equal((await client.whoami()).user, "ann");
  });

  test("a client that is warned and sends a new token stays", async () => {
    const client = await enter("/refresh", { token: hs256(SECRET, claims("ann", { ttl: 3 })) });
    const [left] = await client.expect("identity_expiring", () => true);
    assert.ok(left > 0 && left <= 2000, `${left}`);
    await client.refused("token_invalid", "refresh", "nonsense");
    await client.refused("invalid_arguments", "refresh");
    await client.refused("invalid_arguments", "refresh", 7);
    await client.refused("token_expired", "refresh", hs256(SECRET, claims("ann", { ttl: -5 })));
    await client.refused("other_user", "refresh", hs256(SECRET, claims("eve")));
    const { expires_in } = await client.ok("refresh", hs256(SECRET, claims("ann", { ttl: 4 })));
    assert.ok(expires_in > 2000 && expires_in <= 4000, `${expires_in}`);
    // it is warned again, which is after its first end, and then its second end comes
    await client.expect("identity_expiring", () => true);
    assert.deepEqual(client.disconnects, []);
    await until(() => client.disconnects.length > 0, "the end of the second token");
    assert.deepEqual(client.disconnects, ["transport close"]);
  });

  test("where nobody asks who clients are there is nothing to refresh", async () => {
    const client = await enter("/", {});
    await client.refused("unknown_event", "refresh", hs256(SECRET, claims("ann")));
    assert.equal("user" in (await client.whoami()), false);
  });

  test("closes are counted by code", async () => {
    const counts = await Promise.all(cluster.names.map((name) => cluster.metric(name, "roomcast_closes_total", { code: "identity_expired" })));
    assert.ok(counts.reduce((sum, count) => sum + count) >= 2, `${counts}`);
  });
});

describe("a token elsewhere", () => {
  const header = (value) => ({ extraHeaders: value === undefined ? {} : { authorization: value } });

  test("in a header, signed with a key pair", async () => {
    const client = await enter("/header", undefined, header(`Bearer ${key.rs256(claims("ann"))}`));
    assert.equal((await client.whoami()).user, "ann");
    await refused("token_missing", "/header", undefined, header());
    await refused("token_missing", "/header", { token: key.rs256(claims("ann")) }, header());
    // the public key is no secret
    await refused("token_invalid", "/header", undefined, header(`Bearer ${hs256(key.pem, claims("ann"))}`));
    await refused("token_invalid", "/header", undefined, header(`Bearer ${new Key("first").rs256(claims("ann"))}`));
  });

  test("in a cookie, also of a client of Socket.IO 2.x", async () => {
    const cookie = { cookie: `a=b; session=${hs256(SECRET, claims("ann"))}` };
    const client = await enter("/cookie", undefined, { extraHeaders: cookie });
    assert.equal((await client.whoami()).user, "ann");
    for (const transport of ["websocket", "polling"]) {
      const old = await enter("/cookie", undefined, { transport, eio3: true, extraHeaders: cookie, transportOptions: { [transport]: { extraHeaders: cookie } } });
      assert.equal((await old.whoami()).user, "ann", transport);
      await refused("token_missing", "/cookie", undefined, { transport, eio3: true });
    }
  });
});

describe("keys of an identity provider", () => {
  const next = new Key("second");
  /** Every node fetches for itself, and at most so often. */
  const everywhere = (one, patience) =>
    Promise.all(
      cluster.names.map((pin) =>
        until(async () => (await refusal("/jwks", { token: one.rs256(claims("ann")) }, { pin })) === "let in", `${pin} knows the key`, patience, 300),
      ),
    );

  test("while it was never there nobody can be known; then it is there", async () => {
    await refused("identity_unavailable", "/jwks", { token: key.rs256(claims("ann")) });
    await provider.listen(provider.port);
    await everywhere(key, 30_000);
  });

  test("a new key is known with the first token that has it", async () => {
    provider.answer = () => ({ body: { keys: [key.jwk, next.jwk] } });
    await everywhere(next);
    await everywhere(key);
  });

  test("ten thousand tokens with unknown keys are no flood for the provider", async () => {
    const before = provider.requests.length;
    const started = Date.now();
    const client = await cluster.connect({ namespace: "/", node: "node-1" });
    const made = key.rs256(claims("ann")).split(".");
    for (let n = 0; n < 10_000; n += 500) {
      const several = Array.from({ length: 500 }, (_, i) => {
        const header = Buffer.from(JSON.stringify({ alg: "RS256", kid: `kid-${n + i}` })).toString("base64url");
        return refusedOver(client, "/jwks", [header, made[1], made[2]].join("."));
      });
      for (const message of await Promise.all(several)) assert.match(message, /^(token_invalid|identity_unavailable):/);
    }
    const allowed = Math.ceil((Date.now() - started) / 1000) + 1;
    assert.ok(provider.requests.length - before <= allowed, `${provider.requests.length - before} fetches, ${allowed} were allowed`);
  });

  /** One more socket over a connection that is there. */
  async function refusedOver({ socket }, namespace, jwt) {
    const { io } = socket;
    const { promise, resolve } = deferred();
    io.nsps = { ...io.nsps };
    delete io.nsps[namespace];
    const other = io.socket(namespace, { auth: { token: jwt } });
    other.once("connect_error", (error) => resolve(error.message));
    return within(promise, "a refusal", 30_000);
  }

  test("when it is away, the keys that are there go on", async () => {
    await provider.close();
    for (const node of cluster.names) assert.equal(await refusal("/jwks", { token: key.rs256(claims("ann")) }, { pin: node }), "let in");
  });
});

describe("a backend that knows", () => {
  const enterAs = (auth, options) => enter("/webhook", auth, options);

  test("is told who asks, signed, and says who it is", async () => {
    backend.answer = (_, body) => ({ body: { user: JSON.parse(body).auth.name, claims: { team: "red" } } });
    const client = await enterAs({ name: "ann" }, { extraHeaders: { "x-device": "phone", "x-other": "1" } });
    assert.equal((await client.whoami()).user, "ann");
    const { headers, body } = backend.requests.at(-1);
    const asked = JSON.parse(body);
    assert.equal(asked.namespace, "/webhook");
    assert.deepEqual(asked.auth, { name: "ann" });
    assert.deepEqual(asked.headers, { "x-device": "phone" });
    assert.equal(asked.transport, "websocket");
    assert.equal(asked.client, "127.0.0.1");
    const signed = `${headers["x-roomcast-timestamp"]}.${body}`;
    assert.equal(headers["x-roomcast-signature"], `v1=${createHmac("sha256", WEBHOOK_SECRET).update(signed).digest("hex")}`);
    assert.ok(Math.abs(Date.now() / 1000 - Number(headers["x-roomcast-timestamp"])) < 60, headers["x-roomcast-timestamp"]);
  });

  test("refuses with words of its own, and is not asked again at once", async () => {
    backend.answer = () => ({ status: 403, body: { message: "your trial is over" } });
    const before = backend.requests.length;
    for (let i = 0; i < 3; i += 1) {
      assert.equal(await refusal("/webhook", { name: "bob" }, { pin: "node-1" }), "identity_refused: your trial is over");
    }
    assert.equal(backend.requests.length, before + 1);
    backend.answer = () => ({ body: { user: "bob" } });
    await until(async () => (await refusal("/webhook", { name: "bob" }, { pin: "node-1" })) === "let in", "the refusal is forgotten");
  });

  for (const [what, answer] of Object.entries({
    "fails": () => ({ status: 500 }),
    "says nonsense": () => ({ body: "<html>" }),
    "names nobody": () => ({ body: {} }),
    "names a number": () => ({ body: { user: 7 } }),
    "has a long name": () => ({ body: { user: "x".repeat(129) } }),
    "has claims that are none": () => ({ body: { user: "ann", claims: [] } }),
    "has a time that is none": () => ({ body: { user: "ann", expires_in: -1 } }),
    "redirects": () => ({ status: 302 }),
    "does not answer": () => ({ after: new Promise(() => {}) }),
  })) {
    test(`that ${what} lets nobody in`, async () => {
      backend.answer = answer;
      await refused("identity_unavailable", "/webhook", { name: what });
    });
  }

  test("is asked again when it failed once", async () => {
    let asked = 0;
    backend.answer = () => ((asked += 1) === 1 ? { status: 503 } : { body: { user: "ann" } });
    const client = await enterAs({ name: "again" });
    assert.equal((await client.whoami()).user, "ann");
  });

  test("says for how long", async () => {
    backend.answer = () => ({ body: { user: "ann", expires_in: 1 } });
    const client = await enterAs({ name: "short" });
    await until(() => client.disconnects.length > 0, "the end");
    assert.deepEqual(client.disconnects, ["transport close"]);
  });
});
