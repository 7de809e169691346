// What npm publishes installs elsewhere and runs there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program with the Node of this test first on the PATH, and nothing of the npm that may have started it. */
function run(cwd: string, program: string, ...args: string[]): Ended {
  const inherited = Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_"));
  const env = { ...Object.fromEntries(inherited), PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  return spawnSync(program, args, { cwd, env, encoding: "utf8" });
}

function must(ended: Ended): Ended {
  assert.equal(ended.status, 0, `${ended.stdout}${ended.stderr}`);
  return ended;
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "pack-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("R54 the packed package installs elsewhere, makes a key, and says that it has no emulators", (t) => {
  const place = folder(t);
  // Built in a copy, because tests that run in parallel would see a half-done build in the checkout.
  const copy = join(place, "checkout");
  mkdirSync(copy);
  for (const name of readdirSync(root)) {
    if (!["node_modules", ".git", "dist"].includes(name)) cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  must(run(copy, process.execPath, "tools/build.ts"));
  const packed = must(run(copy, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", place));
  const tarball = readdirSync(place).find((name) => name.endsWith(".tgz"));
  assert.ok(tarball !== undefined, packed.stdout);

  const contents = must(run(place, "tar", "-tzf", tarball)).stdout.split("\n");
  assert.ok(contents.includes("package/dist/bin.js") && contents.includes("package/lifeboat.schema.json"));
  assert.deepEqual(
    contents.filter((name) => /\.test\.|^package\/(test|tools|bench|src|packages)\/|sandbox\/|mingo/.test(name)),
    [],
  );
  must(run(place, "tar", "-xzf", tarball));
  const code = readdirSync(join(place, "package", "dist"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  const bundled = code.map((name) => readFileSync(join(place, "package", "dist", name), "utf8")).join("\n");
  // The bundler names every file that it took in.
  assert.match(bundled, /^\/\/ src\/core\/errors\.ts$/m);
  assert.doesNotMatch(bundled, /^\/\/ (packages\/|node_modules\/mingo\/)/m);

  const elsewhere = join(place, "elsewhere");
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, "package.json"), '{ "private": true }\n');
  must(run(elsewhere, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", join("..", basename(tarball))));
  const lifeboat = join(elsewhere, "node_modules", ".bin", "lifeboat");
  assert.equal(must(run(elsewhere, lifeboat, "--version")).stdout, `${version}\n`);
  must(run(elsewhere, lifeboat, "key", "new", "id.txt"));
  assert.match(must(run(elsewhere, lifeboat, "key", "show", "id.txt")).stdout, /^age1[a-z0-9]{58}\n$/);
  for (const command of ["demo", "sandbox"]) {
    const ended = run(elsewhere, lifeboat, command);
    assert.equal(ended.status, 2, ended.stderr);
    assert.match(ended.stderr, /TOOL_MISSING .*the published package does not contain\n {2}next: in a clone .*`npm ci && npm run demo`/);
    assert.equal(ended.stdout, "");
  }
});

test("under a Node that is too old the command says what to do and ends with status 2", (t) => {
  const place = folder(t);
  // A Node of another number: the version is all that the command asks before it imports anything.
  const old = join(place, "old.mjs");
  writeFileSync(old, 'Object.defineProperty(process.versions, "node", { value: "18.20.0" });\n');
  const ended = run(place, process.execPath, "--import", old, join(root, "src", "bin.ts"), "--version");
  assert.equal(ended.status, 2);
  assert.match(ended.stderr, /needs Node 24 or newer, and this is Node 18\.20\.0\n {2}next: /);
});

test("bin/lifeboat runs from any folder, also through a link", (t) => {
  const place = folder(t);
  const link = join(place, "lifeboat");
  symlinkSync(join(root, "bin", "lifeboat"), link);
  assert.equal(must(run(place, link, "--version")).stdout, `${version}\n`);
});
