// What can go wrong while a cluster is copied: each a clear message, and nothing left in the repository or on the server.
import assert from "node:assert/strict";
import { readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ErrorCode, isLifeboatError, LifeboatError } from "../../src/core/errors.ts";
import { beginBase } from "../../src/engines/postgres/base/begin.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { backup } from "../../src/operations/backup/backup.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { BaseDump } from "../../src/ports/physical.ts";
import type { Storage } from "../../src/ports/storage.ts";
import { type BaseWorld, baseWorld, copyableCluster, quiet, tablespaceDirectory, throughProxy } from "../support/base-world.ts";
import { freshDatabase, postgresBin, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { temporaryDirectory } from "../support/repository.ts";

const skip = skipWithoutPostgres();
const says = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(isLifeboatError(error, code), String(error));
  assert.match(error.message, words);
  return true;
};

/** More than all buffers between server and storage hold, and nothing a compressor could make small. */
async function largeSource(t: TestContext) {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(
    shop,
    "create table t as select i as id, sha512(i::text::bytea) || sha512((i * 3)::text::bytea) as v from generate_series(1, 150000) i",
  );
  return { cluster, shop };
}

/** Storage that does something when so many bytes of an archive have come. */
function disturbed(atBytes: number, disturb: () => Promise<void>): (storage: Storage) => Storage {
  return (storage) => ({
    ...storage,
    put: (name, body, options) => storage.put(name, name.endsWith("base.zst.age") ? watched(body) : body, options),
    get: storage.get.bind(storage),
  });
  async function* watched(body: AsyncIterable<Uint8Array> | Uint8Array): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0;
    let done = false;
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      sizeBytes += chunk.length;
      if (sizeBytes > atBytes && !done) {
        done = true;
        await disturb();
      }
      yield chunk;
    }
  }
}

async function until(check: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!(await check())) {
    assert.ok(performance.now() < endMs, "it did not come about");
    await sleep(50);
  }
}

async function assertNothingLeft(world: BaseWorld, shop: Connection): Promise<void> {
  const files = readdirSync(world.directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.deepEqual(
    files
      .map(({ parentPath, name }) => join(parentPath, name).slice(world.directory.length + 1))
      .filter((path) => /^(sources|leases)\//.test(path)),
    [],
    "no object is left",
  );
  await until(async () => {
    // A server that died may answer once more before it recovers.
    const [left] = await query<{ n: string }>(
      shop,
      `select (select count(*) from pg_stat_progress_basebackup) + (select count(*) from pg_replication_slots)
         + (select count(*) from pg_stat_activity where backend_type = 'walsender') as n`,
    ).catch((error: unknown) => {
      if (isLifeboatError(error, "SOURCE_UNREACHABLE")) return [];
      throw error;
    });
    return left?.n === "0";
  });
}

test("R25 a role that may not copy the cluster is told the exact statement, and with it the copy works", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(shop, `create role "Back up" login password 'p'`);
  const weak = connectionFromParts({ ...partsOf(shop), user: "Back up", password: "p" });
  const world = await baseWorld(t, weak);
  let statement = "";
  await assert.rejects(backup(world.context, world.source, { kind: "base" }, quiet), (error) => {
    assert.ok(isLifeboatError(error, "SOURCE_PERMISSION"), String(error));
    statement = /ALTER ROLE .*;/.exec(error.hint)?.[0] ?? "";
    return true;
  });
  await assertNothingLeft(world, shop);
  assert.equal(statement, 'ALTER ROLE "Back up" REPLICATION;');
  await query(shop, statement);
  const { manifest } = await backup(world.context, world.source, { kind: "base" }, quiet);
  assert.equal(manifest.base?.superuser, partsOf(shop).user);
});

test("R25 a server that refuses base backups is named with the setting to change", { skip }, async () => {
  const minimal = (await sharedCluster()).connection("postgres"); // wal_level = minimal, max_wal_senders = 0
  await assert.rejects(beginBase(minimal, { label: "test" }), (error) => {
    assert.ok(isLifeboatError(error, "ARCHIVE_BLOCKED"), String(error));
    assert.match(error.hint, /ALTER SYSTEM SET max_wal_senders = 10;/);
    return true;
  });
});

test("R25 a storage that is full leaves no backup, no object, no slot and no copy running", { skip }, async (t) => {
  const { shop } = await largeSource(t);
  const full = disturbed(500_000, async () => {
    throw new LifeboatError("STORAGE_FULL", "the disk is full");
  });
  const world = await baseWorld(t, shop, full);
  await assert.rejects(backup(world.context, world.source, { kind: "base" }, quiet), says("STORAGE_FULL", /full/));
  await assertNothingLeft(world, shop);
});

test("R25 a server that dies in the middle leaves no backup and no object", { skip }, async (t) => {
  const { shop } = await largeSource(t);
  const world = await baseWorld(
    t,
    shop,
    disturbed(500_000, async () => {
      const [sender] = await query<{ pid: number }>(shop, "select pid from pg_stat_activity where backend_type = 'walsender'");
      assert.ok(sender);
      process.kill(sender.pid, "SIGKILL"); // the server then ends every session and recovers
    }),
  );
  await assert.rejects(backup(world.context, world.source, { kind: "base" }, quiet), says("SOURCE_UNREACHABLE", /shop/));
  const alive = (): Promise<boolean> =>
    query(shop, "select 1").then(
      () => true,
      () => false,
    );
  await until(alive);
  await assertNothingLeft(world, shop);
});

test("R25 a backup that is told to stop in the middle says why, and leaves nothing", { skip }, async (t) => {
  const { shop } = await largeSource(t);
  const controller = new AbortController();
  const reason = new LifeboatError("CANCELLED", "told to stop");
  const world = await baseWorld(
    t,
    shop,
    disturbed(500_000, async () => controller.abort(reason)),
  );
  await assert.rejects(
    backup(world.context, world.source, { kind: "base" }, { ...quiet, signal: controller.signal }),
    (error) => error === reason,
  );
  await assertNothingLeft(world, shop);
});

async function drain(dump: BaseDump): Promise<{ name: string; hasPlain: boolean; sizeBytes: number }[]> {
  const parts = [];
  try {
    for await (const part of dump.parts) {
      let sizeBytes = 0;
      for await (const chunk of part.bytes) sizeBytes += chunk.length;
      parts.push({ name: part.name, hasPlain: part.plain !== undefined, sizeBytes });
    }
  } finally {
    await dump.end();
  }
  return parts;
}

test("R25 one bit changed on its way from the server is found, compressed or not", { skip }, async (t) => {
  const { cluster, shop } = await largeSource(t);
  const AT = 15_000_000;
  const flip = (chunk: Buffer, sentBytes: number): Buffer => {
    if (sentBytes <= AT && AT < sentBytes + chunk.length) chunk[AT - sentBytes] = (chunk[AT - sentBytes] as number) ^ 4;
    return chunk;
  };
  const proxied = await throughProxy(t, cluster, shop, flip);
  const plain = { label: "test", compressions: [undefined] };
  await assert.rejects(
    beginBase(proxied, plain).then(drain),
    says("INTEGRITY", /not what the server's manifest says: base\/\d+\/\d+ has the checksum/),
  );
  await assert.rejects(beginBase(proxied, { label: "test" }).then(drain), says("INTEGRITY", /./));
  assert.equal((await drain(await beginBase(shop, plain))).length, 2, "without the change it is whole");
});

test("R25 a server without compression sends plain archives, and one without slots gives a warning", {
  skip,
}, async (t) => {
  const cluster = await copyableCluster(t, { max_replication_slots: "0" });
  const shop = await freshDatabase("shop", cluster);
  const dump = await beginBase(shop, { label: "it's a test", compressions: [{ level: 99 }, undefined] });
  assert.match(dump.facts.tool, /plain/);
  assert.match(dump.facts.warnings.join(), /kept no log back .*max_replication_slots/);
  const parts = await drain(dump);
  assert.deepEqual(
    parts.map(({ name, hasPlain }) => [name, hasPlain]),
    [
      ["base", false],
      ["manifest", false],
    ],
  );
  assert.equal((parts[0]?.sizeBytes ?? 1) % 512, 0);
});

/** As the programs before version 15: without the filling behind the manifest, the archive's last file. */
const UNPADDED = `
const { spawnSync } = require("node:child_process");
const { stdout, stderr, status } = spawnSync("REAL", process.argv.slice(2), { maxBuffer: 2 ** 30 });
const at = stdout.lastIndexOf("backup_manifest\\0");
if (at > 0) {
  const sizeBytes = Number.parseInt(stdout.toString("latin1", at + 124, at + 135), 8);
  require("node:fs").writeSync(1, Buffer.concat([stdout.subarray(0, at + 512 + sizeBytes), Buffer.alloc(1024)]));
}
process.stderr.write(stderr);
process.exitCode = status;
`;

test("R25 a base backup by a pg_basebackup before 15, without padding of its manifest, is accepted", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table t as select i from generate_series(1, 1000) i");
  const bin = await temporaryDirectory(t);
  for (const name of ["pg_dump", "pg_restore"]) symlinkSync(join(postgresBin(), name), join(bin, name));
  const program = join(bin, "pg_basebackup");
  writeFileSync(program, `#!${process.execPath}\n${UNPADDED.replace("REAL", join(postgresBin(), "pg_basebackup"))}`, { mode: 0o755 });
  const parts = await drain(await beginBase(shop, { label: "test", byProgram: true, bin }));
  assert.equal((parts[0]?.sizeBytes ?? 1) % 512, 0);
});

test("R25 pg_basebackup copies a cluster before 15 with a checked manifest; tablespaces are refused", {
  skip,
}, async (t) => {
  const { cluster, shop } = await largeSource(t);
  const world = await baseWorld(t, shop, (storage) => storage, { byProgram: true });
  const { manifest } = await backup(world.context, world.source, { kind: "base" }, quiet);
  assert.equal(manifest.server.tool, "pg_basebackup");
  assert.deepEqual(
    manifest.parts.map(({ name, content }) => [name, content]),
    [
      ["base", "tar"],
      ["manifest", "backup-manifest"],
    ],
  );
  const [server] = await query<{ id: string; passed: boolean }>(
    shop,
    `select (select system_identifier::text from pg_control_system()) as id,
       '${manifest.base?.endLsn}'::pg_lsn > '${manifest.base?.startLsn}'::pg_lsn and pg_current_wal_lsn() >= '${manifest.base?.endLsn}'::pg_lsn as passed`,
  );
  assert.deepEqual(server, { id: manifest.base?.systemIdentifier, passed: true });
  const AT = 20_000_000;
  const flip = (chunk: Buffer, sentBytes: number): Buffer => {
    if (sentBytes <= AT && AT < sentBytes + chunk.length) chunk[AT - sentBytes] = (chunk[AT - sentBytes] as number) ^ 4;
    return chunk;
  };
  const byProgram = { label: "test", byProgram: true };
  await assert.rejects(
    beginBase(await throughProxy(t, cluster, shop, flip), byProgram).then(drain),
    says("INTEGRITY", /base\/\d+\/\d+ has the checksum/),
  );
  await query(shop, `create tablespace other location '${await tablespaceDirectory(t)}'`);
  await assert.rejects(beginBase(shop, byProgram), says("CAPABILITY_MISSING", /tablespaces/));
});
