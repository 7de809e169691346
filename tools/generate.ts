// Writes the generated documents. `npm run check` says when that was forgotten.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generatedDocuments } from "./pages/all.ts";

for (const [path, content] of await generatedDocuments()) {
  writeFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), content);
  console.log(path);
}
