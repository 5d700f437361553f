// The sharded adapter in each of its modes.
import { after } from "node:test";
import { standalone } from "../harness/redis-servers.mjs";
import { COMPOSITIONS, DYNAMIC, PRIVATE, STATIC } from "./buses.mjs";
import { checklist } from "./checklist.mjs";

const redis = await standalone();
after(() => redis.stop());

for (const bus of [STATIC, DYNAMIC, PRIVATE]) for (const composition of COMPOSITIONS) checklist(redis, bus, composition);
