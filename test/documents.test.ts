// The documents are true: each promise has a test with its id, and each test that a document names exists.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
/** The test files in a text: names in backquotes, with patterns. */
const filesIn = (text: string): string[] =>
  (text.match(/`(?:src|test|packages|tools)\/[^`\s]+\.ts`/g) ?? []).map((name) => name.slice(1, -1));
const found = (pattern: string): string[] => globSync(pattern, { cwd: root });

test("every test file that a document names exists", () => {
  for (const document of ["docs/promises.md", "docs/security.md", "docs/architecture.md"]) {
    const named = filesIn(read(document)).filter((name) => /\.test\.ts$/.test(name));
    assert.ok(named.length > 0, document);
    assert.deepEqual(
      named.filter((name) => found(name).length === 0),
      [],
      document,
    );
  }
});

test("docs/promises.md has a row for each requirement, with tests that have its id, or `not yet`", () => {
  const rows = [...read("docs/promises.md").matchAll(/^\| (R\d+) \|(.*?)\|(.*)\|$/gm)].map(([, id = "", , proof = ""]) => ({ id, proof }));
  assert.deepEqual(
    rows.map(({ id }) => id),
    Array.from({ length: 66 }, (_, index) => `R${index + 1}`),
  );
  const wrong = rows.flatMap(({ id, proof }) => {
    const files = filesIn(proof);
    if (files.length === 0) return /not yet/.test(proof) ? [] : [`${id}: neither a test nor "not yet"`];
    return files.filter((pattern) => !found(pattern).some((file) => namesOf(file).some((name) => name.split(" ").includes(id))));
  });
  assert.deepEqual(wrong, [], "files without a test of that id");
});

test("no test has the id of a requirement that does not exist", () => {
  const ids = found("{src,test,packages,tools}/**/*.test.ts").flatMap((file) =>
    namesOf(file).flatMap((name) => name.match(/\bR\d+\b/g) ?? []),
  );
  assert.deepEqual(
    [...new Set(ids)].filter((id) => Number(id.slice(1)) < 1 || Number(id.slice(1)) > 66),
    [],
  );
});

/** The names of the tests in a file. */
const namesOf = (file: string): string[] => [...read(file).matchAll(/\btest\(\s*(["`])(.*?)\1/gs)].map(([, , name = ""]) => name);
