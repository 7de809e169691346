// Restores at Neon with data in them: the provider over the sandbox, the sandbox over real clusters.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { testMaker } from "../support/maker.ts";
import { journal, providerOf } from "../support/neon-provider.ts";
import { startFakeNeon, startRealNeon } from "../support/neon-sandbox.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const MAKER = testMaker("0123456789abcd");

const needsServer = { skip: skipWithoutPostgres() };
const PATIENT = { timeouts: { coldStartMs: 60_000, requestMs: 60_000 } };

const ids = async (connection: Connection): Promise<unknown[]> =>
  (await query(connection, "select id from t order by id")).map((row) => row.id);

/** Returns the server's clock, a moment after the last commit. */
async function momentAfter(connection: Connection): Promise<Date> {
  await query(connection, "select pg_sleep(0.02)");
  const [row] = await query(connection, "select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as ms");
  await query(connection, "select pg_sleep(0.02)");
  return new Date(Number(row?.ms));
}

test("R7 R9 R8 rows come back as they were: beside production, in place of it, and from points", needsServer, async (t) => {
  await using neon = await startRealNeon({ plan: "launch" });
  const { sandbox } = neon;
  const { connection, history, snapshots } = providerOf(sandbox, PATIENT);
  const live = await connection();
  await query(live, "create table t (id int primary key); insert into t values (1)");
  const good = await momentAfter(live);
  const [{ lsn = "" } = {}] = await query<{ lsn: string }>(live, "select pg_current_wal_lsn()::text as lsn");
  await query(live, "insert into t values (2)");
  const byBranch = await snapshots.create({ name: "backup-2026-11-21", form: "branch" });
  const bySnapshot = await snapshots.create({ name: "s", form: "snapshot" });
  await query(live, "insert into t values (3)");

  await t.test("a branch at a time holds exactly the commits before it, and production continues", async () => {
    const restored = await history.branch({
      name: "restore-time",
      target: { kind: "time", at: good },
      maker: MAKER,
      declare: journal().declare,
    });
    assert.deepEqual(await ids(restored.connection), [1]);
    await query(restored.connection, "insert into t values (100)");
    assert.deepEqual(await ids(live), [1, 2, 3]);
    await history.remove(restored.id);
  });

  await t.test("a position in the log does the same", async () => {
    const restored = await history.branch({ name: "restore-lsn", target: { kind: "lsn", lsn }, maker: MAKER, declare: journal().declare });
    assert.deepEqual(await ids(restored.connection), [1]);
    await history.remove(restored.id);
  });

  await t.test("points hold what was there when they were taken", async () => {
    for (const { id, form } of [byBranch, bySnapshot]) {
      const restored = await history.branch({
        name: `restore-${form}`,
        target: { kind: "snapshot", id, form },
        maker: MAKER,
        declare: journal().declare,
      });
      assert.deepEqual(await ids(restored.connection), [1, 2]);
      await history.remove(restored.id);
    }
  });

  await t.test("in place, the same connection string shows the past, and the kept branch the present", async () => {
    const result = await history.inPlace({ target: { kind: "time", at: good }, keepAs: "rollback-20261121" });
    assert.equal(result.connection.url, live.url);
    assert.deepEqual(await ids(live), [1]);
    const kept = await history.branch({
      name: "look",
      target: { kind: "snapshot", id: result.kept.id, form: "branch" },
      maker: MAKER,
      declare: journal().declare,
    });
    assert.deepEqual(await ids(kept.connection), [1, 2, 3]);
  });

  await t.test("a promoted branch is what the source's connection leads to", async () => {
    await history.branch({
      name: "restore-2",
      target: { kind: "snapshot", id: byBranch.id, form: "branch" },
      maker: MAKER,
      declare: journal().declare,
    });
    const result = await history.promote({ branch: "restore-2", name: "production", keepAs: "rollback-20261121-2" });
    assert.deepEqual(await ids(result.connection), [1, 2]);
    assert.deepEqual(await ids(await connection()), [1, 2]);
  });
});

test("a sleeping compute is woken before the connection is handed out", needsServer, async () => {
  await using neon = await startRealNeon({ plan: "launch", delays: { schedulingMs: 0, runningMs: 50, coldStartMs: 500 } });
  const { connection } = providerOf(neon.sandbox, PATIENT);
  const first = await connection();
  const { endpoints } = await neon.expect(200, "GET", "/endpoints");
  await neon.expect(200, "POST", `/endpoints/${endpoints[0].id}/suspend`);
  assert.equal((await connection()).url, first.url);
  assert.deepEqual(await query(first, "select 1 as one"), [{ one: 1 }]);
});

test("a Neon source is dumped by the engine of any PostgreSQL, over its direct connection", needsServer, async () => {
  await using neon = await startRealNeon();
  const live = await providerOf(neon.sandbox, PATIENT).connection();
  await query(live, "create table t (id int primary key); insert into t select generate_series(1, 1000)");
  const dump = await openPostgresEngine({}).beginDump(live, { kind: "full" });
  try {
    let sizeBytes = 0;
    for (const part of dump.parts) for await (const chunk of part.bytes) sizeBytes += chunk.length;
    assert.ok(sizeBytes > 1000);
    assert.equal((await dump.fingerprint()).tables["public.t"]?.rows, 1000);
  } finally {
    await dump.end();
  }
});

test("a backup of a Neon source drills on this machine, also when Neon is not there", needsServer, async () => {
  let provider: ReturnType<typeof providerOf>;
  {
    await using neon = await startFakeNeon();
    provider = providerOf(neon.sandbox);
  }
  assert.equal(provider.capabilities.scratch, true);
  assert.match(await provider.checkScratch(10), /temporary PostgreSQL/);
  const { declared, declare } = journal();
  const scratch = await provider.beginScratch({ maker: MAKER, serverMajor: 10, declare });
  try {
    assert.deepEqual(declared, [scratch.resource]);
    assert.deepEqual(await query(scratch.connection, "select 1 as one"), [{ one: 1 }]);
  } finally {
    await scratch.end();
  }
  assert.equal(await provider.undo(scratch.resource, MAKER), "absent");
});

test("a role that the database does not know is said so, without its password", needsServer, async () => {
  await using neon = await startRealNeon();
  const provider = providerOf(neon.sandbox, { ...PATIENT, role: "nobody" });
  await assert.rejects(provider.connection(), (error) => isLifeboatError(error, "PROVIDER_NOT_FOUND"));
});
