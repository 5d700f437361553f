// HTTP/1.1 by hand: every request has a connection of its own and is sent just as it is written here.
import { STATUS_CODES } from "node:http";
import { Cut, Wire } from "./wire.mjs";

/** The answer to one request. */
export class Answer {
  constructor(status, headers, body) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get text() {
    return this.body.toString();
  }

  get json() {
    return JSON.parse(this.text);
  }

  /** For messages of assertions. */
  toString() {
    return `${this.status} ${STATUS_CODES[this.status]}: ${this.text.slice(0, 300)}`;
  }
}

/** The bytes of a request. `headers` is an object or, for headers that come twice, a list of pairs. */
export function request(target, { method = "GET", headers = {}, body } = {}) {
  const pairs = Array.isArray(headers) ? [...headers] : Object.entries(headers);
  const has = (name) => pairs.some(([other]) => other.toLowerCase() === name);
  if (!has("host")) pairs.unshift(["host", "roomcast.test"]);
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  if (body !== undefined && !has("content-length") && !has("transfer-encoding")) {
    pairs.push(["content-length", bytes.length]);
  }
  if (body !== undefined && !has("content-type")) pairs.push(["content-type", "text/plain;charset=UTF-8"]);
  const lines = pairs.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`), bytes]);
}

/** Sends a request and gives the answer. */
export async function ask(port, target, options) {
  const wire = await Wire.to(port);
  try {
    // an answer may come before all is sent
    wire.write(request(target, options));
    return await wire.take(answer, `the answer to ${options?.method ?? "GET"} ${target.slice(0, 200)}`);
  } finally {
    wire.close();
  }
}

/**
 * The status of the answer to a request that is too large. A server need not read it to its end, and then its answer
 * can be lost with what it did not read: 0 if there is none.
 */
export async function statusOrCut(asked) {
  try {
    return (await asked).status;
  } catch (error) {
    if (error instanceof Cut) return 0;
    throw error;
  }
}

/** The answer at the beginning of these bytes, for `Wire.take`. */
export function answer(bytes, over) {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first, ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(first)?.[1];
  if (!status) throw new Error(`this is no answer of HTTP/1: ${JSON.stringify(first)}`);
  const headers = new Headers(lines.map((line) => /^([^:]+): *(.*)$/.exec(line).slice(1)));
  const body = bodyOf(headers, Number(status), bytes.subarray(end + 4), over);
  return body && { value: new Answer(Number(status), headers, body.value), used: end + 4 + body.used };
}

function bodyOf(headers, status, bytes, over) {
  if (status < 200 || status === 204) return { value: Buffer.alloc(0), used: 0 };
  if (headers.get("transfer-encoding") === "chunked") return chunked(bytes);
  const length = headers.get("content-length");
  if (length === null) return over ? { value: bytes, used: bytes.length } : undefined;
  if (bytes.length < Number(length)) return undefined;
  return { value: bytes.subarray(0, Number(length)), used: Number(length) };
}

function chunked(bytes) {
  const chunks = [];
  let at = 0;
  for (;;) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const length = Number.parseInt(bytes.subarray(at, line).toString(), 16);
    at = line + 2 + length + 2;
    if (bytes.length < at) return undefined;
    if (length === 0) return { value: Buffer.concat(chunks), used: at };
    chunks.push(bytes.subarray(line + 2, line + 2 + length));
  }
}
