// The demo chat in the namespace /chat. For tests and links: ?room=paris&name=Ann&transport=websocket|polling
import { Composer } from "./composer.js";
import { ask, createConnection } from "./connection.js";
import { loadName, saveName } from "./identity.js";
import { Messages } from "./messages.js";
import { element, make, notice, roomTitle, textOf } from "./page.js";
import { pictureUrl } from "./picture.js";
import { Presence } from "./presence.js";
import { explain } from "./refusals.js";
import { Typing } from "./typing.js";

const query = new URLSearchParams(location.search);
const rooms = ["paris", "lyon"];
const self = { name: loadName(query.get("name")), node: "", transport: "" };
let room = query.get("room") || rooms[0];
// Counts the attempts to enter a room, so that a late answer to an old one is not taken for the newest.
let entering = 0;

const transport = ["websocket", "polling"].find((name) => name === query.get("transport"));
const socket = createConnection({
  transport,
  onTransport(name) {
    self.transport = name;
    presence.announce();
  },
});
const presence = new Presence(socket, () => ({ ...self }));
const typing = new Typing(socket);
const messages = new Messages();
const composer = new Composer({
  onSend: ({ text, picture }) => {
    typing.rest(room, self.name);
    if (picture) sendPicture(picture, text);
    else sendText(text);
  },
  onType: () => { if (socket.connected) typing.tell(room, self.name); },
  onEmpty: () => typing.rest(room, self.name, { deleted: true }),
});

// --- rooms

function showRooms() {
  if (!rooms.includes(room)) rooms.push(room);
  element("rooms").replaceChildren(...rooms.map((name) => {
    const button = make("button", { text: roomTitle(name), data: { room: name } });
    button.type = "button";
    if (name === room) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { if (name !== room) goTo(name); });
    return make("li", {}, button);
  }));
  element("rooms").querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "nearest" });
  element("room").textContent = roomTitle(room);
  element("room").dataset.room = room;
  document.title = `${roomTitle(room)} · Roomcast chat`;
}

async function enter() {
  const attempt = ++entering;
  composer.ready(false, `Entering ${roomTitle(room)} …`);
  showRooms();
  messages.show(room);
  const answer = await ask(socket, "join", room);
  if (attempt !== entering || !socket.connected) return;
  if (!answer.ok) {
    composer.ready(false, "Choose a room");
    messages.event(explain(answer));
    return;
  }
  composer.ready(true, `Message to ${roomTitle(room)}`);
  presence.enter(room);
}

function goTo(next) {
  presence.leave();
  typing.clear();
  if (socket.connected) socket.emit("leave", room);
  room = next;
  const address = new URL(location.href);
  address.searchParams.set("room", room);
  history.replaceState(null, "", address);
  if (socket.connected) enter();
  else {
    showRooms();
    messages.show(room);
  }
}

element("own-room").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("own-room-name");
  const name = input.value.trim();
  if (name === "") return input.focus();
  input.value = "";
  const next = `room:${name}`;
  if (next !== room) goTo(next);
});

// --- connection

socket.on("connect", async () => {
  enter();
  const answer = await ask(socket, "whoami");
  if (!answer.ok || answer.id !== socket.id) return;
  self.node = textOf(answer.node, 40);
  element("node").textContent = self.node;
  presence.announce();
});
socket.on("disconnect", () => {
  entering += 1;
  self.node = "";
  composer.ready(false, "Waiting for the connection …");
  presence.forgetAll();
  typing.clear();
});

// --- messages

function sendText(text) {
  const item = messages.add({ from: socket.id, author: self.name, text, at: Date.now(), own: true, state: "sending" });
  deliver(item, "message", room, { name: self.name, text });
}

function sendPicture({ bytes, mime, width, height }, caption) {
  const url = pictureUrl(bytes, mime);
  const size = { width, height };
  const item = messages.add({ from: socket.id, author: self.name, text: caption, at: Date.now(), own: true, url, size, state: "sending" });
  deliver(item, "file", room, { name: self.name, mime, caption, width, height }, bytes);
}

async function deliver(item, ...event) {
  const answer = await ask(socket, ...event);
  if (answer.ok) return messages.settle(item, "sent");
  messages.settle(item, "refused", explain(answer));
  // Somebody who has gone to another room meanwhile does not see the message itself.
  if (!item.isConnected) notice(explain(answer));
}

// Any client may talk here, not only this page: a plain text is a message too, and nothing is taken on trust.
const authorOf = (payload, meta) =>
  textOf(payload?.name, 24) || presence.nameOf(meta.from) || `guest ${String(meta.from).slice(0, 4)}`;

socket.on("message", (payload, meta) => {
  if (meta?.room !== room) return;
  const text = typeof payload === "string" ? payload : textOf(payload?.text, 4000);
  if (text === "") return;
  typing.stopped(meta.from);
  messages.add({ from: meta.from, author: authorOf(payload, meta), text, at: meta.at });
});
socket.on("file", (payload, bytes, meta) => {
  if (meta?.room !== room) return;
  const url = pictureUrl(bytes, payload?.mime);
  if (!url) return;
  const { width, height } = payload;
  const size = [width, height].every((edge) => Number.isInteger(edge) && edge > 0 && edge < 20_000) && { width, height };
  typing.stopped(meta.from);
  messages.add({ from: meta.from, author: authorOf(payload, meta), text: textOf(payload.caption, 4000), at: meta.at, url, size });
});

// --- name

const nameInput = element("name");
nameInput.value = self.name;
nameInput.addEventListener("change", () => {
  const name = nameInput.value.trim();
  if (name === "") {
    nameInput.value = self.name;
    return;
  }
  self.name = name;
  nameInput.value = name;
  saveName(name);
  presence.announce();
});
nameInput.addEventListener("keydown", ({ key }) => { if (key === "Enter") nameInput.blur(); });

composer.ready(false, "Connecting …");
showRooms();
messages.show(room);
socket.connect();
