import assert from "node:assert/strict";
import { chmod, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { drainDump, privateDirectory } from "../support/dumps.ts";
import { freshDatabase, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

/** An engine whose pg_dump is a script around the real one (`$REAL`); pg_restore is the real one. */
async function engineWith(t: TestContext, script: string) {
  const bin = await privateDirectory(t);
  await chmod(bin, 0o755);
  const real = postgresBin();
  for (const [name, body] of [
    ["pg_dump", `case "$1" in --version) exec ${real}/pg_dump --version;; esac\nREAL=${real}/pg_dump\n${script}`],
    ["pg_restore", `exec ${real}/pg_restore "$@"`],
  ]) {
    await writeFile(join(bin, String(name)), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  return openPostgresEngine({ bin });
}

async function smallDatabase() {
  const source = await freshDatabase();
  await query(
    source,
    "create table t (id int, v text); insert into t select i, repeat('x', 100) from generate_series(1, 20000) i; create table e (id int)",
  );
  return source;
}

for (const [what, script, expected] of [
  ["dies half way", '"$REAL" "$@" | head -c 1000000; kill -9 $$', { code: "DUMP_FAILED", message: /SIGKILL/ }],
  [
    "exits 1 after its last byte",
    '"$REAL" "$@"; echo "pg_dump: error: late trouble" >&2; exit 1',
    { code: "DUMP_FAILED", message: /late trouble/ },
  ],
  ["exits 137 in silence", '"$REAL" "$@"; exit 137', { code: "DUMP_FAILED", message: /137/ }],
  ["exits 141 in silence", '"$REAL" "$@"; exit 141', { code: "DUMP_FAILED", message: /141/ }],
  ["exits 0 with half its output", '"$REAL" "$@" | head -c 1000000; exit 0', { code: "DUMP_INCOMPLETE", message: /public\.t/ }],
  ["exits 0 without its last byte", '"$REAL" "$@" | head -c -1; exit 0', { code: "DUMP_INCOMPLETE" }],
  ["exits 0 with nothing at all", "exit 0", { code: "DUMP_INCOMPLETE" }],
  ["exits 0 with bytes after the end", '"$REAL" "$@"; printf x', { code: "DUMP_INCOMPLETE" }],
  ["writes something else", 'echo "-- PostgreSQL database dump"', { code: "FORMAT_UNKNOWN" }],
] as const) {
  test(`a pg_dump that ${what} gives no backup and says why`, { skip }, async (t) => {
    const engine = await engineWith(t, script);
    await assert.rejects(drainDump(t, engine, await smallDatabase()), expected);
  });
}

test("an aborted dump ends pg_dump and its sessions on the server", { skip }, async (t) => {
  const engine = await engineWith(t, '"$REAL" "$@" | head -c 1000000; sleep 600');
  const source = await smallDatabase();
  const stop = new AbortController();
  const reason = new Error("enough");
  const dump = await engine.beginDump(source, { kind: "full", signal: stop.signal });
  const reading = (async () => {
    for await (const _ of dump.parts[0]?.bytes ?? []) stop.abort(reason);
  })();
  await assert.rejects(reading, (error) => error === reason);
  await dump.end();
  await assert.rejects(dump.fingerprint());
  await untilNoSessions(source);
});

test("a dump that is ended before it was read leaves nothing running", { skip }, async () => {
  const source = await smallDatabase();
  const dump = await openPostgresEngine().beginDump(source, { kind: "full" });
  await dump.end();
  await dump.end();
  await untilNoSessions(source);
});

/** Fails by the runner's own timeout when sessions stay. */
async function untilNoSessions(source: Awaited<ReturnType<typeof freshDatabase>>): Promise<void> {
  for (;;) {
    const [row] = await query(
      source,
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    if (row?.n === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a damaged or truncated archive is refused before the target is touched", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const { file } = await drainDump(t, engine, await smallDatabase());
  await truncate(file, 1_500_000);
  const target = await freshDatabase();
  await assert.rejects(engine.load(target, file, {}), { code: "INTEGRITY" });
  assert.deepEqual((await engine.stateOf(engine.resolveTarget(target, target.url))).occupants, []);
});

test("an error inside a restore is a problem that is named, never silence", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const { file } = await drainDump(t, engine, await smallDatabase());
  const target = await freshDatabase();
  await query(target, "create table e (other text)");
  const { problems } = await engine.load(target, file, {});
  assert.match(problems.join("\n"), /table public\.e: relation "e" already exists/);
});

test("a server that disappears during a restore is reported, and pg_restore is ended", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const source = await smallDatabase();
  const body = (words: string) =>
    `create or replace function public.wait(int) returns int language plpgsql immutable as 'begin ${words} return 1; end'`;
  await query(
    source,
    `${body("")}; create table w (id int); insert into w values (1); create index on w (wait(id)); ${body("perform pg_catalog.pg_sleep(300);")}`,
  );
  const { file } = await drainDump(t, engine, source);
  const target = await freshDatabase();
  const loading = assert.rejects(engine.load(target, file, {}), { code: "LOAD_FAILED", message: /server went away/ });
  // The restore stands still in the index until its session is ended.
  const END = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'CREATE INDEX%'";
  while ((await query(target, END)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  await loading;
});

test("an aborted restore ends pg_restore and its sessions on the server", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const source = await smallDatabase();
  const { file } = await drainDump(t, engine, source);
  const target = await freshDatabase();
  const stop = new AbortController();
  const reason = new Error("enough");
  const progress = { step() {}, note() {}, advance: () => stop.abort(reason) };
  await assert.rejects(engine.load(target, file, { signal: stop.signal, progress }), (error) => error === reason);
  await untilNoSessions(target);
});

test("a missing extension is named with the package that brings it, before anything is written", { skip }, async (t) => {
  const engine = openPostgresEngine();
  const source = await smallDatabase();
  const [offered] = await query(source, "select 1 from pg_available_extensions where name = 'citext'");
  if (!offered) return t.skip("the extension citext is not installed");
  await query(source, "create extension citext");
  const { file } = await drainDump(t, engine, source);
  // An extension of the same length that no server has.
  await writeFile(file, Buffer.from((await readFile(file)).toString("latin1").replaceAll("citext", "zitext"), "latin1"));
  const target = await freshDatabase();
  await assert.rejects(engine.load(target, file, {}), { code: "LOAD_FAILED", message: /zitext/ });
  assert.deepEqual((await engine.stateOf(engine.resolveTarget(target, target.url))).occupants, []);
});
