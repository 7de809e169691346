// The log's reader where a server stopped in the middle: segments that are used again, records that were never finished.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { SegmentFacts } from "../../src/core/log.ts";
import { compareLsn, parseLsn } from "../../src/core/lsn.ts";
import { readSegment } from "../../src/engines/postgres/log/segments.ts";
import { logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

test("R25 in a segment that is used again, what it held before is told from what it holds now", {
  skip: skipWithoutPostgres(),
}, async () => {
  const cluster = await logCluster({
    segmentMegabytes: 1,
    settings: { wal_keep_size: "0", min_wal_size: "2MB", max_wal_size: "2MB", checkpoint_timeout: "30s" },
  });
  try {
    const connection = cluster.connection();
    await query(connection, "create table t (v text)");
    const directory = join(cluster.data, "pg_wal");
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 20, "no segment was used again");
      for (let round = 0; round < 3; round++) {
        await query(connection, "insert into t select repeat(md5(i::text), 4) from generate_series(1, 2500) i");
        await query(connection, "select pg_switch_wal()");
        await query(connection, "checkpoint");
      }
      await query(connection, "insert into t select repeat(md5(i::text), 4) from generate_series(1, 500) i");
      const [row] = await query<{ name: string; lsn: string }>(
        connection,
        "select pg_walfile_name(pg_current_wal_lsn()) as name, pg_current_wal_flush_lsn()::text as lsn",
      );
      const { name, lsn } = row as { name: string; lsn: string };
      const bytes = await readFile(join(directory, name));
      // Old pages behind the new ones are what this is about.
      const filled = Number(parseLsn(lsn) & 0xfffffn);
      if (bytes.subarray((filled + 8192) & ~8191).every((byte) => byte === 0)) continue;
      const { facts } = readSegment(`${name}.partial`, bytes);
      const text = await cluster.run("pg_waldump", ["-p", directory, "-s", facts.startLsn, "-e", facts.endLsn]);
      assert.equal(facts.records, text.trim().split("\n").length);
      assert.ok(compareLsn(facts.endLsn, lsn) >= 0);
      assert.throws(
        () => readSegment(name, bytes),
        (error) => isLifeboatError(error, "INTEGRITY"),
      );
      break;
    }
  } finally {
    await cluster.remove();
  }
});

test("R25 a record that a crash left unfinished is passed over, as the server does", { skip: skipWithoutPostgres() }, async () => {
  const cluster = await logCluster({ segmentMegabytes: 1 });
  try {
    const directory = join(cluster.data, "pg_wal");
    await query(cluster.connection(), "create table t (n int)");
    const [row] = await query<{ lsn: string }>(
      cluster.connection(),
      "select pg_logical_emit_message(false, 'test', repeat('x', 2500000))::text as lsn",
    );
    await query(cluster.connection(), "insert into t values (1)");
    await cluster.kill();
    // As if the machine had failed with only the first part of the message on disk.
    const names = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort();
    const size = 1 << 20;
    const cut = Number(parseLsn(String(row?.lsn))) - 1_000_000;
    for (const name of names) {
      const start = Number.parseInt(name.slice(16), 16) * size;
      const bytes = await readFile(join(directory, name));
      if (start + size <= cut) continue;
      await writeFile(join(directory, name), bytes.fill(0, Math.max(0, (cut - start) & ~8191)));
    }
    await cluster.start();
    await query(cluster.connection(), "insert into t select generate_series(1, 30000)");
    const [last] = await query<{ name: string }>(cluster.connection(), "select pg_walfile_name(pg_current_wal_lsn()) as name");
    let facts: SegmentFacts | undefined;
    let records = 0;
    const whole = (await readdir(directory)).filter((name) => /^[0-9A-F]{24}$/.test(name) && name < String(last?.name)).sort();
    for (const name of whole) {
      const read = readSegment(name, await readFile(join(directory, name)), facts);
      assert.equal(read.linked, facts !== undefined, name);
      facts = JSON.parse(JSON.stringify(read.facts)) as SegmentFacts;
      records += read.facts.records;
    }
    const text = await cluster.run("pg_waldump", ["-p", directory, whole[0] as string, whole.at(-1) as string]);
    assert.match(text, /OVERWRITE_CONTRECORD/);
    assert.equal(records, text.trim().split("\n").length);
  } finally {
    await cluster.remove();
  }
});
