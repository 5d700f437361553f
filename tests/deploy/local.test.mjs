// up, down and status, as a person uses them.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connect } from "../harness/client.mjs";
import { until, within } from "../harness/deadline.mjs";
import { alive, freePort, kill, Place, REPOSITORY } from "../harness/scripts.mjs";

/** A place that is cleared behind the test, whatever happens in it. */
function placeFor(t) {
  const place = new Place();
  t.after(() => place.clear());
  return place;
}

const pids = ({ nodes, redis }) => [redis.pid, ...nodes.map((node) => node.pid)];

async function answers(url) {
  return fetch(url).then((response) => response.status, () => undefined);
}

describe("deploy/local", () => {
  test("up, status, a second up, down, down again", async (t) => {
    const place = placeFor(t);
    const port = await freePort();
    const up = await place.run("up", "--nodes", "2", "--port", String(port), "--detach");
    assert.equal(up.code, 0, up.output);
    assert.ok(up.output.includes(`http://127.0.0.1:${port}`), up.output);

    const status = await place.status();
    assert.deepEqual(Object.keys(status).sort(), ["balancer", "nodes", "redis"]);
    assert.equal(status.balancer, `http://127.0.0.1:${port}`);
    assert.deepEqual(Object.keys(status.redis).sort(), ["pid", "url"]);
    assert.match(status.redis.url, /^redis:\/\/127\.0\.0\.1:\d+$/);
    assert.deepEqual(status.nodes.map((node) => node.name), ["node-1", "node-2"]);
    for (const node of status.nodes) {
      assert.deepEqual(Object.keys(node).sort(), ["admin_url", "name", "pid", "url"]);
      for (const url of [node.url, node.admin_url]) {
        const version = await (await fetch(`${url}/version`)).json();
        assert.equal(version.node_name, node.name);
      }
    }
    for (const pid of pids(status)) assert.ok(alive(pid), `${pid} runs`);
    const dockerfile = readFileSync(join(REPOSITORY, "deploy/docker/Dockerfile"), "utf8");
    const [, allocator] = dockerfile.match(/^ENV (GLIBC_TUNABLES=.+)$/m);
    for (const { pid } of status.nodes) {
      // glibc reads them in place, and some versions put zeros between
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").replaceAll("\0", ":");
      assert.ok(environment.includes(allocator), `as in the image: ${allocator}`);
    }
    assert.equal(await answers(`${status.balancer}/live`), 200);

    const readable = await place.run("status");
    assert.equal(readable.code, 0);
    const words = ["node-1", "node-2", "redis", status.balancer, ...status.nodes.map((node) => node.admin_url)];
    for (const word of words) assert.ok(readable.output.includes(word), word);

    // the same port, and another one: this directory has its cluster
    for (const other of [port, await freePort()]) {
      const second = await place.run("up", "--nodes", "2", "--port", String(other), "--detach");
      assert.notEqual(second.code, 0);
      assert.match(second.output, /running already/);
      assert.deepEqual(await place.status(), status, "the running cluster is untouched");
    }

    const down = await place.run("down");
    assert.equal(down.code, 0, down.output);
    for (const pid of pids(status)) assert.ok(!alive(pid), `${pid} still runs`);
    assert.equal(await answers(`${status.balancer}/live`), undefined);
    assert.notEqual((await place.run("status", "--json")).code, 0, "status says that nothing runs");
    const again = await place.run("down");
    assert.equal(again.code, 0, again.output);
  });

  test("a taken port: up says so and harms nothing", async (t) => {
    const place = placeFor(t);
    const other = createServer((_, response) => response.end("mine"));
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    t.after(() => other.close());
    const { port } = other.address();

    const up = await place.run("up", "--port", String(port), "--detach");
    assert.equal(up.code, 1, up.output);
    assert.match(up.output, new RegExp(`port ${port} .*taken`));
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "mine");
    assert.notEqual((await place.run("status", "--json")).code, 0, "nothing was left running");
  });

  test("two clusters at once, each with its own directory", async (t) => {
    const places = [placeFor(t), placeFor(t)];
    await Promise.all(
      places.map(async (place) => {
        const up = await place.run("up", "--nodes", "1", "--port", String(await freePort()), "--detach");
        assert.equal(up.code, 0, up.output);
      }),
    );
    const [first, second] = await Promise.all(places.map((place) => place.status()));
    assert.notEqual(first.redis.url, second.redis.url);
    assert.equal((await places[0].run("down")).code, 0);
    assert.deepEqual(await places[1].status(), second);
    assert.equal(await answers(`${second.balancer}/live`), 200);
  });

  for (const signal of ["SIGINT", "SIGTERM"]) {
    test(`in the foreground ${signal} stops all processes`, async (t) => {
      const place = placeFor(t);
      const port = await freePort();
      const up = place.start("up", "--nodes", "2", "--port", String(port));
      await until(() => up.output().includes(`http://127.0.0.1:${port}`), "up tells its address", 60_000);
      const status = await place.status();
      assert.equal(await answers(`${status.balancer}/live`), 200);

      up.child.kill(signal);
      const { code } = await within(up.exited, () => `up to end\n${up.output()}`, 30_000);
      assert.equal(code, 0, up.output());
      for (const pid of pids(status)) assert.ok(!alive(pid), `${pid} still runs`);
      assert.equal(await answers(`${status.balancer}/live`), undefined);
    });
  }

  test("down stops a cluster of the foreground, too", async (t) => {
    const place = placeFor(t);
    const port = await freePort();
    const up = place.start("up", "--nodes", "1", "--port", String(port));
    await until(() => up.output().includes(`http://127.0.0.1:${port}`), "up tells its address", 60_000);
    const status = await place.status();
    assert.equal((await place.run("down")).code, 0);
    await within(up.exited, () => `up to end\n${up.output()}`, 30_000);
    for (const pid of pids(status)) assert.ok(!alive(pid), `${pid} still runs`);
  });

  for (const count of [1, 5]) {
    test(`--nodes ${count}`, async (t) => {
      const place = placeFor(t);
      const up = await place.run("up", "--nodes", String(count), "--port", String(await freePort()), "--detach");
      assert.equal(up.code, 0, up.output);
      const { balancer, nodes } = await place.status();
      assert.equal(nodes.length, count);
      // the balancer knows them all: it goes round
      const clients = await Promise.all(Array.from({ length: count * 2 }, () => connect(balancer)));
      t.after(() => clients.forEach((client) => client.close()));
      const seen = new Set(await Promise.all(clients.map(async (client) => (await client.whoami()).node)));
      assert.deepEqual([...seen].sort(), nodes.map((node) => node.name));
    });
  }

  test("--config reaches the nodes, and a bad one stops the start with its reason", async (t) => {
    const place = placeFor(t);
    const file = join(place.dir, "bad.toml");
    writeFileSync(file, "no_such_section_of_roomcast = 1\n");
    const up = await place.run("up", "--nodes", "1", "--port", String(await freePort()), "--detach", "--config", file);
    assert.notEqual(up.code, 0);
    assert.match(up.output, /no_such_section_of_roomcast/);
    assert.notEqual((await place.run("status", "--json")).code, 0, "nothing was left running");
  });

  test("status tells that a node has died", async (t) => {
    const place = placeFor(t);
    const up = await place.run("up", "--nodes", "2", "--port", String(await freePort()), "--detach");
    assert.equal(up.code, 0, up.output);
    const { nodes } = await place.status();
    await kill(nodes[0].pid);
    const status = await place.run("status", "--json");
    assert.equal(status.code, 1);
    assert.deepEqual(JSON.parse(status.output).nodes.map((node) => node.pid), [null, nodes[1].pid]);
    assert.equal((await place.run("down")).code, 0);
  });

  test("what operators see is not for the public", async (t) => {
    const place = placeFor(t);
    const up = await place.run("up", "--nodes", "1", "--port", String(await freePort()), "--detach");
    assert.equal(up.code, 0, up.output);
    const { balancer, nodes } = await place.status();
    assert.equal(await answers(`${nodes[0].admin_url}/metrics`), 200);
    for (const url of [balancer, nodes[0].url]) {
      for (const path of ["metrics", "%6detrics", "drain"]) assert.equal(await answers(`${url}/${path}`), 404, path);
      const asked = await fetch(`${url}/drain`, { method: "POST" });
      assert.equal(asked.status, 404);
      await asked.text();
    }
    assert.equal(await answers(`${balancer}/ready`), 200);
  });

  test("down lets the clients go in order", async (t) => {
    const place = placeFor(t);
    const up = await place.run("up", "--nodes", "1", "--port", String(await freePort()), "--detach");
    assert.equal(up.code, 0, up.output);
    const { nodes } = await place.status();
    // not through the balancer, which ends before the nodes
    const clients = await Promise.all(["websocket", "polling"].map((transport) => connect(nodes[0].url, { transport })));
    t.after(() => clients.forEach((client) => client.close()));
    const down = await place.run("down");
    assert.deepEqual({ code: down.code, output: down.output.trim() }, { code: 0, output: "stopped" });
    for (const client of clients) assert.equal(await client.gone(), "transport close");
  });

  const WRONG = [
    ["up", "--nodes"],
    ["up", "--nodes", "0"],
    ["up", "--nodes", "three"],
    ["up", "--nodes", "-1"],
    ["up", "--port", "http"],
    ["up", "--port", "70000"],
    ["up", "--port", "0"],
    ["up", "--config", "/nowhere/roomcast.toml"],
    ["up", "--frobnicate"],
    ["up", "8080"],
    ["down", "--now"],
    ["status", "--xml"],
  ];
  for (const [script, ...options] of WRONG) {
    test(`${script} ${options.join(" ")} ends with 64 and says why`, async (t) => {
      const place = placeFor(t);
      const { code, output } = await place.run(script, ...options);
      assert.equal(code, 64, output);
      assert.ok(output.includes(options[0]), output);
      assert.match(output, /usage:/);
    });
  }

  test("--help of each script", async (t) => {
    const place = placeFor(t);
    for (const script of ["up", "down", "status"]) {
      const { code, output } = await place.run(script, "--help");
      assert.equal(code, 0, output);
      assert.match(output, new RegExp(`usage: deploy/local/${script}`));
    }
  });
});
