// The bus format of our nodes: crates/adapter/examples/codec.rs, a filter that answers line by line.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { within } from "../harness/deadline.mjs";
import { deferred } from "../harness/inbox.mjs";

// `cargo build -p roomcast-adapter --example codec`; `cargo test` builds it as well.
const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));
const program = process.env.ROOMCAST_CODEC ?? `${target}/debug/examples/codec`;

/** The codec for all tests of a file. */
export class Codec {
  #child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  #asked = [];
  #ended;

  constructor() {
    const child = this.#child;
    const end = deferred();
    child.once("error", (error) => end.resolve(error.message));
    child.once("close", (code, signal) => end.resolve(code ?? signal));
    end.promise.then((how) => {
      this.#ended = new Error(`${program} has ended: ${how}`);
      for (const { reject } of this.#asked.splice(0)) reject(this.#ended);
    });
    // what it was still to be told is of no use when it has ended
    child.stdin.on("error", () => {});
    createInterface({ input: child.stdout }).on("line", (line) => this.#answered(line));
    process.once("exit", () => child.kill("SIGKILL"));
    after(async () => {
      child.stdin.end();
      assert.equal(await within(end.promise, `the end of ${program}`), 0);
    });
  }

  /** A message of the bus as a packet of a client: JSON text, and what its placeholders stand for. */
  async toJson(msgpack) {
    return event(await this.#ask("to_json", msgpack));
  }

  async toMsgpack({ text, attachments }) {
    const [msgpack] = await this.#ask("to_msgpack", Buffer.from(text), ...attachments);
    return msgpack;
  }

  /** Decodes a broadcast, and encodes it `again`. */
  async broadcast(message) {
    const [again, ...rest] = await this.#ask("broadcast", message);
    return { again, ...event(rest) };
  }

  /** Decodes a request, and encodes it again. */
  async request(message) {
    const [again] = await this.#ask("request", message);
    return again;
  }

  /** Decodes a response, and encodes it again. */
  async response(message) {
    const [again] = await this.#ask("response", message);
    return again;
  }

  #ask(verb, ...operands) {
    if (this.#ended) throw this.#ended;
    const answer = deferred();
    this.#asked.push(answer);
    this.#child.stdin.write(`${[verb, ...operands.map((bytes) => bytes.toString("hex"))].join(" ")}\n`);
    return answer.promise;
  }

  #answered(line) {
    const { resolve, reject } = this.#asked.shift();
    const [outcome, ...results] = line.split(" ");
    if (outcome === "ok") resolve(results.map((hex) => Buffer.from(hex, "hex")));
    else reject(new Error(line));
  }
}

function event([text, ...attachments]) {
  return { text: text.toString(), attachments };
}
