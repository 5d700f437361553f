// "Ann is typing": a volatile event, so it may get lost and must end by itself.
import { element, textOf } from "./page.js";

const TELL_EVERY = 2_000;
const BELIEVE_FOR = 4_000;

export class Typing {
  #socket;
  #told = 0;
  #others = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.on("typing", (heard, meta) => {
      if (!meta) return;
      if (heard?.typing === false) this.stopped(meta.from);
      else this.#believe(meta.from, textOf(heard?.name, 24) || "Somebody");
    });
  }

  /** Called for every key: tells the room now and then. */
  tell(room, name) {
    if (Date.now() - this.#told < TELL_EVERY) return;
    this.#told = Date.now();
    this.#socket.volatile.emit("typing", room, { name, typing: true });
  }

  /** The text is gone: sent (its arrival says so itself) or deleted. */
  rest(room, name, { deleted = false } = {}) {
    if (deleted && this.#told) this.#socket.volatile.emit("typing", room, { name, typing: false });
    this.#told = 0;
  }

  stopped(id) {
    clearTimeout(this.#others.get(id)?.timer);
    this.#others.delete(id);
    this.#render();
  }

  clear() {
    for (const id of [...this.#others.keys()]) this.stopped(id);
  }

  #believe(id, name) {
    clearTimeout(this.#others.get(id)?.timer);
    this.#others.set(id, { name, timer: setTimeout(() => this.stopped(id), BELIEVE_FOR) });
    this.#render();
  }

  #render() {
    const names = [...this.#others.values()].map(({ name }) => name);
    const who = names.length > 2 ? `${names.length} people` : names.join(" and ");
    element("typing").textContent = who && `${who} ${names.length > 1 ? "are" : "is"} typing`;
  }
}
