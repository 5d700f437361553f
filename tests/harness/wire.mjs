// A TCP connection by hand: for requests and frames that no client sends, and for what clients do not show.
import { connect } from "node:net";
import { within } from "./deadline.mjs";
import { deferred } from "./inbox.mjs";

const open = new Set();

/** Closes all connections that a test has left open. */
export function closeWires() {
  for (const wire of open) wire.close();
}

/** The other side has ended the connection before what was awaited came. */
export class Cut extends Error {}

export class Wire {
  #socket;
  #bytes = Buffer.alloc(0);
  // what has come since somebody looked: to join it each time would take long with much that nobody reads
  #chunks = [];
  #news = deferred();
  #over = deferred();
  #how;

  /** Leads to this port of this machine. */
  static async to(port) {
    const wire = new Wire();
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    wire.#socket = socket;
    open.add(wire);
    socket.on("data", (bytes) => {
      wire.#chunks.push(bytes);
      wire.#tell();
    });
    socket.on("end", () => wire.#end("ended"));
    socket.on("error", (error) => wire.#end(error.code));
    socket.on("close", () => {
      open.delete(wire);
      wire.#end("closed");
    });
    const { promise, resolve } = deferred();
    socket.once("connect", resolve);
    await within(Promise.race([promise, wire.#over.promise]), `a connection to port ${port}`);
    if (wire.#how) throw new Error(`no connection to port ${port}: ${wire.#how}`);
    return wire;
  }

  /** How the connection ended, as Node calls it; undefined while it is open. */
  get over() {
    return this.#how;
  }

  /** Sends; resolves when more may be sent. */
  async write(bytes) {
    if (this.#how || this.#socket.write(bytes)) return;
    const { promise, resolve } = deferred();
    this.#socket.once("drain", resolve);
    await Promise.race([promise, this.#over.promise]);
  }

  /**
   * What `parse` makes of the bytes that have come. It gets them, and whether these are all, and answers
   * `{ value, used }`, or nothing if it needs more.
   */
  async take(parse, what = "an answer") {
    const taken = async () => {
      for (;;) {
        const parsed = parse(this.#joined(), this.#how !== undefined);
        if (parsed) {
          this.#bytes = this.#bytes.subarray(parsed.used);
          return parsed.value;
        }
        if (this.#how) throw new Cut(`the connection ended (${this.#how}) before ${what}; ${this.#rest()}`);
        await this.#news.promise;
      }
    };
    return within(taken(), () => `${what}; ${this.#rest()}`);
  }

  /** Resolves when the other side has ended the connection, in whatever way. */
  async ended(what = "the other side to end the connection") {
    await within(this.#over.promise, () => `${what}; ${this.#rest()}`);
  }

  /** Reads nothing more, as a client that hangs: what comes piles up on the other side. */
  stopReading() {
    this.#socket.pause();
  }

  /** Says that nothing more will come, and goes on reading. */
  finish() {
    this.#socket.end();
  }

  close() {
    this.#socket.destroy();
  }

  /** Ends the connection without the usual farewell of TCP. */
  reset() {
    this.#socket.resetAndDestroy();
  }

  #rest() {
    return `unread: ${JSON.stringify(this.#joined().subarray(0, 200).toString("latin1"))}`;
  }

  #joined() {
    if (this.#chunks.length > 0) this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks]);
    this.#chunks = [];
    return this.#bytes;
  }

  #tell() {
    this.#news.resolve();
    this.#news = deferred();
  }

  #end(how) {
    this.#how ??= how;
    this.#over.resolve();
    this.#tell();
  }
}
