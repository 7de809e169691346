// Who may import whom, and that the guard sees what it must: every kind of violation is planted first.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { violations } from "./support/architecture.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Each planted file, and what must be said about it. */
const PLANTED: readonly (readonly [title: string, files: Readonly<Record<string, string>>, said: RegExp])[] = [
  ["core imports a port", { "src/core/a.ts": 'import { b } from "../ports/b.ts";' }, /core must not import ports/],
  ["core imports a port's type", { "src/core/a.ts": 'import type { B } from "../ports/b.ts";' }, /core must not import ports/],
  ["core re-exports from operations", { "src/core/a.ts": 'export { b } from "../operations/b.ts";' }, /core must not import operations/],
  ["core re-exports all", { "src/core/a.ts": 'export * from "../config/b.ts";' }, /core must not import config/],
  [
    "a type is imported inline",
    { "src/ports/a.ts": 'export type A = import("../repository/b.ts").B;' },
    /ports must not import repository/,
  ],
  ["a type query imports inline", { "src/ports/a.ts": 'export type A = typeof import("../cli/b.ts");' }, /ports must not import cli/],
  ["a module is required", { "src/engines/x/a.ts": 'const b = require("../../repository/b.ts");' }, /engines must not import repository/],
  [
    "a module is loaded later",
    { "src/repository/a.ts": 'const b = await import("../operations/b.ts");' },
    /repository must not import operations/,
  ],
  ["a name is computed", { "src/repository/a.ts": "const b = await import(`../operations/$" + '{"b"}.ts`);' }, /cannot be checked/],
  [
    "a deep file climbs out",
    { "src/storage/s3/deep/a.ts": 'import { b } from "../../../repository/b.ts";' },
    /storage must not import repository/,
  ],
  ["a storage imports its sibling", { "src/storage/s3/a.ts": 'import { b } from "../local/b.ts";' }, /siblings never import each other/],
  [
    "a provider imports its sibling",
    { "src/providers/neon/a.ts": 'import { b } from "../atlas/b.ts";' },
    /siblings never import each other/,
  ],
  [
    "an engine imports a provider",
    { "src/engines/postgres/a.ts": 'import { b } from "../../providers/neon/b.ts";' },
    /engines must not import providers/,
  ],
  [
    "an operation imports an engine",
    { "src/operations/a.ts": 'import { b } from "../engines/postgres/b.ts";' },
    /operations must not import engines/,
  ],
  ["an operation imports compose", { "src/operations/a.ts": 'import { b } from "../compose.ts";' }, /operations must not import compose/],
  ["a command imports a storage", { "src/cli/commands/a.ts": 'import { b } from "../../storage/s3/b.ts";' }, /cli must not import storage/],
  [
    "the sandbox imports another engine",
    { "packages/sandbox/a.ts": 'import { b } from "../../src/engines/mongodb/b.ts";' },
    /sandbox must not import engines/,
  ],
  ["a command reaches into the sandbox", { "src/cli/a.ts": 'const b = await import("../../packages/sandbox/b.ts");' }, /package's name/],
  ["a command is loaded with the sandbox", { "src/cli/a.ts": 'import { b } from "@lifeboat/sandbox";' }, /only when a command asks/],
  ["an engine imports the sandbox", { "src/engines/a.ts": 'import type { B } from "@lifeboat/sandbox";' }, /must not import the sandbox/],
  ["a source imports a tool", { "src/cli/a.ts": 'import { b } from "../../tools/b.ts";' }, /outside of src/],
  ["a source imports a test", { "src/cli/a.ts": 'import { b } from "./b.test.ts";' }, /is a test/],
  ["a folder without a rule", { "src/extra/a.ts": 'import { b } from "../core/b.ts";' }, /no rule says/],
  ["the configuration knows a provider's name", { "src/config/a.ts": "export const a = { neon: 1 };" }, /it names neon/],
  ["core knows a provider's name", { "src/core/a.ts": 'export const a = new Map([["atlas", 1]]);' }, /it names atlas/],
  ["an operation knows a provider's name", { "src/operations/a.ts": "export const a = (b) => b.neon;" }, /it names neon/],
  ["a command knows a storage's scheme", { "src/cli/a.ts": 'export const a = (b) => b.startsWith("s3://");' }, /it names s3/],
  ["compose knows a storage", { "src/compose.ts": 'export const a = (b) => b === "s3";' }, /it names s3/],
  ["the configuration imports a provider", { "src/config/a.ts": 'import "../providers/x/b.ts";' }, /config must not import providers/],
  ["core imports a module of Node", { "src/core/a.ts": 'import { join } from "node:path";' }, /imports node:path/],
  ["core imports a package", { "src/core/a.ts": 'import * as z from "zod";' }, /imports the package zod/],
  ["core reads the clock", { "src/core/a.ts": "export const a = Date.now();" }, /Date\.now/],
  ["core reads the clock by a string", { "src/core/a.ts": 'export const a = Date["now"]();' }, /Date\.now/],
  ["core renames the clock", { "src/core/a.ts": "const { now } = Date; export const a = now();" }, /another name for Date/],
  ["core makes the present", { "src/core/a.ts": "export const a = new Date();" }, /new Date\(\)/],
  ["core prints the present", { "src/core/a.ts": "export const a = Date();" }, /Date\(\)/],
  ["core draws lots", { "src/core/a.ts": "export const a = Math.random();" }, /Math\.random/],
  ["core reads the environment", { "src/core/a.ts": "export const a = process.env.A;" }, /core must be pure: process/],
  [
    "a cycle",
    { "src/core/a.ts": 'import "./b.ts";', "src/core/b.ts": 'import "./c.ts";', "src/core/c.ts": 'import "./a.ts";' },
    /a\.ts → .*b\.ts → .*c\.ts → .*a\.ts/,
  ],
  [
    "a cycle of types",
    { "src/core/a.ts": 'import type { B } from "./b.ts"; export type A = B;', "src/core/b.ts": 'export type B = import("./a.ts").A;' },
    /a cycle of imports/,
  ],
  [
    "a switch over providers",
    { "src/operations/a.ts": 'export const f = (s) => { switch (s.provider) { case "neon": return 1; } };' },
    /never by a provider's name/,
  ],
  [
    "a comparison of providers",
    { "src/cli/a.ts": 'export const f = (provider) => provider.name === "neon";' },
    /never by a provider's name/,
  ],
  ["a file too long", { "src/core/a.ts": "// line\n".repeat(301) }, /301 lines/],
  ["a file that is not TypeScript", { "src/core/a.ts": "export const = ;" }, /cannot be parsed/],
];

for (const [title, files, said] of PLANTED) {
  test(`the guard of the architecture sees it when there is: ${title}`, () => {
    const found = violations(new Map(Object.entries(files)));
    assert.ok(
      found.some((violation) => said.test(violation)),
      `expected ${said}, found: ${found.join("\n") || "nothing"}`,
    );
  });
}

test("the guard of the architecture lets pass what is allowed", () => {
  const files = {
    "src/core/a.ts": 'import { Cron } from "croner";\nexport const a = (at: Date) => new Date(at.getTime());\n',
    "src/ports/b.ts": 'import type { A } from "../core/a.ts";\n',
    "src/storage/s3/c.ts": 'import { x } from "../names.ts";\nimport { y } from "./deep/y.ts";\nimport fs from "node:fs";\n',
    "src/providers/neon/d.ts": 'import { e } from "../../engines/postgres/e.ts";\n',
    "src/descriptors.ts": 'import { neon } from "./providers/neon/index.ts";\n',
    "src/cli/demo/h.ts": "export const neon = 1;\n",
    "src/cli/g.ts": 'import type { B } from "@lifeboat/sandbox";\nconst b = await import("@lifeboat/sandbox");\n',
    "src/operations/f.ts": "if (provider.capabilities.scratch) go();\n",
  };
  assert.deepEqual(violations(new Map(Object.entries(files))), []);
});

test("every file keeps to the architecture", () => {
  const paths = globSync("{src,packages}/**/*.ts", { cwd: root }).map((path) => path.replaceAll("\\", "/"));
  assert.ok(paths.length > 50, `only ${paths.length} files were found`);
  assert.deepEqual(violations(new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]))), []);
});
