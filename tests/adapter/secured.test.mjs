// Redis behind TLS, and with accounts.
import { after, afterEach, before, describe, test } from "node:test";
import { certificate, cluster, secured, standalone } from "../harness/redis-servers.mjs";
import { CLASSIC, DYNAMIC, NODE_ONLY } from "./buses.mjs";
import { World } from "./world.mjs";

const SERVERS = NODE_ONLY ? ["node", "node"] : ["ours", "ours", "node"];
// with signs that mean something in a URL
const PASSWORD = "p@ss:w/rd#?%";
const RIGHTS = ["on", `>${PASSWORD}`, "~*", "&*", "+@all"];

/** Redis as its administrator sees it, with the URL of an account of its own. */
async function withAccount(redis) {
  for (const server of redis.servers) await server.command("ACL", "SETUSER", "roomcast", ...RIGHTS);
  return Object.assign(redis, { url: redis.url.replace("://", `://roomcast:${encodeURIComponent(PASSWORD)}@`) });
}

const PLACES = {
  TLS: async () => secured(await certificate()),
  "an account": async () => withAccount(await standalone()),
  "an account in a cluster": async () => withAccount(await cluster()),
};

for (const [name, start] of Object.entries(PLACES)) {
  describe(name, () => {
    let redis;
    before(async () => {
      redis = await start();
    });
    after(() => redis?.stop());
    let world;
    afterEach(() => world?.stop());

    for (const bus of [CLASSIC, DYNAMIC]) {
      test(`all talk with all, ${bus.title}`, async () => {
        world = await World.start(redis, bus, { servers: SERVERS });
        await world.talk(await world.people());
      });
    }
  });
}
