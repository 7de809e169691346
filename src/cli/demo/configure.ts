// What a careful user adds to the configuration that `init` wrote: promises and checks; and folders, so that nothing lies elsewhere.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { CHECKS } from "./shop.ts";

/** Completes `lifeboat.yaml` in the folder. Returns the lines that a user would have typed. */
export async function completeConfiguration(folder: string, source: string, objectives: Readonly<Record<string, string>>): Promise<string> {
  const file = join(folder, "lifeboat.yaml");
  const document = parseDocument(await readFile(file, "utf8"));
  const flow = (value: unknown) => document.createNode(value, { flow: true });
  const checks = document.createNode(CHECKS.map(flow));
  document.setIn(["sources", source, "objectives"], flow(objectives));
  document.setIn(["sources", source, "checks"], checks);
  document.set("tools", { spoolDirectory: "work", stateDirectory: "work" });
  document.set("scratch", { directory: "." });
  const text = document.toString({ lineWidth: 0 });
  await writeFile(file, text);
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => line.trimStart().startsWith("objectives:"));
  const shown = lines.slice(begin, begin + 2 + CHECKS.length);
  return shown.join("\n");
}
