// A refusal is part of the conversation with the server: say kindly what to do, and keep its code visible.

const KIND = {
  room_not_allowed: "That room is not open here. Try paris, lyon or a room of your own.",
  invalid_room: "That is not a good name for a room: use 1 to 128 characters.",
  too_many_rooms: "You are in too many rooms already. Leave one first.",
  not_in_room: "You are not in this room any more. Choose it again on the left.",
  payload_too_large: "That is too big to send. Try something smaller.",
  invalid_arguments: "The server did not understand that.",
  unknown_event: "This server does not offer that.",
  server_only: "Only the server may say that.",
  busy: "The server has a lot to do right now. Try again in a moment.",
  internal_error: "Something went wrong on the server. Try again in a moment.",
};

export function explain({ code, message } = {}) {
  const text = KIND[code] ?? message ?? "The server said no.";
  return code ? `${text} (${code})` : text;
}
