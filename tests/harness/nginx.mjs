// nginx in front of a running cluster's nodes, with the files of deploy/nginx filled in as the official image does it.
import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nginxForTests } from "./balancer.mjs";
import { until } from "./deadline.mjs";
import { alive, freePort, REPOSITORY } from "./scripts.mjs";

/** Starts it and gives its URL; it ends with the cluster. `product` as for a cluster. */
export async function nginxBefore(cluster, { product = false } = {}) {
  const dir = join(cluster.place.dir, "nginx");
  mkdirSync(dir);
  // started by root, its workers are nobody, and must reach their own files
  chmodSync(cluster.place.dir, 0o755);
  const bind = `127.0.0.1:${await freePort()}`;
  const variables = { ROOMCAST_BIND: bind };
  for (const [i, node] of cluster.nodes.entries()) variables[`ROOMCAST_NODE_${i + 1}`] = new URL(node.url).host;
  const template = join(REPOSITORY, "deploy/nginx/default.conf.template");
  let config = product ? readFileSync(template, "utf8") : nginxForTests(template, cluster.nodes);
  for (const [name, value] of Object.entries(variables)) config = config.replaceAll(`\${${name}}`, value);
  writeFileSync(join(dir, "default.conf"), config);
  copyFileSync(join(REPOSITORY, "deploy/nginx/nginx.conf"), join(dir, "nginx.conf"));

  const log = join(dir, "nginx.log");
  const fd = openSync(log, "w");
  const nginx = spawn("nginx", ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", "stderr"], { stdio: ["ignore", fd, fd] });
  cluster.accompaniedBy(async () => {
    nginx.kill("SIGTERM");
    await until(() => !alive(nginx.pid), "nginx has ended");
  });
  await until(async () => {
    if (nginx.exitCode !== null) throw new Error(readFileSync(log, "utf8"));
    return (await fetch(`http://${bind}/live`)).ok;
  }, "nginx serves");
  return `http://${bind}`;
}
