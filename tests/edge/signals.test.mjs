// What operators send to a node.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import { test } from "node:test";
import { ask } from "../harness/http.mjs";
import { until, within } from "../harness/deadline.mjs";
import { LoneNode, nodeForFile } from "../harness/lone-node.mjs";
import { removeDirectory, temporaryDirectory } from "../harness/processes.mjs";

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

/** A node of one test. */
async function own(t, settings) {
  const node = new LoneNode();
  t.after(() => node.stop());
  await node.start(settings);
  return node;
}

for (const signal of ["SIGTERM", "SIGINT"]) {
  test(`${signal}: the clients are let go, and the end is in order`, async (t) => {
    const node = await own(t, { server: { drain_delay_ms: 0, drain_window_ms: 250 } });
    const client = await node.connect();
    node.process.signal(signal);
    await within(node.process.exited, "the node has ended");
    assert.equal(node.process.process.exitCode, 0, node.process.tail);
    assert.deepEqual(client.disconnects, ["transport close"]);
    const report = node.process.tail.split("\n").findLast((line) => line.includes("took_ms"));
    for (const field of ["sessions=1", "graceful=1", "hard=0", "passed_on=0"]) assert.ok(report.includes(field), report);
  });
}

test("a second signal ends at once", async (t) => {
  const node = await own(t, { server: { drain_delay_ms: 600_000 } });
  await node.connect();
  node.process.signal("SIGTERM");
  await until(async () => (await ask(node.internalPort, "/ready")).status === 503, "it is about to stop");
  node.process.signal("SIGINT");
  await within(node.process.exited, "the node has ended");
  assert.equal(node.process.process.exitCode, 0, node.process.tail);
  assert.match(node.process.tail, /second signal/);
});

test("SIGHUP: newcomers get the new certificate, connections stay, and a bad file changes nothing", async (t) => {
  const directory = temporaryDirectory();
  t.after(() => removeDirectory(directory));
  const file = (name) => join(directory, name);
  const [cert, key] = [file("cert.pem"), file("key.pem")];
  const make = (name) =>
    execFileSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost", "-out", cert, "-keyout", key],
    ], { stdio: "ignore" });
  make("first");
  const node = await own(t, { server: { tls_cert_file: cert, tls_key_file: key } });
  const dial = async () => {
    const socket = connectTls({ port: node.port, host: "127.0.0.1", servername: "localhost", rejectUnauthorized: false });
    await once(socket, "secureConnect");
    return socket;
  };
  const who = async () => {
    const socket = await dial();
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  assert.equal(await who(), "first");
  const client = await dial();
  client.write("GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n");
  assert.match(String((await once(client, "data"))[0]), /^HTTP\/1\.1 200 /);
  make("second");
  node.process.signal("SIGHUP");
  await until(async () => (await who()) === "second", "the new certificate is in use");
  cpSync(key, cert);
  node.process.signal("SIGHUP");
  await until(() => /nothing has changed/.test(node.process.tail), "it says that the file is bad");
  assert.equal(await who(), "second");
  client.write("GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n");
  assert.match(String((await once(client, "data"))[0]), /^HTTP\/1\.1 200 /);
  client.destroy();
});
