// The sharded adapter in each of its modes with a Redis Cluster of three masters, for which it was made.
import { after } from "node:test";
import { cluster } from "../harness/redis-servers.mjs";
import { COMPOSITIONS, DYNAMIC, PRIVATE, STATIC } from "./buses.mjs";
import { checklist } from "./checklist.mjs";

const redis = await cluster();
after(() => redis.stop());

for (const bus of [STATIC, DYNAMIC, PRIVATE]) {
  for (const composition of COMPOSITIONS) checklist(redis, bus, composition, { clustered: true });
}
