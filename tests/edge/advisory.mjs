// What the tests of published advisories have in common.
import { before, describe, test } from "node:test";
import { Polling } from "../harness/engine.mjs";

/** The node of a file, with what its tests need. */
export function advisoriesOn(node) {
  return {
    /**
     * The tests of one advisory. Behind them the node lives, serves newcomers, and has as much memory as before. `tests`
     * gets a function by which to say that from now on more is usual.
     */
    advisory(id, title, tests) {
      describe(`${id}, ${title}`, () => {
        let memory;
        before(() => (memory = node.memory()));
        tests((usual) => (memory = usual));
        test("it left no trace", async () => {
          node.closeClients();
          await node.unharmed();
          await node.givesBack(memory);
        });
      });
    },

    /** What serving a thousand people takes is no trace of an attack. */
    async crowd() {
      const sessions = [];
      await inParallel(1000, 20, async () => sessions.push(await Polling.open(node)));
      await inParallel(1000, 1000, (at) => sessions[at].close());
    },
  };
}

/** Calls it so many times, some at the same time. */
export async function inParallel(times, width, call) {
  let next = 0;
  const worker = async () => {
    while (next < times) await call(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}
