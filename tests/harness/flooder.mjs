// A thread that sends as many packets a second as it is told, over one websocket, and reads nothing. Prints how many it sent.
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { frame, HANDSHAKE, TEXT } from "./frames.mjs";
import { request } from "./http.mjs";

const { url, namespace, events, rate, ms } = workerData;
const { hostname, port } = new URL(url);
const TICK = 10;

const socket = connect({ host: hostname, port: Number(port) });
socket.resume();
const drained = () => new Promise((resolve) => socket.once("drain", resolve));
const closed = new Promise((resolve) => socket.once("close", resolve));
socket.on("error", () => {});
socket.write(request("/socket.io/?EIO=4&transport=websocket", { headers: HANDSHAKE }));
/** Reads until this has come. As with Node, who sends an event before its namespace is connected loses the connection. */
async function until(text) {
  let heard = "";
  while (!heard.includes(text)) heard += (await once(socket, "data"))[0].toString("latin1");
}
await until("\r\n\r\n");
socket.write(frame(TEXT, `40${namespace},`));
await until(`40${namespace},`);
for (const event of events.first) socket.write(frame(TEXT, `42${namespace},${JSON.stringify(event)}`));
const one = frame(TEXT, `42${namespace},${JSON.stringify(events.then)}`);
parentPort.postMessage("ready");

const begun = performance.now();
let sent = 0;
let open = true;
closed.then(() => (open = false));
while (open && performance.now() - begun < ms) {
  const due = Math.floor(((performance.now() - begun) * rate) / 1000) - sent;
  if (due > 0) {
    if (!socket.write(Buffer.concat(Array(due).fill(one)))) await Promise.race([drained(), closed]);
    sent += due;
  }
  await pause(TICK);
}
parentPort.postMessage({ sent, ms: performance.now() - begun, open });
socket.destroy();
