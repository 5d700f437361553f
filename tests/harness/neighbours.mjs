// Those who can act on our sockets from outside: a Node server in the cluster, and an emitter.
import { before } from "node:test";
import { nodeServer } from "./node-server.mjs";
import { emitterOf } from "./redis.mjs";

/** For all tests of a file; `hands` are both of them in `/chat`, by name. */
export function neighboursOf(cluster) {
  const neighbours = {
    hands: {
      "a Node server": () => neighbours.node.chat,
      "the emitter": () => neighbours.emitter.of("/chat"),
    },
  };
  before(async () => {
    neighbours.node = await nodeServer(cluster);
    neighbours.emitter = await emitterOf(cluster);
  });
  return neighbours;
}
