// A long-polling client by hand, for what a stock client never does: not to poll, and to look at the answers of HTTP.
import assert from "node:assert/strict";
import { PATIENCE, within } from "./deadline.mjs";

const SEPARATOR = "\u001e";

/** The answer to the first request of a session, whatever it is. */
export function handshake(url, { version = 4 } = {}) {
  return fetch(endpoint(url, { EIO: String(version) }));
}

/** A session that polls only when it is told to. */
export class SlowPoller {
  #url;
  #acks = 0;

  /** A session without any namespace yet. */
  static async open(url) {
    const response = await handshake(url);
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const poller = new SlowPoller();
    poller.#url = endpoint(url, { EIO: "4", sid: JSON.parse(text.slice(1)).sid });
    return poller;
  }

  /** A session that is connected to the namespace. */
  static async connect(url, namespace = "/chat") {
    const poller = await SlowPoller.open(url);
    poller.namespace = namespace;
    await poller.#post(`40${namespace},`);
    await poller.#pollUntil((packet) => packet.startsWith(`40${namespace},`));
    return poller;
  }

  /** Sends an event and polls until its ack has come. */
  async request(event, ...args) {
    const id = this.#acks;
    this.#acks += 1;
    const begin = `43${this.namespace},${id}`;
    await this.#post(`42${this.namespace},${id}${JSON.stringify([event, ...args])}`);
    const packets = await this.#pollUntil((packet) => packet.startsWith(begin));
    const [ack] = JSON.parse(packets.at(-1).slice(begin.length));
    assert.equal(ack.ok, true, `"${event}" was refused: ${JSON.stringify(ack)}`);
    return ack;
  }

  /** Polls until this event has come and nothing waits behind it. All events since, in the order of arrival. */
  async events(last) {
    const begin = `42${this.namespace},`;
    const isLast = (packet) => packet.startsWith(begin) && last(...JSON.parse(packet.slice(begin.length)));
    const packets = await this.#pollUntil(isLast);
    // a volatile event has a way of its own and may come behind: the ack of this is behind both
    const id = this.#acks;
    this.#acks += 1;
    await this.#post(`42${this.namespace},${id}["whoami"]`);
    packets.push(...(await this.#pollUntil((packet) => packet.startsWith(`43${this.namespace},${id}`))));
    return packets.filter((packet) => packet.startsWith(begin)).map((packet) => JSON.parse(packet.slice(begin.length)));
  }

  /** Ends the session. */
  close() {
    return this.#post("1");
  }

  async #pollUntil(wanted) {
    const packets = [];
    while (!packets.some(wanted)) {
      const response = await within(fetch(this.#url), () => `a poll; so far: ${packets}`, PATIENCE);
      const text = await response.text();
      assert.equal(response.status, 200, text);
      packets.push(...text.split(SEPARATOR));
      if (packets.at(-1) === "2") await this.#post("3");
    }
    return packets;
  }

  async #post(body) {
    const response = await fetch(this.#url, { method: "POST", body, headers: { "content-type": "text/plain;charset=UTF-8" } });
    const text = await response.text();
    assert.equal(response.status, 200, text);
  }
}

function endpoint(url, query) {
  const target = new URL("/socket.io/", url);
  target.search = new URLSearchParams({ transport: "polling", ...query });
  return target;
}
