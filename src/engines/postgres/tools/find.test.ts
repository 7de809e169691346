import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LifeboatError } from "../../../core/errors.ts";
import { findTools } from "./find.ts";
import { readVersion } from "./version.ts";

/** A machine whose directories hold programs that only say their version. */
function machine(
  t: TestContext,
  places: Readonly<Record<string, string>>,
): { root: string; roots: { debian: string; homebrew: string[] } } {
  const root = mkdtempSync(join(tmpdir(), "lifeboat-tools-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [place, version] of Object.entries(places)) {
    mkdirSync(join(root, place), { recursive: true });
    for (const program of ["pg_dump", "pg_restore"]) {
      const path = join(root, place, program);
      writeFileSync(path, `#!/bin/sh\necho "${program} (PostgreSQL) ${version}"\n`);
      chmodSync(path, 0o755);
    }
  }
  return { root, roots: { debian: join(root, "debian"), homebrew: [join(root, "homebrew")] } };
}

test("the smallest version that is not older than the server is taken, wherever it lies", async (t) => {
  const { root, roots } = machine(t, {
    "debian/13/bin": "13.20",
    "homebrew/postgresql@16/bin": "16.4",
    path: "17.2",
    "debian/15/bin": "15.7",
  });
  const env = { PATH: join(root, "path") };
  for (const [server, expected] of [
    [13, "13.20"],
    [14, "15.7"],
    [15, "15.7"],
    [16, "16.4"],
    [17, "17.2"],
  ] as const) {
    const tools = await findTools("client", { minimumMajor: server, env, roots });
    assert.equal(tools.programs.pg_dump.version, expected);
    assert.equal(tools.programs.pg_restore.version, expected);
  }
});

test("of equal versions, the per-version directory comes before PATH", async (t) => {
  const { root, roots } = machine(t, { "debian/15/bin": "15.7", path: "15.9" });
  const tools = await findTools("client", { minimumMajor: 15, env: { PATH: join(root, "path") }, roots });
  assert.equal(tools.directory, join(root, "debian/15/bin"));
});

test("a configured directory is the only one that is looked at", async (t) => {
  const { root, roots } = machine(t, { "debian/15/bin": "15.7", mine: "16.1" });
  const tools = await findTools("client", { configured: join(root, "mine"), minimumMajor: 15, env: {}, roots });
  assert.equal(tools.directory, join(root, "mine"));
  const missing = findTools("client", { configured: join(root, "nowhere"), minimumMajor: 15, env: {}, roots });
  await assert.rejects(
    missing,
    (error) => error instanceof LifeboatError && error.code === "TOOL_MISSING" && error.message.includes("nowhere"),
  );
});

test("programs that are all too old are named with both versions, and what to install", async (t) => {
  const { roots } = machine(t, { "debian/13/bin": "13.20", "debian/15/bin": "15.7" });
  await assert.rejects(findTools("client", { minimumMajor: 17, env: {}, roots }), (error) => {
    assert.ok(error instanceof LifeboatError);
    assert.equal(error.code, "TOOL_TOO_OLD");
    assert.match(error.message, /PostgreSQL 17.*15\.7/);
    assert.match(error.hint, /apt-get install postgresql-client-17;.*brew install postgresql@17/);
    return true;
  });
});

test("where there are none, the exact package is named", async (t) => {
  const { roots } = machine(t, {});
  await assert.rejects(findTools("server", { minimumMajor: 15, env: {}, roots }), (error) => {
    assert.ok(error instanceof LifeboatError);
    assert.equal(error.code, "TOOL_MISSING");
    assert.match(error.message, /initdb and postgres were not found/);
    assert.match(error.hint, /apt-get install postgresql-15;/);
    return true;
  });
});

test("a directory with half of the programs, or with programs of another maker, does not count", async (t) => {
  const { root, roots } = machine(t, { "debian/15/bin": "15.7", "debian/16/bin": "16.1", "debian/17/bin": "17.0" });
  rmSync(join(root, "debian/15/bin/pg_restore"));
  writeFileSync(join(root, "debian/16/bin/pg_dump"), "#!/bin/sh\necho something else 16.1\n");
  const tools = await findTools("client", { minimumMajor: 15, env: {}, roots });
  assert.equal(tools.major, 17);
});

test("versions are read as PostgreSQL's programs write them", () => {
  assert.deepEqual(readVersion("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), { version: "15.20", major: 15 });
  assert.deepEqual(readVersion("pg_dump (PostgreSQL) 19beta1"), { version: "19beta1", major: 19 });
  assert.deepEqual(readVersion("pg_dump (PostgreSQL) 9.6.24"), { version: "9.6.24", major: 9 });
  assert.equal(readVersion("pg_dump 15"), undefined);
});
