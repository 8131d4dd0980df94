// Bundles src/main.js and the libraries that it uses into workflow/report/report.js, with their
// licences; or into the folder that is named. Its first line tells what it was made of, so that
// whether it is up to date can be told without node.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** @param {string} name */
function notice(name) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const { version } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  return `${name} ${version}\n\n${readFileSync(new URL("LICENSE", folder), "utf8").trim()}`;
}

/** @param {Record<string, {bytesInOutput: number}>} inputs names of the packages in a bundle */
function packages(inputs) {
  const names = Object.keys(inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].sort();
}

/** sha256 of the sources: names and contents, sorted by name. */
function sources() {
  const names = readdirSync(new URL("src", import.meta.url)).map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of [...names, "build.js", "package-lock.json"].sort())
    hash.update(`${name}\n`).update(readFileSync(new URL(name, import.meta.url)));
  return hash.digest("hex");
}

const made = await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  banner: { js: `/* of page/: ${sources()} */` },
  charset: "utf8",
  metafile: true,
  write: false,
});
const licences = packages(Object.values(made.metafile.outputs)[0].inputs).map(notice);
const folder = process.argv[2] ?? new URL("../workflow/report", import.meta.url).pathname;
writeFileSync(`${folder}/report.js`, made.outputFiles[0].text);
writeFileSync(`${folder}/report.js.LICENSES.txt`, licences.join(`\n\n${"-".repeat(72)}\n\n`) + "\n");
