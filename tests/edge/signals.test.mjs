// What operators send to a node.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../harness/http.mjs";
import { nodeForFile } from "../harness/lone-node.mjs";

const node = nodeForFile();

test("SIGHUP to a node without a certificate changes nothing", async () => {
  const client = await node.connect();
  process.kill(node.pid, "SIGHUP");
  await node.unharmed();
  assert.deepEqual(client.disconnects, []);
});

test("pages cannot stop a node", async () => {
  for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
    assert.equal((await ask(node.internalPort, "/drain", { method: "POST", headers })).status, 403);
  }
  assert.equal((await ask(node.internalPort, "/ready")).status, 200);
  await node.unharmed();
});
