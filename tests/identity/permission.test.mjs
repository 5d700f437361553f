// Who may do what: rooms by claims, events by role, rooms from the beginning, and how many sockets a user may have.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { dial } from "../harness/client.mjs";
import { Cluster } from "../harness/cluster.mjs";
import { until, within } from "../harness/deadline.mjs";
import { deferred } from "../harness/inbox.mjs";
import { emitterOf } from "../harness/redis.mjs";
import { byTokens, claims, hs256 } from "../harness/tokens.mjs";

const SECRET = "a secret of the tests, which nobody else has";
const directory = mkdtempSync(join(tmpdir(), "roomcast-permission-"));
const cluster = new Cluster();

before(async () => {
  const file = join(directory, "roomcast.toml");
  writeFileSync(
    file,
    `
[[namespaces]]
path = "/team"
rooms = ["hall", "user:{sub}", "team:{team}:*", "list:{rooms[]}", "{org.id}/news"]
auto_join = ["user:{sub}", "own:{rooms[]}", "everybody"]
max_sockets_per_user = 2
${byTokens(SECRET)}
[[namespaces.events]]
name = "message"
[[namespaces.events]]
name = "announce"
roles = ["moderator", "admin"]
[[namespaces.events]]
name = "whisper"
publish = "anyone"
`,
  );
  await cluster.start({ config: file });
});
after(async () => {
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

const enter = (user, more, options) => cluster.connect({ namespace: "/team", auth: { token: hs256(SECRET, claims(user, more)) }, ...options });
const roomsOf = async (client) => (await client.whoami()).rooms;

async function refusal(user, options) {
  const client = cluster.keep(dial(cluster.balancer, { namespace: "/team", auth: { token: hs256(SECRET, claims(user)) }, ...options }));
  const { promise, resolve } = deferred();
  client.socket.on("connect_error", (error) => resolve(error.message));
  client.socket.on("connect", () => resolve("let in"));
  return within(promise, "an answer to the wish to connect");
}

describe("rooms by claims", () => {
  for (const transport of ["websocket", "polling"]) {
    test(`a client may join what its claims say, and nothing else, ${transport}`, async () => {
      const ann = await enter("ann", { team: "red", rooms: ["paris", 7], org: { id: "acme" } }, { transport });
      for (const room of ["hall", "user:ann", "team:red:1", "list:paris", "list:7", "acme/news"]) await ann.join(room);
      for (const room of ["user:bob", "team:red:", "team:blue:1", "team:redx:1", "list:lyon", "list:", "evil/news", "user:{sub}", "own:paris2"]) {
        await ann.refused("room_not_allowed", "join", room);
      }
      ann.close();
    });
  }

  test("claims that are missing, empty or of another kind allow nothing", async () => {
    for (const more of [{}, { team: "", rooms: "paris", org: "acme" }, { team: null, rooms: [[], {}, ""], org: { id: {} } }]) {
      const eve = await enter("eve", more);
      for (const room of ["team::1", "team:null:1", "list:paris", "list:", "/news", "acme/news", "[object Object]/news"]) {
        await eve.refused("room_not_allowed", "join", room);
      }
      eve.close();
    }
  });

  test("what a claim says is a name, never a pattern", async () => {
    const eve = await enter("*", { team: "*", rooms: ["*"] });
    for (const room of ["user:ann", "team:red:1", "list:paris"]) await eve.refused("room_not_allowed", "join", room);
    for (const room of ["user:*", "team:*:1", "list:*"]) await eve.join(room);
  });

  test("to send without being a member takes a room that may be joined", async () => {
    const [ann, bob] = [await enter("ann2", { team: "red" }), await enter("bob2", { team: "red" })];
    await bob.join("team:red:7");
    await ann.ok("whisper", "team:red:7", "psst");
    await bob.expect("whisper", (text) => text === "psst");
    await ann.refused("room_not_allowed", "whisper", "user:bob2", "psst");
  });
});

describe("rooms from the beginning", () => {
  test("are there when the client is connected, on each node", async () => {
    const people = [];
    for (const node of cluster.names) people.push(await enter(`from-${node}`, { rooms: ["a", "b"] }, { node }));
    for (const [at, person] of people.entries()) {
      assert.deepEqual(await roomsOf(person), ["everybody", "own:a", "own:b", `user:from-${cluster.names[at]}`].sort());
    }
    // a server speaks to a user wherever it is
    const emitter = await emitterOf(cluster);
    emitter.of("/team").to("user:from-node-2").emit("message", "for you");
    await people[1].expect("message", (text) => text === "for you");
    await people[0].ok("message", "everybody", "all of us");
    for (const person of people.slice(1)) await person.expect("message", (text) => text === "all of us");
  });

  test("a user's own room is nobody else's", async () => {
    const eve = await enter("eve3", { rooms: ["user:ann"] });
    assert.deepEqual(await roomsOf(eve), ["everybody", "own:user:ann", "user:eve3"]);
    await eve.refused("not_in_room", "message", "user:ann", "hello");
  });
});

describe("events by role", () => {
  test("take one of the roles", async () => {
    const listener = await enter("listener");
    await listener.join("hall");
    for (const [user, more] of Object.entries({ ann: { roles: ["member", "moderator"] }, bob: { roles: "admin" } })) {
      const speaker = await enter(`${user}4`, more);
      await speaker.join("hall");
      await speaker.ok("announce", "hall", user);
      await listener.expect("announce", (text) => text === user);
    }
    for (const [at, more] of [{}, { roles: [] }, { roles: ["Moderator"] }, { roles: "moderator admin" }, { role: "admin" }, { roles: { admin: true } }, { roles: [["admin"]] }].entries()) {
      const speaker = await enter(`nobody${at}`, more);
      await speaker.join("hall");
      await speaker.refused("not_permitted", "announce", "hall", "me");
      await speaker.ok("message", "hall", "me");
    }
  });
});

describe("sockets of one user", () => {
  test("are as many as allowed on each node, and a place is free again when one has gone", async () => {
    const here = { node: "node-1" };
    const [first] = [await enter("ann5", {}, here), await enter("ann5", {}, here)];
    assert.equal((await refusal("ann5", { pin: "node-1" })).split(":")[0], "too_many_sockets");
    assert.equal(await refusal("bob5", { pin: "node-1" }), "let in");
    assert.equal(await refusal("ann5", { pin: "node-2" }), "let in");
    first.close();
    await until(async () => (await refusal("ann5", { pin: "node-1" })) === "let in", "there is a place again");
  });
});
