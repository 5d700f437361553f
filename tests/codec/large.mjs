// Events at the limits of MessagePack's lengths, and of ours.
import fc from "fast-check";
import { value } from "./values.mjs";

/** How deep the bus and clients may nest: `MAX_DEPTH` in crates/adapter/src/wire. */
export const MAX_DEPTH = 127;

/** Arguments that nest `levels` deep together with the array they stand in. */
export function nested(levels, inner, wrap) {
  let all = inner;
  for (let level = 1; level < levels; level += 1) all = wrap(all);
  return [all];
}
export const WRAPS = { arrays: (inner) => [inner], maps: (inner) => ({ inner }) };

const MEGABYTE = 1024 * 1024;
const LENGTHS = [15, 16, 31, 32, 255, 256, 65535, 65536, 70_000];
const filled = (length, make) => Array.from({ length }, (_, i) => make(i));

/** Large events by name; what they are filled with comes from the seed. */
export function large(seed) {
  const [some] = fc.sample(fc.array(value, { minLength: 5 }), { seed, numRuns: 1 });
  const random = fc.sample(fc.integer(), { seed, numRuns: 1000 });
  const any = (i) => random[i % random.length];
  const events = {
    "a megabyte of ASCII": ["x".repeat(MEGABYTE)],
    "a megabyte of signs that JSON escapes": ["\u0001\"\\\n".repeat(MEGABYTE / 4)],
    "a megabyte of two and three bytes each": ["éあ".repeat(MEGABYTE / 5)],
    "a megabyte of emoji": ["😀".repeat(MEGABYTE / 4)],
    "a megabyte of binary": [Buffer.from(filled(MEGABYTE, any))],
    "a thousand binary values": [filled(1000, (i) => Buffer.from([any(i)]))],
  };
  for (const length of LENGTHS) {
    events[`an array of ${length}`] = [filled(length, any)];
    events[`a map of ${length}`] = [Object.fromEntries(filled(length, (i) => [`${any(i)} ${i}`, any(i)]))];
    events[`text of ${length} bytes`] = ["x".repeat(length), { ["y".repeat(length)]: 1 }];
    events[`${length} bytes`] = [Buffer.alloc(length, any(length))];
  }
  events["a thousand times the same of everything"] = filled(1000, () => some);
  return events;
}
