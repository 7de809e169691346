import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { need } from "./require.ts";

/** The runner, and what it imports. */
const FILES = ["test/run.ts", "tools/program.ts"].map((path) => ({
  path,
  text: readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8"),
}));

/** Runs the runner over one test file in a checkout of its own. */
function runOver(t: TestContext, body: string, env: Record<string, string> = {}, ...args: string[]) {
  const place = mkdtempSync(join(tmpdir(), "run-"));
  t.after(() => rmSync(place, { recursive: true, force: true }));
  for (const folder of ["test/support", "tools"]) mkdirSync(join(place, folder), { recursive: true });
  writeFileSync(join(place, "package.json"), '{ "type": "module" }');
  for (const { path, text } of FILES) writeFileSync(join(place, path), text);
  const files = args.includes("--within") ? ["one", "two"] : ["one"];
  for (const file of files)
    writeFileSync(
      join(place, "test", `${file}.test.ts`),
      `import { test } from "node:test"; import { writeFileSync } from "node:fs"; import { spawn } from "node:child_process"; import { tmpdir } from "node:os";\n${body}`,
    );
  // Without this the inner run believes that it is a part of this one.
  const { NODE_TEST_CONTEXT: _, LIFEBOAT_TEST_REQUIRE_ALL: __, ...inherited } = process.env;
  const ended = spawnSync(process.execPath, [join(place, "test", "run.ts"), ...args], { encoding: "utf8", env: { ...inherited, ...env } });
  return { status: ended.status, text: ended.stdout + ended.stderr };
}

test("a run of the tests passes when they pass and leave nothing", (t) => {
  const { status, text } = runOver(t, 'test("fine", () => {});');
  assert.equal(status, 0, text);
  assert.match(text, /tests 1/);
});

test("a run of the tests fails when one fails, and when none is chosen", (t) => {
  assert.equal(runOver(t, 'test("bad", () => { throw new Error("bad"); });').status, 1);
  const none = runOver(t, 'test("fine", () => {});', {}, "no-such-file");
  assert.equal(none.status, 1);
  assert.match(none.text, /nothing would be checked/);
  const unnamed = runOver(t, 'test("fine", () => {});', {}, "--test-name-pattern=no-such-test");
  assert.equal(unnamed.status, 1, unnamed.text);
  assert.match(unnamed.text, /nothing was checked/);
});

test("a run of the tests begins no file after its time, and names those that are left", (t) => {
  const { status, text } = runOver(t, 'test("fine", () => {});', {}, "--within", "0");
  assert.equal(status, 0, text);
  assert.match(text, /tests 1\n/);
  assert.match(text, /was all but:\n {2}test\/(one|two)\.test\.ts/);
});

test("a run of the tests fails when a file is left behind, and removes it", (t) => {
  const { status, text } = runOver(t, 'test("fine", () => writeFileSync(`${tmpdir()}/left`, ""));');
  assert.equal(status, 1);
  assert.match(text, /was left behind: left/);
});

test("a run of the tests fails when a process is left running, and ends it", {
  skip: process.platform !== "linux" && "processes are known on Linux only",
}, (t) => {
  const body = 'test("fine", () => spawn("sleep", ["600"], { detached: true, stdio: "inherit" }).unref());';
  const { status, text } = runOver(t, body);
  assert.equal(status, 1);
  const pid = Number(/was left running: (\d+) sleep 600/.exec(text)?.[1]);
  assert.ok(pid > 0, text);
  // Ended, or a zombie: then it no longer has a command line.
  const command = existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : "";
  assert.equal(command, "", `process ${pid} still runs`);
});

test("a program that is missing skips a test by name, and fails it where everything must be there", (t) => {
  const skipping = 'test("needs", (t) => t.skip("radosgw is not installed"));';
  assert.equal(runOver(t, skipping).status, 0);
  const strict = runOver(t, skipping, { LIFEBOAT_TEST_REQUIRE_ALL: "1" });
  assert.equal(strict.status, 1);
  assert.match(strict.text, /skipped, and must not be: .*radosgw is not installed/);

  const said: string[] = [];
  const context = { skip: (why?: string) => void said.push(why ?? "") };
  const before = process.env.LIFEBOAT_TEST_REQUIRE_ALL;
  try {
    delete process.env.LIFEBOAT_TEST_REQUIRE_ALL;
    assert.equal(need(context, "age", undefined), false);
    assert.equal(need(context, "age", "/usr/bin/age"), true);
    assert.deepEqual(said, ["age is not installed"]);
    process.env.LIFEBOAT_TEST_REQUIRE_ALL = "1";
    assert.throws(() => need(context, "age", undefined), /age is not installed/);
  } finally {
    if (before === undefined) delete process.env.LIFEBOAT_TEST_REQUIRE_ALL;
    else process.env.LIFEBOAT_TEST_REQUIRE_ALL = before;
  }
});
