// The load balancers as the suites need them: the product's configurations, and a way to say to which node a newcomer
// goes. It is a cookie that only these copies know, and only a request without a session is led by it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const COOKIE = "test_node";

/** By the tag in the session id, or any node for any request. */
export const BALANCERS = ["by-sid", "roundrobin"];

/** `ROOMCAST_TEST_BALANCER=roundrobin`: requests of a session go anywhere, and the nodes must pass them on. */
export const BALANCER = process.env.ROOMCAST_TEST_BALANCER ?? "by-sid";
if (!BALANCERS.includes(BALANCER)) throw new Error(`ROOMCAST_TEST_BALANCER is one of ${BALANCERS}, not "${BALANCER}"`);

/** The tag of a node of deploy/local. */
export function tagOf(node) {
  return `n${node.replace(/^node-/, "").padStart(3, "0")}`;
}

/** The cookie that leads a newcomer to this node. */
export function pinning(node) {
  return `${COOKIE}=${tagOf(node)}`;
}

/** The same for a browser. */
export function pinningCookie(node) {
  return { name: COOKIE, value: tagOf(node) };
}

/** The text of deploy/haproxy/haproxy.cfg for a test. */
export function haproxyForTests(file, balancer = BALANCER) {
  const bySid = "    use-server %[urlp(sid),bytes(16,4)] if in_session\n";
  const byCookie = `    use-server %[req.cook(${COOKIE})] if !in_session\n`;
  return replaced(readFileSync(file, "utf8"), bySid, balancer === "roundrobin" ? byCookie : byCookie + bySid);
}

/** The text of deploy/nginx/default.conf.template for a test. */
export function nginxForTests(file, nodes) {
  const pinned = nodes.map((_, i) => `    ${tagOf(`node-${i + 1}`)} roomcast_node_${i + 1};`);
  const map = [`map $cookie_${COOKIE} $test_upstream {`, "    default roomcast_any;", ...pinned, "}", ""].join("\n");
  return map + replaced(readFileSync(file, "utf8"), "    default  roomcast_any;\n", "    default  roomcast_any;\n    \"\"  $test_upstream;\n");
}

function replaced(text, before, after) {
  assert.equal(text.split(before).length, 2, `the product's configuration has not once: ${before}`);
  return text.replace(before, () => after);
}
