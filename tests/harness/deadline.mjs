// The only clocks of the suites. A test waits for something that must happen; the deadline is there so that a
// broken build fails with a sentence instead of hanging, and is long because a slow machine is not a failure.
import { setTimeout as pause } from "node:timers/promises";

export const PATIENCE = 10_000;

/** The promise's value, or an error that says what was awaited. `what` may be a function, asked only on failure. */
export async function within(promise, what, ms = PATIENCE) {
  const gaveUp = new AbortController();
  const late = pause(ms, undefined, { signal: gaveUp.signal }).then(() => {
    throw new Error(`waited ${ms} ms for ${typeof what === "function" ? what() : what}`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    gaveUp.abort();
    late.catch(() => {});
  }
}

/** Asks `condition` again and again until it answers with something true, and gives that answer. */
export async function until(condition, what, ms = PATIENCE, every = 20) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const answer = await condition();
      if (answer) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const why = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${ms} ms until ${what}; last: ${why}`);
    }
    await pause(every);
  }
}
