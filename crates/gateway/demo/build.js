// Writes dist/index.html, dist/app.js and dist/style.css: exactly the three files that a node serves.
import { build } from "esbuild";
import { cp, rm } from "node:fs/promises";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: ["src/app.js", "src/style.css"],
  outdir: "dist",
  bundle: true,
  minify: true,
  target: "es2020",
  format: "esm",
  legalComments: "inline",
  logLevel: "warning",
});
await cp("src/index.html", "dist/index.html");
