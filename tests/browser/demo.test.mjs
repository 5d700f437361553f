// The demo page as two people see it, on two nodes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { browserForFile, Visitor } from "../harness/browser.mjs";
import { clusterForFile } from "../harness/cluster.mjs";
import { until } from "../harness/deadline.mjs";
import { freshRoom } from "../harness/fence.mjs";
import { kill } from "../harness/scripts.mjs";

const cluster = clusterForFile();
const browser = browserForFile();

const SCREENS = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};

/** Ann on node-1 and Bob on node-2, both in the same room and shown as connected. */
async function annAndBob(t, { room = freshRoom(), viewport = SCREENS.desktop, transports = {} } = {}) {
  const [ann, bob] = await Promise.all([
    Visitor.arrive(browser, cluster, { name: "Ann", node: "node-1", room, viewport, transport: transports.ann }),
    Visitor.arrive(browser, cluster, { name: "Bob", node: "node-2", room, viewport, transport: transports.bob }),
  ]);
  t.after(() => Promise.all([ann.leaves(), bob.leaves()]));
  for (const [visitor, node] of [[ann, "node-1"], [bob, "node-2"]]) {
    await visitor.sees("#status", "connected");
    await visitor.sees("#node", node);
    for (const name of ["Ann", "Bob"]) await visitor.knows("#members li", name);
  }
  return { ann, bob };
}

for (const [screen, viewport] of Object.entries(SCREENS)) {
  describe(`two people on two nodes, ${screen}`, () => {
    test("see each other, talk, type and send a picture", async (t) => {
      const { ann, bob } = await annAndBob(t, { room: "paris", viewport });

      await ann.says("Hello Bob, how is node-2?");
      await bob.sees("#messages li[data-from] .text", "Hello Bob, how is node-2?");
      await bob.sees("#messages li[data-from] .author", "Ann");
      await bob.says("Cosy. <b>And</b> node-1? 🎉");
      await ann.sees("#messages li[data-from] .text", "Cosy. <b>And</b> node-1? 🎉");
      await ann.sees("#messages li[data-from] .author", "Bob");
      for (const visitor of [ann, bob]) {
        assert.equal(await visitor.page.locator("#messages li[data-from]").count(), 2, "each message once");
      }

      // typing is volatile: one may get lost, so she goes on until he sees it
      const composer = ann.page.locator("#composer input");
      await until(async () => {
        await composer.press("x");
        return (await bob.text("#typing")).includes("Ann");
      }, "Bob sees that Ann is typing");
      await bob.screenshot(`${screen}-typing`);
      await composer.fill("");

      const picture = await bob.screenshot(`${screen}-talk`);
      await bob.page.locator("#picture").setInputFiles({ name: "page.png", mimeType: "image/png", buffer: picture });
      await bob.sees("#preview");
      await bob.page.locator("#send").click();
      const image = ann.page.locator("#messages li[data-from] img");
      await image.waitFor();
      await until(() => image.evaluate((element) => element.complete && element.naturalWidth > 0), "the picture is drawn");

      for (const visitor of [ann, bob]) {
        const overflow = await visitor.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels wider than the screen`);
        await visitor.sees("#send");
        await visitor.screenshot(`${screen}-${visitor.name}`);
        assert.deepEqual(visitor.complaints, []);
      }
    });
  });
}

describe("the demo page", () => {
  test("shows the transport it was told to use", async (t) => {
    const { ann, bob } = await annAndBob(t, { transports: { ann: "polling", bob: "websocket" } });
    await ann.sees("#transport", "polling");
    await bob.sees("#transport", "websocket");
    await ann.says("by polling");
    await bob.sees("#messages .text", "by polling");
    await bob.says("by websocket");
    await ann.sees("#messages .text", "by websocket");
    for (const visitor of [ann, bob]) assert.deepEqual(visitor.complaints, []);
  });

  test("is upgraded to websocket when it may choose", async (t) => {
    const { ann } = await annAndBob(t);
    await ann.sees("#transport", "websocket");
  });

  test("shows what others write as text, never as markup", async (t) => {
    const { ann, bob } = await annAndBob(t);
    const attack = `<img src=x onerror="document.title='gotcha'"><script>document.title='gotcha'</script>`;
    await ann.says(attack);
    await bob.sees("#messages .text", attack);
    assert.equal(await bob.page.locator("#messages .text img, #messages script").count(), 0);
    assert.doesNotMatch(await bob.page.title(), /gotcha/);
  });

  test("lets nobody of another room listen", async (t) => {
    const { ann, bob } = await annAndBob(t);
    const eve = await Visitor.arrive(browser, cluster, { name: "Eve", node: "node-2", room: freshRoom("eve") });
    t.after(() => eve.leaves());
    await eve.sees("#status", "connected");
    await ann.says("between us");
    await bob.sees("#messages .text", "between us");
    // her node has told Bob; what she says and hears of herself is behind it
    await eve.says("alone");
    await eve.sees("#messages .text", "alone");
    assert.equal(await eve.page.locator("#messages .text", { hasText: "between us" }).count(), 0);
    assert.equal(await eve.page.locator("#members li").count(), 1);
  });

  test("forgets who has gone", async (t) => {
    const { ann, bob } = await annAndBob(t);
    await bob.page.goto("about:blank");
    await until(async () => (await ann.page.locator("#members li").count()) === 1, "Ann is alone", 30_000);
  });

  test("is served by every node itself, with its own style and script", async () => {
    for (const name of cluster.names) {
      for (const [path, type] of Object.entries({ "/": "text/html", "/app.js": "javascript", "/style.css": "text/css" })) {
        const response = await fetch(new URL(path, cluster.node(name).url));
        assert.equal(response.status, 200, `${path} of ${name}`);
        assert.ok(response.headers.get("content-type").includes(type), response.headers.get("content-type"));
        assert.ok((await response.text()).length > 100);
      }
    }
  });

  // the last one: afterwards the cluster has a node less
  test("goes on by itself when its node is lost", async (t) => {
    const { ann, bob } = await annAndBob(t);
    await kill(cluster.node("node-1").pid);
    await until(async () => /node-[23]/.test(await ann.text("#node")), "Ann is on another node", 30_000);
    await ann.sees("#status", "connected");
    for (const visitor of [ann, bob]) {
      await until(async () => (await visitor.page.locator("#members li").count()) === 2, `${visitor.name} sees two`, 30_000);
    }
    await ann.says("that was quick");
    await bob.sees("#messages .text", "that was quick");
    await bob.says("welcome back");
    await ann.sees("#messages .text", "welcome back");
  });
});
