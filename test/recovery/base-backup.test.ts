// Base backups of real clusters: whole under write load by PostgreSQL's own judge, damage found in every part.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LifeboatError } from "../../src/core/errors.ts";
import { backup } from "../../src/operations/backup/backup.ts";
import { verify } from "../../src/operations/backup/verify.ts";
import { findPoint } from "../../src/operations/points/points.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { type BaseWorld, baseWorld, copyableCluster, quiet, tablespaceDirectory } from "../support/base-world.ts";
import { freshDatabase, openApplication, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";
import { temporaryDirectory } from "../support/repository.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();
const found = (program: string): boolean => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const folderOf = ({ directory }: BaseWorld, id: string): string => {
  const { stdout } = spawnSync("sh", ["-c", `ls -d "$1"/sources/shop/backups/*-base-"$2"`, "sh", directory, id], { encoding: "utf8" });
  return stdout.trim();
};

/** Rows come and go, tables grow, are emptied, made and dropped, until told to stop. */
function writeLoad(connection: Connection): { stop(): Promise<number> } {
  let going = true;
  const run = async (): Promise<number> => {
    const client = await openApplication(connection);
    let rounds = 0;
    try {
      for (; going; rounds++) {
        await client.query("insert into grows select i, repeat(md5(i::text), 4) from generate_series(1, 2000) i");
        await client.query("update grows set v = v || 'x' where id % 100 = 7");
        await client.query(`create table comes_${rounds} as select * from grows limit 500`);
        if (rounds > 1) await client.query(`drop table comes_${rounds - 2}`);
        if (rounds % 10 === 9) await client.query("truncate emptied; checkpoint");
        await client.query("insert into emptied select i from generate_series(1, 500) i");
      }
      return rounds;
    } finally {
      await client.close();
    }
  };
  const running = run();
  running.catch(() => {}); // awaited in stop
  return {
    stop() {
      going = false;
      return running;
    },
  };
}

const SCHEMA = `create table grows (id int, v text); create table emptied (id int);
  insert into grows select i, md5(i::text) || md5((i * 7)::text) from generate_series(1, 300000) i;
  create unlogged table scratch_pad (id int); insert into scratch_pad select generate_series(1, 1000)`;

test("R25 a base backup under load with tablespaces is restored by hand and passes pg_verifybackup", {
  skip,
}, async (t) => {
  if (!["age", "zstd", "tar"].every((program) => need(t, program, found(program)))) return;
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(shop, SCHEMA);
  for (const name of ["fast", "slow"]) {
    const directory = await tablespaceDirectory(t);
    await query(shop, `create tablespace ${name} location '${directory}'`);
    await query(shop, `create table in_${name} tablespace ${name} as select i as id, md5(i::text) as v from generate_series(1, 20000) i`);
  }
  const world = await baseWorld(t, shop);
  const load = writeLoad(shop);
  const { manifest, warnings } = await backup(world.context, world.source, { kind: "base" }, quiet).finally(() => load.stop());
  assert.ok((await load.stop()) > 0, "there was a load");

  const { base } = manifest;
  assert.ok(base);
  assert.equal(manifest.fingerprint, undefined);
  assert.equal(base.timeline, 1);
  assert.equal(base.pageChecksums, false);
  assert.match(warnings.join(), /^its data pages carry no checksums[^,]*$/, "and nothing else");
  assert.equal(base.segmentBytes, 16 * 1024 * 1024);
  assert.match(base.endedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  assert.equal(manifest.snapshotAt, `${base.endedAt.slice(0, 23)}Z`);
  const [server] = await query<{ id: string; superuser: string; passed: boolean; clock: boolean }>(
    shop,
    `select (select system_identifier::text from pg_control_system()) as id, (select rolname from pg_roles where oid = 10)::text as superuser,
       '${base.endLsn}'::pg_lsn > '${base.startLsn}'::pg_lsn and pg_current_wal_lsn() >= '${base.endLsn}'::pg_lsn as passed,
       '${base.endedAt}'::timestamptz between now() - interval '2 min' and now() as clock`,
  );
  assert.deepEqual(server, { id: base.systemIdentifier, superuser: base.superuser, passed: true, clock: true });
  assert.deepEqual(
    manifest.parts.map(({ name, content }) => [name, content]),
    [...base.tablespaces.map(({ oid }) => [`tablespace-${oid}`, "tar"]), ["base", "tar"], ["manifest", "backup-manifest"]],
  );
  assert.equal(base.tablespaces.length, 2);
  assert.ok(manifest.notIncluded.some(({ kind, object }) => kind === "unlogged tables" && object === "public.scratch_pad"));

  const folder = folderOf(world, manifest.id);
  const hand = await temporaryDirectory(t);
  const key = join(hand, "key");
  writeFileSync(key, `${world.identity}\n`, { mode: 0o600 });
  const data = join(hand, "data");
  mkdirSync(data, { mode: 0o700 });
  const shell = (script: string, ...args: string[]): void => {
    const ran = spawnSync("bash", ["-o", "pipefail", "-ec", script, "sh", key, folder, data, ...args], { encoding: "utf8" });
    assert.equal(ran.status, 0, `${script}\n${ran.stderr}\n${ran.stdout}`);
  };
  shell('age -d -i "$1" "$2/base.zst.age" | zstd -d | tar -x -C "$3"');
  shell('age -d -i "$1" "$2/manifest.zst.age" | zstd -d > "$3/backup_manifest"');
  for (const { oid } of base.tablespaces) {
    const space = join(hand, oid);
    mkdirSync(space);
    shell('age -d -i "$1" "$2/tablespace-$4.zst.age" | zstd -d | tar -x -C "$5"', oid, space);
    symlinkSync(space, join(data, "pg_tblspc", oid));
  }
  // It also reads the log that came along, record by record.
  shell('"$4/pg_verifybackup" -q "$3"', postgresBin());

  const verified = await verify(world.context, await findPoint(world.context, manifest.id), quiet);
  assert.deepEqual([verified.verdict, verified.opened, verified.checks.length], ["pass", true, 4]);
});

test("R25 one changed byte in any part of a base backup is found by verify, with and without the key", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  const directory = await tablespaceDirectory(t);
  await query(shop, `create tablespace other location '${directory}'`);
  await query(shop, "create table t tablespace other as select generate_series(1, 5000) as id");
  const world = await baseWorld(t, shop);
  const { manifest } = await backup(world.context, world.source, { kind: "base" }, quiet);
  const entry = await findPoint(world.context, manifest.id);
  const openKey = async () => {
    throw new LifeboatError("KEY_MISSING", "no key here");
  };
  const keyless = { ...world.context, openKey };
  for (const { name, stored } of manifest.parts) {
    const path = join(folderOf(world, manifest.id), `${name}.zst.age`);
    const bytes = readFileSync(path);
    assert.equal(bytes.length, stored.sizeBytes);
    for (const at of [0.2, 0.5, 0.999]) {
      const changed = Buffer.from(bytes);
      const byte = Math.floor(changed.length * at);
      changed[byte] = (changed[byte] as number) ^ 1;
      writeFileSync(path, changed);
      for (const [how, context] of Object.entries({ opened: world.context, unopened: keyless })) {
        const { verdict, checks, opened } = await verify(context, entry, quiet);
        assert.deepEqual([verdict, opened], ["fail", how === "opened"], `${name}, byte ${byte}, ${how}`);
        assert.deepEqual(
          checks.filter(({ outcome }) => outcome === "fail").map((check) => check.name),
          [`stored bytes of ${name}`],
        );
      }
    }
    writeFileSync(path, bytes);
  }
  assert.equal((await verify(world.context, entry, quiet)).verdict, "pass");
});
