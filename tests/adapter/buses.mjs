// The ways in which servers may be joined by Redis, and who may be joined.
import { describe } from "node:test";

export const CLASSIC = { title: "classic", options: { mode: "classic" } };
export const SPECIFIC = {
  title: "classic, answers to the asking server only",
  options: { mode: "classic", specificResponses: true },
};
export const STATIC = { title: "sharded, static", sharded: true, options: { mode: "sharded-static" } };
export const DYNAMIC = {
  title: "sharded, dynamic",
  sharded: true,
  options: { mode: "sharded-dynamic" },
  // by its length a Node server tells a socket's id from another room
  separate: (room) => room.length !== 20,
};
export const PRIVATE = {
  title: "sharded, dynamic-private",
  sharded: true,
  options: { mode: "sharded-dynamic-private" },
  separate: () => true,
};

/** To see whether the suite is right: Node's servers alone, which none of the stories may fail with. */
export const NODE_ONLY = process.env.ROOMCAST_ADAPTER_NODE_ONLY === "1";

/** Like `describe`, for what Node's servers do not promise. */
export const describeOurs = NODE_ONLY ? () => {} : describe;

export const COMPOSITIONS = NODE_ONLY
  ? [
      { title: "three Node servers", servers: ["node", "node", "node"], seats: [0, 1, 2] },
      { title: "a Node server calls, all clients are on others", servers: ["node", "node", "node"], seats: [1, 2, 1] },
    ]
  : [
      { title: "three of ours", servers: ["ours", "ours", "ours"], seats: [0, 1, 2] },
      { title: "one of ours calls, with another and a Node server", servers: ["ours", "ours", "node"], seats: [0, 1, 2] },
      { title: "one of ours calls, all clients are on Node servers", servers: ["ours", "node", "node"], seats: [1, 2, 1] },
      { title: "a Node server calls, all clients are on ours", servers: ["node", "ours", "ours"], seats: [1, 2, 1] },
    ];

export const WITH_EMITTER = NODE_ONLY
  ? { title: "the emitter calls", caller: "emitter", servers: ["node", "node"], seats: [0, 1, 0] }
  : { title: "the emitter calls", caller: "emitter", servers: ["ours", "ours", "node"], seats: [0, 1, 2] };

/** What can be asked of the caller; a story that needs more is not told. */
export function abilities(bus, { caller, servers, seats }, { clustered = false } = {}) {
  const kind = caller ?? servers[0];
  const can = new Set(["tell"]);
  if (kind !== "emitter") can.add("ask");
  if (kind !== "emitter" && seats.includes(0)) can.add("local clients");
  if (kind === "ours" || (kind === "node" && !bus.sharded)) can.add("list rooms");
  if (servers.includes("ours")) can.add("our own");
  if (kind === "node") can.add("numeric rooms");
  if (bus.sharded) can.add("binary between servers");
  // Node's client publishes to any node of a cluster, each message to another one
  if (kind === "ours" || bus.sharded || !clustered) can.add("order");
  return can;
}
