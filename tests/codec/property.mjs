// Properties: what must hold for all values of a kind. Values are made anew in each run, from a seed that is printed.
import { randomInt } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";

export const SEED = Number(process.env.ROOMCAST_TEST_SEED ?? randomInt(2 ** 31));
console.log(`ROOMCAST_TEST_SEED=${SEED} makes the same values again`);

/** A test that `check` passes for `runs` values; a value that fails is made smaller before it is shown. */
export function forAll(title, values, check, runs = 1000) {
  test(title, () => fc.assert(fc.asyncProperty(values, check), { seed: SEED, numRuns: runs }));
}
