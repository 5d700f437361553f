// The classic adapter, as most Node servers use it.
import { after } from "node:test";
import { standalone } from "../harness/redis-servers.mjs";
import { CLASSIC, COMPOSITIONS, SPECIFIC, WITH_EMITTER } from "./buses.mjs";
import { checklist } from "./checklist.mjs";

const redis = await standalone();
after(() => redis.stop());

for (const bus of [CLASSIC, SPECIFIC]) for (const composition of COMPOSITIONS) checklist(redis, bus, composition);
checklist(redis, CLASSIC, WITH_EMITTER);
