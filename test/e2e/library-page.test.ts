// docs/library.md: its examples compile against the library, and it names every export.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/library.md"), "utf8");
const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code = ""]) => code);

test("R51 every example of docs/library.md compiles against the library", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "library-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "examples"));
  for (const [index, code] of examples.entries()) writeFileSync(join(folder, "examples", `example-${index + 1}.ts`), code);
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  const options = { rootDir: "/", noEmit: true, paths: { lifeboat: [join(root, "src/index.ts")] } };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.json"),
      compilerOptions: { ...options, typeRoots: [join(root, "node_modules/@types")] },
      include: ["examples"],
    }),
  );
  const compiled = spawnSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { encoding: "utf8" });
  assert.equal(compiled.status, 0, compiled.stdout);
  assert.ok(examples.length > 10);
});

test("R51 docs/library.md names every export of the library, and uses each exported value in an example", async () => {
  const source = readFileSync(join(root, "src/index.ts"), "utf8");
  const names = [...source.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((name) =>
        name
          .trim()
          .replace(/^type /, "")
          .replace(/^.* as /, ""),
      )
      .filter((name) => name !== ""),
  );
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
    [],
    "names that the page lacks",
  );
  const values = Object.keys(await import("../../src/index.ts"));
  assert.deepEqual(
    values.filter((name) => !examples.some((code) => new RegExp(`import \\{[^}]*\\b${name}\\b`).test(code))),
    [],
    "values without an example",
  );
});
