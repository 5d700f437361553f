// The cluster's own Redis: to speak on the bus as somebody else, and to take it away.
import { spawn } from "node:child_process";
import { createClient } from "redis";
import { Emitter } from "@socket.io/redis-emitter";
import { alive, kill } from "./scripts.mjs";
import { until } from "./deadline.mjs";

/** A client of the cluster's Redis, closed with the cluster. */
export async function redisOf(cluster) {
  await cluster.ready;
  // Redis going away under a client is a test's business, not a crash
  const client = createClient({ url: cluster.redis.url }).on("error", () => {});
  await client.connect();
  // what is still being said is finished, unless nobody is there to hear it
  cluster.accompaniedBy(() => (client.isReady ? client.close() : client.destroy()));
  return client;
}

/** The stock emitter. */
export async function emitterOf(cluster) {
  return new Emitter(await redisOf(cluster));
}

/** Waits until `count` servers listen to the requests of a namespace: each adapter subscribes to it once. */
export async function subscribed(redis, namespace, count) {
  const channel = `socket.io-request#${namespace}#`;
  await until(async () => {
    const numbers = await redis.sendCommand(["PUBSUB", "NUMSUB", channel]);
    return Number(numbers[1]) >= count;
  }, `${count} servers listen to ${channel}`);
}

/** Kills the cluster's Redis; the function that it gives starts an empty one on the same port. */
export async function takeAway(cluster) {
  const { port } = new URL(cluster.redis.url);
  await kill(cluster.redis.pid);
  return async function bringBack() {
    const options = ["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no"];
    const successor = spawn("redis-server", options, { stdio: "ignore", cwd: cluster.place.dir });
    cluster.accompaniedBy(() => kill(successor.pid));
    cluster.redis.pid = successor.pid;
  };
}

/**
 * Stops a process of the cluster in its tracks, Redis if not told otherwise, with all its connections open; the function
 * that it gives lets it go on.
 */
export function stall(cluster, { pid } = cluster.redis) {
  process.kill(pid, "SIGSTOP");
  const goOn = () => process.kill(pid, "SIGCONT");
  // whoever fails in between: a stopped process does not end when it is asked to
  cluster.accompaniedBy(() => alive(pid) && goOn());
  return goOn;
}
