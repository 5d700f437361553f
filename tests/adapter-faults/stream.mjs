// What one server says in one room: numbers, and who has heard which of them.

export class Stream {
  #asked = [];
  #accepted = [];
  #heard;

  constructor(sender, room, hearers) {
    Object.assign(this, { sender, room });
    this.#heard = new Map(hearers.map((hearer) => [hearer, []]));
  }

  get name() {
    return `${this.sender.label} in ${this.room}`;
  }

  /** How many the server has accepted. */
  get length() {
    return this.#accepted.length;
  }

  /** The next number; it is asked to be sent now. */
  ask() {
    return this.#asked.push(performance.now()) - 1;
  }

  /** It is in the outbox. */
  accept() {
    this.#accepted.push(performance.now());
  }

  hear(hearer, n) {
    this.#heard.get(hearer).push({ n, at: performance.now() });
  }

  heardBy(hearer) {
    return this.#heard.get(hearer);
  }

  heardLast(hearer) {
    return this.heardBy(hearer).findLast(({ n }) => n === this.length - 1);
  }

  /** What became of the numbers at a hearer. One that comes a second time overtakes nothing. */
  outcome(hearer) {
    const heard = new Set();
    const doubled = new Set();
    const overtaken = [];
    let highest = -1;
    for (const { n } of this.heardBy(hearer)) {
      if (heard.has(n)) doubled.add(n);
      else if (n < highest) overtaken.push(n);
      heard.add(n);
      highest = Math.max(highest, n);
    }
    const lost = [...this.#accepted.keys()].filter((n) => !heard.has(n));
    return { lost, doubled: [...doubled], overtaken };
  }

  /** Whether a number was on its way into the outbox, or came to be there, within a time. */
  isWithin(n, [from, to] = [Infinity, -Infinity]) {
    return this.#accepted[n] >= from && this.#asked[n] <= to;
  }

  /** Numbers in short, each with its age at a moment. */
  ranges(numbers, since) {
    const ranges = [];
    for (const n of numbers) {
      const last = ranges.at(-1);
      if (last && n === last[1] + 1) last[1] = n;
      else ranges.push([n, n]);
    }
    const time = (n) => `${Math.round(this.#accepted[n] - since)} ms`;
    const shown = ranges.slice(0, 12).map(([a, b]) => `${a}-${b} (${time(a)} to ${time(b)})`);
    return shown.join(", ") + (ranges.length > 12 ? ` and ${ranges.length - 12} more ranges` : "");
  }
}
