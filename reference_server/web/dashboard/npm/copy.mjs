// Copies the third-party files of the dashboard, with their licences, to the folder from which they are served.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const vendor = new URL("../static/vendor/", import.meta.url);
const modules = new URL("node_modules/", import.meta.url);
const files = {
  "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
  "uplot/LICENSE": "uplot/LICENSE",
  "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter/inter-latin.woff2",
  "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": "inter/inter-latin-ext.woff2",
  "@fontsource-variable/inter/LICENSE": "inter/LICENSE",
};

rmSync(vendor, { recursive: true, force: true });
for (const [from, to] of Object.entries(files)) cpSync(new URL(from, modules), new URL(to, vendor));
// The minified build for classic scripts, converted to a module: a third of the size of the bundled module.
const script = readFileSync(new URL("uplot/dist/uPlot.iife.min.js", modules), "utf8");
writeFileSync(new URL("uplot/uPlot.js", vendor), `${script}\nexport default uPlot;\n`);
// tools/setup.sh compares this file to see if the copies are up to date.
cpSync(new URL("package-lock.json", import.meta.url), new URL("package-lock.json", vendor));
