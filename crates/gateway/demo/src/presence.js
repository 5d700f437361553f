// Who is here. The nodes keep no list for us: every page announces itself in the room by the relayed event `here`,
//   {tab, name, node, transport, state: "here" | "bye", ask?: true}
// and builds its own list from what it hears. Who is new asks, and the others answer. Who is silent is forgotten:
// a killed browser says no goodbye.
import { avatar, element, make, textOf } from "./page.js";

const ANNOUNCE_EVERY = 6_000;
const FORGET_AFTER = 15_000;
// Answers are spread, so that a newcomer to a full room is not greeted by all at the same instant.
const ANSWER_WITHIN = 300;
// Survives a reconnect, which changes the socket id: others then replace the old entry instead of showing two.
const TAB = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Presence {
  #socket;
  #self;
  #room = null;
  #others = new Map();
  #announced = 0;
  #answer = null;
  #rendered = "";

  /** `self()` gives this page's {name, node, transport} of the moment. */
  constructor(socket, self) {
    this.#socket = socket;
    this.#self = self;
    socket.on("here", (heard, meta) => this.#hear(heard, meta));
    setInterval(() => this.#beat(), ANNOUNCE_EVERY / 2);
    addEventListener("pagehide", () => this.leave());
    // Timers sleep in a hidden tab, so its list is stale when it is looked at again.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.announce({ ask: true });
    });
  }

  enter(room) {
    this.#room = room;
    this.#others.clear();
    this.announce({ ask: true });
  }

  /** Says goodbye while the server still takes it: before the room is left. */
  leave() {
    if (this.#room) this.#emit({ tab: TAB, state: "bye" });
    this.forgetAll();
  }

  /** The connection is gone: nobody can be heard, and nothing said. */
  forgetAll() {
    this.#room = null;
    this.#others.clear();
    clearTimeout(this.#answer);
    this.#answer = null;
    this.#render();
  }

  announce({ ask } = {}) {
    if (!this.#room) return;
    clearTimeout(this.#answer);
    this.#answer = null;
    this.#announced = Date.now();
    this.#emit({ tab: TAB, ...this.#self(), state: "here", ...(ask && { ask: true }) });
    this.#render();
  }

  /** The name that somebody announced. */
  nameOf(id) {
    return this.#others.get(id)?.name;
  }

  #emit(payload) {
    if (this.#socket.connected) this.#socket.emit("here", this.#room, payload);
  }

  #hear(heard, meta) {
    if (meta?.room !== this.#room || typeof heard !== "object" || heard === null) return;
    const tab = textOf(heard.tab, 32);
    for (const [id, other] of this.#others) {
      if (other.tab === tab && tab !== "") this.#others.delete(id);
    }
    if (heard.state === "bye") {
      this.#others.delete(meta.from);
    } else {
      this.#others.set(meta.from, {
        tab,
        name: textOf(heard.name, 24) || "somebody",
        node: textOf(heard.node, 40),
        transport: textOf(heard.transport, 20),
        heardAt: Date.now(),
      });
      if (heard.ask === true) {
        this.#answer ??= setTimeout(() => this.announce(), Math.random() * ANSWER_WITHIN);
      } else if (Date.now() - this.#announced >= ANNOUNCE_EVERY) {
        // Browsers slow the timers of hidden tabs to one a minute, but not what arrives: others remind us.
        this.announce();
      }
    }
    this.#render();
  }

  #beat() {
    for (const [id, other] of this.#others) {
      if (Date.now() - other.heardAt > FORGET_AFTER) this.#others.delete(id);
    }
    if (Date.now() - this.#announced >= ANNOUNCE_EVERY) this.announce();
    else this.#render();
  }

  #render() {
    const people = [...this.#others].map(([from, { name, node, transport }]) => ({ from, name, node, transport }));
    people.sort((a, b) => a.name.localeCompare(b.name));
    if (this.#room) people.unshift({ from: this.#socket.id, ...this.#self(), you: true });
    // Most announcements change nothing: then nothing moves under a reader's eyes or a screen reader.
    const rendered = JSON.stringify(people);
    if (rendered === this.#rendered) return;
    this.#rendered = rendered;
    element("count").textContent = people.length ? String(people.length) : "";
    element("members").replaceChildren(...people.map(({ from, name, node, transport, you }) => make(
      "li",
      { data: { from, node, transport }, className: you ? "self" : "" },
      avatar(name),
      make("span", { className: "name", text: name }),
      make("span", { className: "where", text: [you && "you", node].filter(Boolean).join(" · ") }),
    )));
  }
}
