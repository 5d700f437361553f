// People with a browser: headless Chromium, each person in a context of its own, led to a node by a cookie.
import { mkdirSync } from "node:fs";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { pinningCookie } from "./balancer.mjs";
import { PATIENCE } from "./deadline.mjs";

const ARTIFACTS = fileURLToPath(new URL("../artifacts/", import.meta.url));
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

export async function openBrowser() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: QUIET });
  return browser;
}

/** A browser for all tests of a file. */
export function browserForFile() {
  const opening = openBrowser();
  // whoever visits fails with it
  opening.catch(() => {});
  after(() => opening.then((browser) => browser.close(), () => {}));
  return opening;
}

export class Visitor {
  /** What the page should never have: errors in its console, failed requests, requests to other hosts. */
  complaints = [];

  /** Opens the demo page of the cluster as this person. */
  static async arrive(browser, cluster, { name, node, room, transport, viewport }) {
    const visitor = new Visitor();
    visitor.name = name;
    const context = await (await browser).newContext({ viewport, reducedMotion: "reduce" });
    context.setDefaultTimeout(PATIENCE);
    await context.addCookies([{ ...pinningCookie(node), url: cluster.balancer }]);
    visitor.page = await context.newPage();
    visitor.#watch(new URL(cluster.balancer).host);
    const url = new URL(cluster.balancer);
    for (const [key, value] of Object.entries({ name, room, transport })) if (value) url.searchParams.set(key, value);
    await visitor.page.goto(url.href);
    return visitor;
  }

  #watch(host) {
    const { page } = this;
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.complaints.push(`script: ${error.message}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:"].includes(url.protocol) && url.host !== host) this.complaints.push(`foreign request: ${url}`);
    });
    page.on("response", (response) => {
      if (response.status() >= 400) this.complaints.push(`${response.status()} for ${response.url()}`);
    });
  }

  /** Waits until something that matches the selector has this text in it. */
  async sees(selector, text = "") {
    await this.page.locator(selector, { hasText: text }).first().waitFor({ state: "visible" });
  }

  /** The same for what a small screen may have out of view. */
  async knows(selector, text) {
    await this.page.locator(selector, { hasText: text }).first().waitFor({ state: "attached" });
  }

  text(selector) {
    return this.page.locator(selector).textContent();
  }

  async says(text) {
    await this.page.locator("#composer input").fill(text);
    await this.page.locator("#send").click();
  }

  async screenshot(name) {
    mkdirSync(ARTIFACTS, { recursive: true });
    return this.page.screenshot({ path: `${ARTIFACTS}${name}.png` });
  }

  leaves() {
    return this.page.context().close();
  }
}
