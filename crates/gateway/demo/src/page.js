// The elements of the page, and the little that every part does with them.

export const element = (id) => document.getElementById(id);

/** A new element. What people wrote only ever becomes text: nothing here parses HTML. */
export function make(tag, { text, className, data } = {}, ...children) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  Object.assign(node.dataset, data);
  node.append(...children);
  return node;
}

/** A short text from somebody else's payload; whatever is not a text counts as absent. */
export const textOf = (value, limit) => (typeof value === "string" ? value.trim().slice(0, limit) : "");

/** The same name has the same colour everywhere. */
export function avatar(name) {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const [initial = "?"] = name;
  const node = make("span", { className: "avatar", text: initial.toUpperCase() });
  node.style.setProperty("--hue", String(hash % 360));
  node.setAttribute("aria-hidden", "true");
  return node;
}

export const roomTitle = (room) => (room.startsWith("room:") ? room.slice(5) : room);

const NOTICE_SHOWN = 6_000;
let noticeTimer;

/** A short-lived notice above the composer. */
export function notice(text) {
  const node = element("notice");
  node.textContent = text;
  node.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { node.hidden = true; }, NOTICE_SHOWN);
}
