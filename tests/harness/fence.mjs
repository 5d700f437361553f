// Proof that something did *not* arrive, without waiting for a while: events of one sender stay in order, so when
// a marker sent later is there, whatever was sent before it has either come or never will.
import assert from "node:assert/strict";

let rooms = 0;

/** A room of the pattern `room:*` that no other test uses. */
export function freshRoom(label = "test") {
  rooms += 1;
  return `room:${label}-${process.pid}-${rooms}`;
}

/** Returns when everything that `sender` has sent in /chat is through at the receivers. */
export async function fence(sender, ...receivers) {
  const room = freshRoom("fence");
  await Promise.all([sender, ...receivers].map((client) => client.join(room)));
  await sender.ok("message", room, "fence");
  await Promise.all(receivers.map((client) => client.expect("message", (_, meta) => meta?.room === room)));
  await Promise.all([sender, ...receivers].map((client) => client.leave(room)));
}

/** These clients have heard nothing from `sender` but what the test has already taken. */
export async function nothingMore(sender, ...receivers) {
  await fence(sender, ...receivers);
  for (const client of receivers) {
    assert.deepEqual(client.unread, [], `${client.id} heard what it should not`);
  }
}
