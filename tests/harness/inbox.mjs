// What a client has heard and nobody has asked for yet. Events are recorded from the first moment, so that a test
// may ask for a message after it has come, and can tell that nothing else came.
import { within } from "./deadline.mjs";

export class Inbox {
  #unread = [];
  #waiting = new Set();

  put(event, args) {
    for (const waiter of this.#waiting) {
      if (waiter.matches(event, args)) {
        this.#waiting.delete(waiter);
        waiter.resolve(args);
        return;
      }
    }
    this.#unread.push([event, ...args]);
  }

  /** The arguments of the first `event` that the predicate accepts, taken out of the inbox; waits for it if need be. */
  async take(event, predicate = () => true, who = "the client") {
    const matches = (name, args) => name === event && predicate(...args);
    const at = this.#unread.findIndex(([name, ...args]) => matches(name, args));
    if (at >= 0) return this.#unread.splice(at, 1)[0].slice(1);

    const { promise, resolve } = deferred();
    const waiter = { matches, resolve };
    this.#waiting.add(waiter);
    try {
      return await within(promise, () => `"${event}" at ${who}; unread: ${brief(this.#unread)}`);
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  get unread() {
    return [...this.#unread];
  }

  /** Everything unread of one event, in the order of arrival, taken out of the inbox. */
  drain(event) {
    const drained = this.#unread.filter(([name]) => name === event).map(([, ...args]) => args);
    this.#unread = this.#unread.filter(([name]) => name !== event);
    return drained;
  }
}

export function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

function brief(entries) {
  const text = JSON.stringify(entries, (_, value) => (typeof value === "bigint" ? String(value) : value));
  return text.length > 600 ? `${text.slice(0, 600)}... (${entries.length} in all)` : text;
}
