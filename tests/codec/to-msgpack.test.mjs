// From a client to the bus: what a client of ours sends is published as a Node server would publish it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Codec } from "./codec.mjs";
import { large, MAX_DEPTH, nested, WRAPS } from "./large.mjs";
import { fromBus, heard, packets, split, toBus } from "./node.mjs";
import { forAll, SEED } from "./property.mjs";
import { binary, cutText, isLarge, json, number, text, value } from "./values.mjs";

const codec = new Codec();
const args = (one) => fc.array(one, { maxLength: 8 });

async function theSameOnTheBus(args) {
  const sent = packets(args);
  const event = wellFormed(heard(sent));
  const ours = await codec.toMsgpack(split(sent));
  assert.deepStrictEqual(fromBus(ours), event);
  if (isExact(event)) assert.deepStrictEqual(ours, toBus(event));
}

/** Halves of characters replaced, as UTF-8 does it. */
function wellFormed(any) {
  if (typeof any === "string") return Buffer.from(any).toString();
  if (Array.isArray(any)) return any.map(wellFormed);
  if (any === null || typeof any !== "object" || Buffer.isBuffer(any)) return any;
  return Object.fromEntries(Object.entries(any).map(([name, inner]) => [wellFormed(name), wellFormed(inner)]));
}

/**
 * Whether there is one way only to write it. Of a larger integer JSON has the shortest digits that mean it, and we keep
 * what the digits say; beyond 64 bits notepack writes something else altogether.
 */
function isExact(any) {
  if (any === null || typeof any !== "object" || Buffer.isBuffer(any)) return !isLarge(any);
  return Object.values(any).every(isExact);
}

forAll("whatever a client emits", args(value), theSameOnTheBus, 2000);
forAll("numbers", args(number), theSameOnTheBus);
forAll("text", args(text), theSameOnTheBus);
forAll("text cut in the middle of a character", args(cutText), theSameOnTheBus);
forAll("binary values", args(binary), theSameOnTheBus);

describe("large events", () => {
  for (const [name, args] of Object.entries(large(SEED))) test(name, () => theSameOnTheBus(args));
});

for (const [kind, wrap] of Object.entries(WRAPS)) {
  test(`nested ${kind}, as deep as they may be and deeper`, async () => {
    await theSameOnTheBus(nested(MAX_DEPTH, 1.5, wrap));
    const tooDeep = split(packets(nested(MAX_DEPTH + 1, 1.5, wrap)));
    await assert.rejects(codec.toMsgpack(tooDeep), /not valid JSON: recursion limit/);
  });
}

// Only bytes can be compared: notepack's decoder sets the prototype.
forAll("`__proto__` is a name like any other", json, async (inner) => {
  const sent = packets([JSON.parse(`{"a":1,"__proto__":${JSON.stringify(inner)}}`)]);
  assert.deepStrictEqual(await codec.toMsgpack(split(sent)), toBus(heard(sent)));
});

forAll("what looks like a placeholder stays as it is", fc.tuple(number, fc.boolean()), ([num, _placeholder]) =>
  theSameOnTheBus([{ _placeholder, num }, [{ num, _placeholder, more: 1 }]]),
);

// `JSON.stringify` is not the only writer: other clients use white space, escapes, and other forms of numbers.
forAll("JSON with white space and escapes", json, async (any) => {
  const text = JSON.stringify(["event", any], undefined, "\t \r");
  const hex = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  for (const written of [text, text.replace(/[^\t\r\n -~]/g, hex)]) {
    assert.deepStrictEqual(await codec.toMsgpack({ text: written, attachments: [] }), toBus(["event", any]));
  }
});

for (const written of ["5.0", "5e0", "50e-1", "0.5E+1", "-0", "-0.0", "1E3", "1e-400", "123456789012345678e-17", "0.1e1"]) {
  test(`the number ${written}`, async () => {
    const event = `["event",${written}]`;
    assert.deepStrictEqual(await codec.toMsgpack({ text: event, attachments: [] }), toBus(JSON.parse(event)));
  });
}
