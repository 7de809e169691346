// What the program says when its output or its files fail it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { beginWorld } from "../support/program.ts";

const ROOT = join(import.meta.dirname, "../..");
const PROGRAM = join(ROOT, "bin/lifeboat");
/** Without the script in front of it, which refuses a low limit by itself. */
const BARE = `${join(ROOT, "tools/node/node")} --disable-warning=ExperimentalWarning ${join(ROOT, "src/cli/main.ts")}`;

async function shellIn(t: TestContext) {
  const world = await beginWorld(t, { sources: { shop: { url: "postgres://nobody@127.0.0.1:1/shop", label: "shop" } } });
  const { configFile, directory: cwd, env } = world;
  return (script: string) => {
    const lifeboat = `${PROGRAM} --config ${configFile}`;
    const bare = `${BARE} --config ${configFile}`;
    return spawnSync("bash", ["-c", script.replaceAll("LIFEBOAT", lifeboat).replaceAll("BARE", bare)], { cwd, env, encoding: "utf8" });
  };
}

/** One error, and no stack. */
function assertOneError(stderr: string, code: string, what: string): void {
  assert.equal(stderr.match(/^error /gm)?.length, 1, `${what}: ${stderr}`);
  assert.match(stderr, new RegExp(`^error ${code}  .*\\n  next: .*\\n$`), what);
}

test("a full device behind standard output is one clear error with a status that is not 0", async (t) => {
  const shell = await shellIn(t);
  for (const command of ["list", "--help", "help list"]) {
    const { status, stderr } = shell(`LIFEBOAT ${command} > /dev/full`);
    assert.equal(status, 1, stderr);
    assertOneError(stderr, "OUTPUT_FAILED", command);
  }
  const version = shell(`${PROGRAM} --version > /dev/full`);
  assert.deepEqual([version.status, version.stderr.split("\n").length], [1, 2], version.stderr);
  assert.equal(JSON.parse(shell("LIFEBOAT list --json > /dev/full").stderr).error.code, "OUTPUT_FAILED");
  assert.equal(shell("LIFEBOAT status > /dev/full").status, 4, "a status that says more stays");
  const silent = shell("LIFEBOAT show nothing 2> /dev/full");
  assert.deepEqual([silent.status, silent.stdout, silent.stderr], [2, "", ""]);
});

test("a reader that went away is not an error: nothing more is said, and the command's own status stays", async (t) => {
  const shell = await shellIn(t);
  for (const command of ["list", "help restore", "list --json"]) {
    const { stdout, stderr } = shell(`LIFEBOAT ${command} | true; echo "$\{PIPESTATUS[0]}"`);
    assert.deepEqual([stdout, stderr], ["0\n", ""], command);
  }
});

test("too few file handles are one clear error, whichever file is the first that cannot be opened", async (t) => {
  const shell = await shellIn(t);
  const refused = shell("ulimit -n 40; LIFEBOAT list");
  assert.equal(refused.status, 1, refused.stderr);
  assertOneError(refused.stderr, "TOO_MANY_FILES", "40");
  let failed = 0;
  for (let limit = 22; limit <= 30; limit += 2) {
    const { status, stderr } = shell(`ulimit -n ${limit}; BARE list`);
    if (status === 0 || status === null || status > 128) continue; // enough, or not enough for Node itself
    failed += 1;
    assert.equal(status, 1, `${limit}: ${stderr}`);
    assertOneError(stderr, "TOO_MANY_FILES", `${limit}`);
  }
  t.diagnostic(`${failed} limits were too low for the program, and not for Node`);
});
