// The classic adapter with a Redis Cluster of three masters.
import { after } from "node:test";
import { cluster } from "../harness/redis-servers.mjs";
import { CLASSIC, COMPOSITIONS } from "./buses.mjs";
import { checklist } from "./checklist.mjs";

const redis = await cluster();
after(() => redis.stop());

for (const composition of COMPOSITIONS) checklist(redis, CLASSIC, composition, { clustered: true });
