// The cluster scripts of deploy/local, run as a person would run them.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until, within } from "./deadline.mjs";

export const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
export const BINARY = process.env.ROOMCAST_BIN ?? join(REPOSITORY, "target/release/roomcast");
const SCRIPTS = join(REPOSITORY, "deploy/local");
const START = 60_000;
// a cluster of a test is stopped with whatever clients it has: nobody is to be spared
const QUICKLY = { ROOMCAST__SERVER__DRAIN_DELAY_MS: "0", ROOMCAST__SERVER__DRAIN_WINDOW_MS: "250" };

/** A directory of its own for one cluster's state, and the environment that points the scripts to it. */
export class Place {
  #outputs = 0;

  constructor() {
    this.dir = mkdtempSync(join(tmpdir(), "roomcast-"));
    this.env = { ...QUICKLY, ...process.env, ROOMCAST_BIN: BINARY, ROOMCAST_LOCAL_DIR: join(this.dir, "state") };
  }

  /**
   * Starts a script with its output in a file: what it leaves running in the background would hold a pipe open.
   * Gives the child, and a function that reads the output so far.
   */
  start(script, ...args) {
    this.#outputs += 1;
    const log = join(this.dir, `${script}-${this.#outputs}.log`);
    const fd = openSync(log, "w");
    const child = spawn(join(SCRIPTS, script), args, { env: this.env, cwd: REPOSITORY, stdio: ["ignore", fd, fd] });
    closeSync(fd);
    const exited = once(child, "exit").then(([code, signal]) => ({ code, signal }));
    return { child, output: () => readFileSync(log, "utf8"), exited };
  }

  /** Runs a script to its end. */
  async run(script, ...args) {
    const { exited, output } = this.start(script, ...args);
    const { code, signal } = await within(exited, () => `${script} ${args.join(" ")}\n${output()}`, START);
    return { code: code ?? signal, output: output() };
  }

  async status() {
    const { code, output } = await this.run("status", "--json");
    if (code !== 0) throw new Error(`status --json ended with ${code}:\n${output}`);
    return JSON.parse(output);
  }

  /** Stops whatever runs here and removes the directory; also usable from an exit handler, so it does not await. */
  clear() {
    const down = spawnSync(join(SCRIPTS, "down"), { env: this.env, cwd: REPOSITORY, encoding: "utf8", timeout: START });
    rmSync(this.dir, { recursive: true, force: true });
    return down;
  }
}

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export function alive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // a child that nobody has waited for yet still has a pid, but it is dead
  return !/^\d+ \(.*\) Z/.test(readStat(pid));
}

function readStat(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return "0 (gone) Z";
  }
}

/** Kills without mercy and waits until it is dead; nothing to do for who is dead already. */
export async function kill(pid) {
  if (!alive(pid)) return;
  process.kill(pid, "SIGKILL");
  await until(() => !alive(pid), `process ${pid} is dead`);
}
