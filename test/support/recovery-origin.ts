// A cluster with a tablespace, a base backup of it by the server's own program, and an archive of its log: what recovery begins with.
import { execFileSync } from "node:child_process";
import { chmodSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import type { BaseFacts, SegmentFacts } from "../../src/core/log.ts";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import { readSegment } from "../../src/engines/postgres/log/segments.ts";
import type { RecoveryOrder } from "../../src/ports/physical.ts";
import { testMaker } from "./maker.ts";
import { postgresBin, query, testCluster } from "./postgres.ts";

export interface Origin {
  readonly cluster: Cluster;
  readonly archive: string;
  readonly base: string;
  readonly facts: BaseFacts;
  /** Positions before which row 1, 2 … was written. */
  readonly marks: readonly { readonly lsn: string }[];
  /** The instant before the database `crm`, with its 600 clients, was dropped; nothing was committed in between. */
  readonly beforeDrop: string;
}

let shared: Promise<Origin> | undefined;
export const place = mkdtempSync(join(tmpdir(), "lr-"));
chmodSync(place, 0o755);
after(async () => {
  await (await shared)?.cluster.remove();
  rmSync(place, { recursive: true, force: true });
});

/** A cluster with a tablespace, a base backup of it by the server's own program, and an archive of its log. */
async function makeOrigin(): Promise<Origin> {
  const archive = join(place, "archive");
  const space = join(place, "space");
  for (const path of [archive, space]) {
    mkdirSync(path);
    chmodSync(path, 0o777);
  }
  const cluster = await testCluster({
    settings: {
      wal_level: "replica",
      max_wal_senders: "4",
      archive_mode: "on",
      archive_command: `cp %p ${archive}/.%f && mv ${archive}/.%f ${archive}/%f`,
      max_prepared_transactions: "3",
    },
  });
  const to = cluster.connection("postgres");
  if (process.getuid?.() === 0) execFileSync("chown", ["-R", "postgres:", space]);
  chmodSync(space, 0o700);
  await query(to, `create tablespace far location '${space}'`);
  await query(to, "create table t (n int); create table far_t (n int) tablespace far; insert into far_t select generate_series(1, 100)");
  await query(to, "create database crm");
  await query(to, "create database closed");
  await query(cluster.connection("closed"), "create table old (n int); insert into old values (1)");
  await query(to, "alter database closed is_template true allow_connections false");
  await query(cluster.connection("crm"), "create table clients (n int); insert into clients select generate_series(1, 500)");
  const base = join(place, "base");
  const { host, port, user, password } = partsOf(to);
  execFileSync(join(postgresBin(), "pg_basebackup"), ["-D", base, "-Ft", "-X", "fetch", "-c", "fast"], {
    env: { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password ?? "" },
    stdio: "inherit",
  });
  const manifest = JSON.parse(readFileSync(join(base, "backup_manifest"), "utf8"));
  const [range] = manifest["WAL-Ranges"];
  const [oid] = readdirSync(base).flatMap((name) => /^(\d+)\.tar$/.exec(name)?.[1] ?? []);
  const facts: BaseFacts = {
    systemIdentifier: "",
    timeline: 1,
    startLsn: range["Start-LSN"],
    endLsn: range["End-LSN"],
    endedAt: "",
    segmentBytes: 16 * 1024 ** 2,
    tablespaces: [{ oid: oid ?? "", location: space }],
    pageChecksums: false,
    superuser: "postgres",
  };
  const marks: { lsn: string }[] = [];
  for (let row = 1; row <= 6; row++) {
    const [at] = await query<{ lsn: string }>(to, "select pg_current_wal_insert_lsn()::text as lsn");
    if (at) marks.push(at);
    await query(to, `insert into t values (${row}); insert into far_t values (${1000 + row})`);
    if (row % 2 === 0) await query(to, "select pg_switch_wal()");
  }
  await query(cluster.connection("crm"), "insert into clients select generate_series(501, 600)");
  const [at] = await query<{ now: string }>(
    to,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  await query(to, "drop database crm");
  await query(to, "create table later (n int)");
  // A statement of its own: the commit of one that did more would lie behind the switch, in a segment that is never full.
  const [last] = await query<{ name: string }>(to, "select pg_walfile_name(pg_switch_wal() - 1) as name");
  while (!existsSync(join(archive, last?.name ?? ""))) await query(to, "select pg_sleep(0.05)");
  return { cluster, archive, base, facts, marks, beforeDrop: at?.now ?? "" };
}

export const origin = (): Promise<Origin> => {
  shared ??= makeOrigin();
  return shared;
};

export async function* partsOfBase(base: string, facts: BaseFacts): RecoveryOrder["parts"] {
  const part = (name: string, file: string) => ({
    name,
    sizeBytes: statSync(join(base, file)).size,
    bytes: createReadStream(join(base, file)),
  });
  yield part("manifest", "backup_manifest");
  for (const { oid } of facts.tablespaces) yield part(`tablespace-${oid}`, `${oid}.tar`);
  yield part("base", "base.tar");
}

export async function orderFor(t: TestContext, directory: string, more: Partial<RecoveryOrder>): Promise<RecoveryOrder> {
  const { archive, base, facts } = await origin();
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return {
    directory,
    maker: testMaker("job1"),
    serverMajor: Number.parseInt(readFileSync(join((await origin()).cluster.data, "PG_VERSION"), "utf8"), 10),
    base: facts,
    parts: partsOfBase(base, facts),
    fetchLog: async (name) => (existsSync(join(archive, name)) ? createReadStream(join(archive, name)) : undefined),
    expectedEnd: "0/0",
    timeline: 1,
    temporary: false,
    ...more,
  };
}

/** The log as its segments say, walked over in order. */
export async function walked() {
  const { archive } = await origin();
  const names = readdirSync(archive)
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .sort();
  let before: SegmentFacts | undefined;
  return names.map((name) => {
    const bytes = readFileSync(join(archive, name));
    const { facts } = readSegment(name, bytes, before);
    const item = { name, bytes, before, facts };
    before = facts;
    return item;
  });
}
