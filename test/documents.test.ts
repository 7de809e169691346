// What the documents point to is there: every test that a promise or an attack rests on.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

test("every test that docs/promises.md and docs/security.md name exists", () => {
  for (const document of ["docs/promises.md", "docs/security.md"]) {
    const named = readFileSync(join(root, document), "utf8").match(/`(?:src|test)\/[^`\s]+\.test\.ts`/g) ?? [];
    assert.ok(named.length > 10, document);
    const missing = named.filter((name) => globSync(name.slice(1, -1), { cwd: root }).length === 0);
    assert.deepEqual(missing, [], document);
  }
});
