// Everything that JavaScript programs put into an event, with a liking for what is at an edge.
import fc from "fast-check";

const POWERS = [5, 7, 8, 15, 16, 31, 32, 52, 53, 54, 60, 63, 64, 70].map((exponent) => 2 ** exponent);
const EDGES = POWERS.flatMap((power) => [power - 1, power, power + 1, 1 - power, -power, -power - 1]);
const FLOATS = [-0, 0.1, 1e-7, 1e16, 1e21, 5e-324, Number.EPSILON, Number.MAX_VALUE, NaN, Infinity, -Infinity];
const edge = fc.constantFrom(0, ...EDGES, ...FLOATS);
export const number = fc.oneof(edge, fc.integer(), fc.maxSafeInteger(), fc.double());

// several code points in one sign, marks, and what JSON or a terminal treats in its own way
const SIGNS = [
  ..."😀éあ\0\x7f\"\\/\u2028\ufeff\ufffd\u{10ffff}",
  ...["👩‍👩‍👧‍👦", "👍🏽", "🇨🇭", "1️⃣", "❤️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "e\u0301", "\r\n"],
];
export const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(fc.constantFrom(...SIGNS), { maxLength: 300 }).map((signs) => signs.join("")),
);

const half = fc.constantFrom("\ud83d", "\ude00", "\ud800", "\udfff");
/** Text that was cut in the middle of a character, as `slice` does, here and there. */
export const cutText = fc
  .array(fc.oneof(half, fc.constantFrom(...SIGNS)), { maxLength: 60 })
  .map((parts) => parts.join(""));

const YEAR_10000 = 253402300800000;
const YEAR_0 = -62167219200000;
const FARTHEST = 8.64e15;
const DATES = [0, 999, 2 ** 32 * 1000, 2 ** 34 * 1000, YEAR_10000, YEAR_0, FARTHEST, -FARTHEST, NaN];
export const date = fc.oneof(
  fc.constantFrom(...DATES.flatMap((ms) => [ms - 1, ms, ms + 1])).map((ms) => new Date(ms)),
  fc.date({ noInvalidDate: false }),
);

const VIEWS = [Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Float64Array, DataView];
const memory = fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes).buffer);
export const binary = fc.oneof(
  memory,
  memory.map((all) => Buffer.from(all)),
  // not the whole of its memory
  memory.map((all) => Buffer.from(all).subarray(1, -1)),
  // a multiple of the largest element
  fc.tuple(fc.constantFrom(...VIEWS), memory).map(([View, all]) => new View(all.slice(all.byteLength % 8))),
);

class Wrapped {
  constructor(value) {
    this.value = value;
  }
  toJSON() {
    return this.value;
  }
}
const leftOut = () => {};
const ODDITIES = [new Map([["a", 1]]), new Set([1]), new Error("no"), /x/g, new Array(3), Object.create(null)];

const NAMES = ["", "0", "1", "01", "-1", "1.5", "constructor", "toString", "hasOwnProperty", "length", "toJSON", "num"];
// `__proto__` and `_placeholder` have tests of their own
const name = fc
  .oneof(fc.constantFrom(...NAMES, "x".repeat(40), "é".repeat(20)), text)
  .filter((name) => name !== "__proto__" && name !== "_placeholder");

const scalar = fc.oneof(number, text, cutText, date, fc.boolean(), fc.constantFrom(null, undefined));
/** Any value that may stand in an event. */
export const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    scalar,
    binary,
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(name, fc.oneof({ weight: 9, arbitrary: tie("value") }, fc.constant(leftOut)), { maxKeys: 20 }).filter(
      // with that, a client may send binary values that it then does not refer to, and we refuse the event
      (map) => map.toJSON !== leftOut,
    ),
    tie("value").map((inner) => new Wrapped(inner)),
    fc.constantFrom(...ODDITIES),
  ),
}));

/** Values that JSON can say, without large integers: of those it says something else than what they are. */
export const json = fc
  .jsonValue({ maxDepth: 4, stringUnit: "grapheme" })
  .map((any) => JSON.parse(JSON.stringify(any), (_, inner) => (isLarge(inner) ? 2 ** 53 : inner)))
  // which `JSON.parse` does not give back when it revives
  .filter((any) => !JSON.stringify(any).includes("__proto__"));
export const isLarge = (any) => Number.isInteger(any) && Math.abs(any) > 2 ** 53;
