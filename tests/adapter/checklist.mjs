// Tells all stories to one composition of servers on one bus.
import { after, afterEach, before, describe, test } from "node:test";
import { abilities } from "./buses.mjs";
import { broadcasts } from "./stories/broadcasts.mjs";
import { acknowledgements } from "./stories/acknowledgements.mjs";
import { sockets } from "./stories/sockets.mjs";
import { rooms } from "./stories/rooms.mjs";
import { serverSideEvents } from "./stories/server-side-events.mjs";
import { specifics } from "./stories/specifics.mjs";
import { World } from "./world.mjs";

// where this much is broken the rest would be a waiting for deadlines
const ENOUGH = 8;
const STORIES = { broadcasts, acknowledgements, rooms, sockets, serverSideEvents, specifics };

export function checklist(redis, bus, composition, { clustered = false } = {}) {
  const can = abilities(bus, composition, { clustered });
  const told = ({ needs }) => needs.every((need) => can.has(need));

  describe(`${bus.title}${clustered ? ", in a cluster" : ""}: ${composition.title}`, () => {
    const early = new Map();
    let world;
    let failures = 0;
    before(async () => {
      world = await World.start(redis, bus, composition);
      for (const story of Object.values(STORIES).flat().filter((one) => one.early && told(one))) {
        const ending = story.tell(world);
        // it is the story's own test that fails
        ending.catch(() => {});
        early.set(story, ending);
      }
    });
    afterEach(() => world?.clear());
    after(() => world?.stop());

    for (const [name, stories] of Object.entries(STORIES)) {
      for (const story of stories.filter(told)) {
        test(`${name}: ${story.title}`, async () => {
          if (failures >= ENOUGH) throw new Error(`not told after ${failures} failures`);
          failures += 1;
          await (early.get(story) ?? story.tell(world));
          failures -= 1;
        });
      }
    }
  });
}
