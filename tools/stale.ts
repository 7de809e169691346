// Finds generated documents that are out of date.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generatedDocuments } from "./pages/all.ts";

/** Paths from the root of the checkout. */
export async function staleDocuments(): Promise<string[]> {
  const documents = await generatedDocuments();
  return [...documents].flatMap(([path, content]) => {
    const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
    return existsSync(file) && readFileSync(file, "utf8") === content ? [] : [path];
  });
}
