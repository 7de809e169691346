// A backup comes back with three standard commands and no Lifeboat: age, zstd, pg_restore.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { programEnvironment } from "../../src/engines/postgres/connect/programs.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { dataSet, freshDatabase, loadSql, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";
import { need } from "../support/require.ts";

const found = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;

test("R21 age -d | zstd -d | pg_restore brings a backup back with an equal fingerprint, and show says how", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  if (!need(t, "age", found("age")) || !need(t, "zstd", found("zstd"))) return;
  const source = await freshDatabase();
  const file = dataSet("pagila.sql");
  if (file !== undefined) await loadSql(source, file);
  else
    await query(
      source,
      "create table public.t (id int primary key, v text); insert into t select i, repeat('v', 50) from generate_series(1, 5000) i",
    );
  const world = await beginWorld(t, { sources: { shop: source } });
  const { id } = (await world.expect(0, "backup", "shop", "--json")).json().made[0];
  const { path } = (await world.expect(0, "show", id, "--json")).json();
  const text = (await world.expect(0, "show", id)).stdout;
  assert.match(text, /age -d -i IDENTITY .*data\.zst\.age \| zstd -d \| pg_restore -d NEW_DATABASE/);

  const target = await freshDatabase();
  const name = (await query<{ name: string }>(target, "select current_database()::text as name"))[0]?.name ?? "";
  const script = 'set -e; age -d -i "$1" "$2" | zstd -d | "$3" --exit-on-error -d "$4"';
  const ran = spawnSync(
    "sh",
    ["-c", script, "sh", world.identityFile, join(path, "data.zst.age"), join(postgresBin(), "pg_restore"), name],
    {
      env: programEnvironment(target),
      encoding: "utf8",
    },
  );
  assert.equal(ran.status, 0, ran.stderr);

  const engine = openPostgresEngine();
  const [before, after] = await Promise.all([engine.fingerprint(source, { kind: "full" }), engine.fingerprint(target, { kind: "full" })]);
  assert.deepEqual(
    engine.compare(before, after).filter(({ outcome }) => outcome !== "pass"),
    [],
  );
  assert.deepEqual(after.tables, before.tables);
});
