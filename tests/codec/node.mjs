// What Node's packages make of an event: at a server, at a client, on the bus.
import assert from "node:assert/strict";
import notepack from "notepack.io";
import { Decoder, Encoder, PacketType } from "socket.io-parser";

/** The packets that a client or server sends for `["event", ...args]`: text, and behind it what is binary. */
export function packets(args) {
  return new Encoder().encode({ type: PacketType.EVENT, nsp: "/", data: ["event", ...args] });
}

/** What comes out at the other end. */
export function heard([first, ...rest]) {
  let data;
  const decoder = new Decoder({ maxAttachments: Infinity });
  decoder.on("decoded", (packet) => (data = packet.data));
  decoder.add(first);
  for (const bytes of rest) decoder.add(asBuffer(bytes));
  assert.ok(data, "the packet is complete");
  return data;
}

/** A client's packet as our nodes have it: JSON text without the head, and attachments. */
export function split([first, ...rest]) {
  return { text: first.slice(first.indexOf("[")), attachments: rest.map(asBuffer) };
}

/** The packet that our nodes send to a client. */
export function join({ text, attachments }) {
  return [attachments.length > 0 ? `5${attachments.length}-${text}` : `2${text}`, ...attachments];
}

export const toBus = notepack.encode;
export const fromBus = notepack.decode;

// as Engine.IO puts it on the wire
function asBuffer(bytes) {
  return bytes instanceof ArrayBuffer ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
