// The conversation of each room, as list items; the rooms that are not looked at keep theirs in memory.
import { avatar, element, make } from "./page.js";

const KEPT = 200;
const NEAR_END = 80;
const GROUPED_WITHIN = 3 * 60_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export class Messages {
  #list = element("messages");
  #scroll = element("scroll");
  #kept = new Map();
  #room = null;

  constructor() {
    this.#scroll.addEventListener("scroll", () => {
      if (this.#atEnd()) element("newest").hidden = true;
    });
    element("newest").addEventListener("click", () => this.#toEnd());
    // The keyboard of a phone, or a turned screen: what was last stays in view.
    let wasAtEnd = true;
    this.#scroll.addEventListener("scroll", () => { wasAtEnd = this.#atEnd(); });
    new ResizeObserver(() => { if (wasAtEnd) this.#toEnd(); }).observe(this.#scroll);
  }

  show(room) {
    if (room === this.#room) return;
    if (this.#room !== null) this.#kept.set(this.#room, [...this.#list.children]);
    this.#room = room;
    this.#list.replaceChildren(...(this.#kept.get(room) ?? []));
    this.#kept.delete(room);
    this.#toEnd();
  }

  /** A line between the messages: who came, what happened. */
  event(text) {
    this.#append(make("li", { className: "event", text }));
  }

  /** Adds a message and gives its item; `url` is the picture's address. */
  add({ from, author, text, at, own = false, url, size, state }) {
    const body = make("div", { className: "bubble" });
    if (url) body.append(this.#picture(url, text, size));
    const words = make("span", { className: "text", text });
    words.hidden = text === "";
    body.append(words);

    const item = make(
      "li",
      { className: own ? "own" : "", data: { from, at: String(at), ...(state && { state }) } },
      avatar(author),
      make(
        "div",
        { className: "stack" },
        make("span", { className: "author", text: author }),
        body,
        make("span", { className: "foot" }, make("time", { text: clock.format(at) }), make("span", { className: "note" })),
      ),
    );
    item.querySelector("time").dateTime = new Date(at).toISOString();
    const last = this.#list.lastElementChild;
    const follows = last?.dataset.from === from
      && last.querySelector(".author")?.textContent === author
      && at - Number(last.dataset.at) < GROUPED_WITHIN;
    if (follows) item.classList.add("follows");
    this.#append(item, { always: own });
    return item;
  }

  /** What became of an own message: "sent" or "refused", with the reason. */
  settle(item, state, reason = "") {
    item.dataset.state = state;
    item.querySelector(".note").textContent = reason;
  }

  #picture(url, caption, size) {
    const image = make("img");
    image.alt = caption || "A picture";
    if (size) Object.assign(image, size);
    image.addEventListener("load", () => { if (this.#atEnd(image.height)) this.#toEnd(); });
    image.src = url;
    return image;
  }

  #append(item, { always = false } = {}) {
    const follow = always || this.#atEnd();
    this.#list.append(item);
    while (this.#list.children.length > KEPT) {
      const oldest = this.#list.firstElementChild;
      for (const image of oldest.querySelectorAll("img")) URL.revokeObjectURL(image.src);
      oldest.remove();
    }
    if (follow) this.#toEnd();
    else element("newest").hidden = false;
  }

  #atEnd(extra = 0) {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR_END + extra;
  }

  #toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    element("newest").hidden = true;
  }
}
