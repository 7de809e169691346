// Everything a change must pass: format and lint, types, unused code, generated documents, prose, tests (the architecture's among them).
// `--no-tests` leaves the tests out, for those who have just run them.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { proseIsPlain } from "./prose.ts";
import { staleDocuments } from "./stale.ts";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const node =
  (...args: string[]) =>
  (): boolean =>
    spawnSync(process.execPath, args, { stdio: "inherit", cwd: at("") }).status === 0;

const steps: readonly (readonly [string, () => boolean | Promise<boolean>])[] = [
  ["format and lint", node(at("node_modules/@biomejs/biome/bin/biome"), "check", "--error-on-warnings", ".")],
  ["types", node(at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.json"))],
  ["unused code", node(at("node_modules/knip/bin/knip.js"), "--no-progress")],
  ["generated documents", documents],
  ["prose", proseIsPlain],
  ...(process.argv.includes("--no-tests") ? [] : [["tests", node(at("test/run.ts"))] as const]),
];

async function documents(): Promise<boolean> {
  const stale = await staleDocuments();
  for (const path of stale) console.error(`${path} is not up to date: run \`npm run generate\``);
  return stale.length === 0;
}

const failed: string[] = [];
for (const [name, step] of steps) {
  console.log(`check: ${name}`);
  if (!(await step())) failed.push(name);
}
if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(", ")}`);
  process.exit(1);
}
console.log("check: all is well");
