// Every story of clients/ is told three times: websocket only, polling only, polling upgraded to websocket.
import { describe } from "node:test";
import { TRANSPORTS } from "./client.mjs";

const chosen = process.env.ROOMCAST_TEST_MODES?.split(",") ?? Object.keys(TRANSPORTS);

export function inEveryMode(title, story) {
  for (const transport of chosen) {
    if (!TRANSPORTS[transport]) throw new Error(`ROOMCAST_TEST_MODES: there is no mode "${transport}"`);
    describe(`${title}, ${transport}`, () => story(transport));
  }
}
