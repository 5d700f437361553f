// A way to Redis that can be cut, that can silently lead nowhere, and that can be slow.
import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Proxy {
  #pairs = new Set();
  #timers = new Set();
  #delay = 0;

  /** Leads to this port of this machine. */
  static async start(port) {
    const proxy = new Proxy();
    proxy.server = createServer((near) => proxy.#lead(near, port));
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    return proxy;
  }

  get address() {
    return `127.0.0.1:${this.server.address().port}`;
  }

  get url() {
    return `redis://${this.address}`;
  }

  /** Connections that are open and not frozen. */
  get open() {
    return [...this.#pairs].filter((pair) => !pair.frozen).length;
  }

  #lead(near, port) {
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    near.setNoDelay(true);
    const pair = { near, far, frozen: false };
    this.#pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on("data", (bytes) => this.#later(pair, () => to.write(bytes)));
      from.on("end", () => this.#later(pair, () => to.end()));
      from.on("error", () => this.#reset(pair));
      from.on("close", () => this.#later(pair, () => this.#reset(pair)));
    }
  }

  #later(pair, pass) {
    const unlessFrozen = () => !pair.frozen && pass();
    if (this.#delay === 0) return unlessFrozen();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      unlessFrozen();
    }, this.#delay);
    this.#timers.add(timer);
  }

  #reset(pair) {
    this.#pairs.delete(pair);
    for (const socket of [pair.near, pair.far]) socket.resetAndDestroy();
  }

  /** Resets all connections, as a machine does that has forgotten them. Gives how many there were. */
  cut() {
    const pairs = [...this.#pairs];
    for (const pair of pairs) this.#reset(pair);
    return pairs.length;
  }

  /**
   * Nothing passes on the connections of now any more, and neither end is told; new ones work. Gives how many there
   * were.
   */
  freeze() {
    const pairs = [...this.#pairs].filter((pair) => !pair.frozen);
    for (const pair of pairs) {
      pair.frozen = true;
      for (const socket of [pair.near, pair.far]) socket.pause();
    }
    return pairs.length;
  }

  /** From now on everything takes so long, each way. */
  delay(ms) {
    this.#delay = ms;
  }

  async stop() {
    this.cut();
    for (const timer of this.#timers) clearTimeout(timer);
    this.server.close();
    await once(this.server, "close");
  }
}
