// What may happen to the servers of a Redis.
import { until } from "./deadline.mjs";
import { RedisServer } from "./redis-servers.mjs";

/**
 * Kills a server of a Redis that is alone; the function that it gives starts an empty one on the same port and resolves
 * with the moment of its first PONG.
 */
export async function takeAway(redis) {
  const [server] = redis.servers;
  await server.kill();
  return async function bringBack() {
    await server.stop();
    const successor = await RedisServer.start({ port: server.port });
    redis.servers[0] = successor;
    await successor.command("PING");
    return performance.now();
  };
}

/** Stops a process in its tracks, with all its connections open; the function that it gives lets it go on. */
export function stall(t, server) {
  server.child.signal("SIGSTOP");
  server.stalled = true;
  const goOn = () => {
    server.stalled = false;
    server.child.signal("SIGCONT");
  };
  t.after(goOn);
  return goOn;
}

/** How a server may end. One that hangs keeps its connections open, and its machine takes what is sent on them. */
export const ENDS = {
  "is killed": (t, server) => server.kill(),
  hangs: async (t, server) => void stall(t, server),
};

const answering = (redis) => redis.servers.filter(({ child, stalled }) => child.alive && !stalled);

/**
 * With clients of Node's that come back as quickly as ours, so that they can be held to the same, and that forgive what
 * cannot be published: the stock adapters do not look at that, which would end the process.
 */
export function withQuickClients(redis) {
  const client = async () => {
    const quick = await redis.client({ socket: { reconnectStrategy: 50 } });
    for (const name of ["publish", "sPublish"]) {
      const stock = quick[name];
      quick[name] = (...args) => stock.apply(quick, args).catch(() => {});
    }
    return quick;
  };
  return Object.create(redis, { client: { value: client } });
}

/** The masters of a cluster as those who are alive see them. */
async function shares(redis) {
  const owners = new Map();
  for (const server of answering(redis)) {
    const nodes = (await server.command("CLUSTER", "NODES")).split("\n");
    const own = nodes.find((line) => line.includes("myself"));
    if (own.includes("master")) owners.set(server, own.split(" ").slice(8).filter((range) => !range.startsWith("[")));
  }
  return owners;
}

/** The server of a cluster that has a channel's slot, and the slot. */
export async function ownerOf(redis, channel) {
  const slot = await answering(redis)[0].command("CLUSTER", "KEYSLOT", channel);
  for (const [server, ranges] of await shares(redis)) {
    const has = ranges.map((range) => range.split("-").map(Number)).some(([from, to = from]) => slot >= from && slot <= to);
    if (has) return { slot, server };
  }
  return { slot };
}

/** A name for which the server that has the channel is the wanted one. */
export async function nameOn(redis, server, channelOf, stem) {
  for (let n = 0; ; n += 1) {
    const name = `${stem}-${n}`;
    if ((await ownerOf(redis, channelOf(name))).server === server) return name;
  }
}

/** Moves a slot to another master as an administrator does by hand. */
export async function moveSlot(redis, slot, from, to) {
  const [source, target] = await Promise.all([from, to].map((server) => server.command("CLUSTER", "MYID")));
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
  // there are keys in no slot but that of the registry; a channel has none
  for (;;) {
    const keys = await from.command("CLUSTER", "GETKEYSINSLOT", slot, 100);
    if (keys.length === 0) break;
    await from.command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", ...keys);
  }
  for (const server of [to, from]) await server.command("CLUSTER", "SETSLOT", slot, "NODE", target);
  const everywhere = async () => {
    const views = await Promise.all(redis.masters.map((one) => one.command("CLUSTER", "NODES")));
    return views.every((view) => owns(view, target, slot));
  };
  await until(everywhere, `all know who has slot ${slot}`);
}

function owns(view, id, slot) {
  const ranges = view.split("\n").find((line) => line.startsWith(id)).split(" ").slice(8);
  return ranges.some((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return slot >= first && slot <= last;
  });
}
