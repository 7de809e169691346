// Captures a real run of the demonstration: writes docs/demo.txt, and its drill into README.md. Usage: tools/node/node tools/capture.ts
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const run = spawnSync(at("bin/lifeboat"), ["demo"], { encoding: "utf8", env: { ...process.env, COLUMNS: "100" } });
if (run.status !== 0) throw new Error(`the demonstration failed\n${run.stderr}`);
const [drill] = /^ {2}\$ lifeboat drill shop\n(?:.+\n)+/m.exec(run.stdout) ?? [];
if (drill === undefined) throw new Error("the demonstration has no drill");
writeFileSync(at("docs/demo.txt"), run.stdout);
const block = /(<!-- from docs\/demo\.txt[^>]*-->\n```\n)[\s\S]*?(```\n)/;
writeFileSync(
  at("README.md"),
  readFileSync(at("README.md"), "utf8").replace(block, (_, begin: string, end: string) => `${begin}${drill}${end}`),
);
