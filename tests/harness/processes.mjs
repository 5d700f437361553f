// Child processes and directories of one test file: each process is ended by its pid and each directory removed,
// also when a test has crashed the file.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { within } from "./deadline.mjs";
import { deferred } from "./inbox.mjs";

const children = new Set();
const directories = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  // a second one, as from a group and a runner, must not cut the cleaning short
  process.on(signal, () => process.exit(1));
}
process.on("exit", () => {
  for (const child of children) child.signal("SIGKILL");
  for (const path of directories) removeDirectory(path);
});

export function temporaryDirectory() {
  const path = mkdtempSync(join(tmpdir(), "roomcast-"));
  directories.add(path);
  return path;
}

export function removeDirectory(path) {
  // a server that has just been killed may still write to it
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  directories.delete(path);
}

export class Child {
  #ended = deferred();
  #waiting = new Set();
  #tail = [];

  /** Resolves when the process has ended and all its output is read. */
  exited = this.#ended.promise;

  /** `onLine` gets each line of the standard output; the end of both outputs is kept for the message of a failure. */
  constructor(command, args, { onLine = () => {} } = {}) {
    this.command = command;
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    children.add(this);
    this.process.once("error", (error) => {
      this.#keep(error.message);
      if (this.process.pid === undefined) this.#end();
    });
    this.process.once("close", () => this.#end());
    // writing to one that has just ended is no failure of its own: whoever waits for an answer hears that it ended
    this.process.stdin.on("error", () => {});
    createInterface({ input: this.process.stderr }).on("line", (line) => this.#keep(line));
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.#keep(line);
      for (const waiter of this.#waiting) if (waiter.pattern.test(line)) waiter.resolve(line);
      onLine(line);
    });
  }

  get pid() {
    return this.process.pid;
  }

  get alive() {
    return children.has(this);
  }

  get tail() {
    return this.#tail.join("\n");
  }

  /** The first line of the standard output from now on that matches; fails when the process ends without it. */
  async says(pattern) {
    const { promise, resolve } = deferred();
    const waiter = { pattern, resolve };
    this.#waiting.add(waiter);
    const ended = this.exited.then(() => {
      throw new Error(`${this.command} ended before it said ${pattern}:\n${this.tail}`);
    });
    // nobody may be waiting any more when it ends
    ended.catch(() => {});
    try {
      return await within(Promise.race([promise, ended]), () => `${this.command} to say ${pattern}:\n${this.tail}`);
    } finally {
      this.#waiting.delete(waiter);
    }
  }

  write(line) {
    this.process.stdin.write(`${line}\n`);
  }

  signal(name) {
    return this.process.kill(name);
  }

  /** Ends it without mercy; also one that is stopped. */
  async kill() {
    this.signal("SIGKILL");
    await within(this.exited, `${this.command} (${this.pid}) to die`);
  }

  /** Ends it by closing its input, which must be enough. */
  async finish() {
    this.process.stdin.end();
    try {
      await within(this.exited, () => `${this.command} (${this.pid}) to end with its input:\n${this.tail}`);
    } finally {
      this.signal("SIGKILL");
    }
  }

  #keep(line) {
    this.#tail.push(line);
    if (this.#tail.length > 40) this.#tail.shift();
  }

  #end() {
    children.delete(this);
    this.#ended.resolve();
  }
}
