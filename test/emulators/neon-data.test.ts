// The Neon sandbox with real clusters: what its answers promise is what the databases hold.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openFleet } from "../../packages/sandbox/neon/fleet/fleet.ts";
import { startNeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import { connectionFromUrl } from "../../src/engines/postgres/connect/url.ts";
import { AT_ONCE, callersOf, type SandboxedNeon, startRealNeon } from "../support/neon-sandbox.ts";
import { openApplication, postgresBin, query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();
const HOUR_MS = 3_600_000;

const ask = async (url: string, sql: string): Promise<unknown> => Object.values((await query(connectionFromUrl(url), sql))[0] ?? {})[0];

/** The string of a branch's database, as the API gives it. */
async function urlOf(neon: SandboxedNeon, branch: string): Promise<string> {
  const query = `branch_id=${branch}&database_name=neondb&role_name=neondb_owner`;
  return (await neon.expect(200, "GET", `/connection_uri?${query}`)).uri;
}

async function branchAt(neon: SandboxedNeon, point: object): Promise<{ id: string; url: string }> {
  const body = { branch: point, endpoints: [{ type: "read_write" }] };
  const { branch } = await neon.expect(201, "POST", "/branches", body);
  return { id: branch.id, url: await urlOf(neon, branch.id) };
}

/** An instant that no commit shares. */
async function moment({ sandbox }: SandboxedNeon): Promise<Date> {
  await sleep(4);
  const at = sandbox.now();
  await sleep(4);
  return at;
}

test("R54 a branch at an instant of the driven clock has the commits until then, across jumps and stops", {
  skip,
}, async () => {
  let driven = Date.parse("2027-03-01T00:00:00Z");
  await using neon = await startRealNeon({ clock: { now: () => new Date(driven) } });
  const { sandbox } = neon;
  const write = (row: number): Promise<unknown> => ask(sandbox.url, `insert into t values (${row})`);
  await ask(sandbox.url, "create table t (a int)");
  for (let hour = 0; hour < 4; hour++) {
    await write(hour);
    await write(hour);
    await sleep(4);
    driven += HOUR_MS;
    await sandbox.tick();
    await sleep(4);
  }
  const at = (hours: number): string => new Date(Date.parse("2027-03-01T00:00:00Z") + hours * HOUR_MS).toISOString();
  for (const [hours, rows] of [
    [0, 2],
    [0.5, 2],
    [1, 4],
    [2.25, 6],
    [3, 8],
  ] as const) {
    const { url } = await branchAt(neon, { parent_timestamp: at(hours) });
    assert.equal(await ask(url, "select count(*)::int from t"), rows, `${hours} hours`);
  }
});

test("R54 under writes, a branch at any instant has exactly the commits that came before it", { skip }, async () => {
  await using neon = await startRealNeon();
  const { sandbox } = neon;
  await ask(sandbox.url, "create table t (a int)");
  const client = await openApplication(connectionFromUrl(sandbox.url));
  const instants: { readonly at: Date; readonly rows: number }[] = [];
  try {
    for (let row = 1; row <= 60; row++) {
      await client.query(`insert into t values (${row})`);
      if (row % 12 === 0) instants.push({ at: await moment(neon), rows: row });
    }
  } finally {
    await client.close();
  }
  for (const { at, rows } of instants) {
    const { url } = await branchAt(neon, { parent_timestamp: at.toISOString() });
    assert.equal(await ask(url, "select max(a) || '/' || count(*) from t"), `${rows}/${rows}`);
  }
});

test("R54 after a restore in place the same string reaches the earlier state, and the later one is kept", { skip }, async () => {
  await using neon = await startRealNeon();
  const { sandbox } = neon;
  await ask(sandbox.url, "create table t as select 1 as a");
  const at = await moment(neon);
  await ask(sandbox.url, "drop table t");
  const [main] = (await neon.expect(200, "GET", "/branches")).branches;
  const client = await openApplication(connectionFromUrl(sandbox.url));
  const back = { source_branch_id: main.id, source_timestamp: at.toISOString(), preserve_under_name: "accident" };
  await neon.expect(200, "POST", `/branches/${main.id}/restore`, back);
  await assert.rejects(client.query("select 1"), "connections of before are broken");
  await client.close().catch(() => undefined);
  assert.equal(await ask(sandbox.url, "select a from t"), 1);
  await neon.expect(201, "POST", "/endpoints", { endpoint: { branch_id: main.id, type: "read_write" } });
  assert.equal(await ask(await urlOf(neon, main.id), "select to_regclass('t')"), null);
});

test("R54 a snapshot restored beside, then finalized, has the state of its instant at the same address", { skip }, async () => {
  await using neon = await startRealNeon();
  const { sandbox } = neon;
  const [main] = (await neon.expect(200, "GET", "/branches")).branches;
  await ask(sandbox.url, "create table t as select 1 as a");
  const { snapshot } = await neon.expect(200, "POST", `/branches/${main.id}/snapshot?name=s`);
  await ask(sandbox.url, "update t set a = 2");
  const look = await neon.expect(200, "POST", `/snapshots/${snapshot.id}/restore`, { name: "look", target_branch_id: main.id });
  assert.equal(await ask(sandbox.url, "select a from t"), 2);
  await neon.expect(200, "POST", `/branches/${look.branch.id}/finalize_restore`, {});
  assert.equal(await ask(sandbox.url, "select a from t"), 1);
});

test("R54 a scheduled snapshot holds the state of its instant, also when it is taken after later writes", { skip }, async () => {
  let driven = Date.parse("2027-03-01T00:00:00Z");
  await using neon = await startRealNeon({ clock: { now: () => new Date(driven) } });
  const { sandbox } = neon;
  const [main] = (await neon.expect(200, "GET", "/branches")).branches;
  await neon.expect(200, "PUT", `/branches/${main.id}/backup_schedule`, { schedule: [{ frequency: "daily", hour: 3 }] });
  const client = await openApplication(connectionFromUrl(sandbox.url)); // the compute stays awake
  try {
    await client.query("create table t as select 1 as a");
    await moment(neon);
    driven += 24 * HOUR_MS;
    await sandbox.tick();
    await client.query("update t set a = 2");
  } finally {
    await client.close();
  }
  const { snapshots } = await neon.expect(200, "GET", "/snapshots");
  assert.deepEqual(
    snapshots.map((snapshot: { timestamp: string; manual: boolean }) => [snapshot.timestamp, snapshot.manual]),
    [["2027-03-01T03:00:00.000Z", false]],
  );
  const { branch } = await neon.expect(200, "POST", `/snapshots/${snapshots[0].id}/restore`, { name: "look" });
  await neon.expect(201, "POST", "/endpoints", { endpoint: { branch_id: branch.id, type: "read_write" } });
  assert.equal(await ask(await urlOf(neon, branch.id), "select a from t"), 1);
});

test("R54 new passwords are what connects: after a reset, and for a child of a protected branch", { skip }, async () => {
  await using neon = await startRealNeon({ plan: "scale" });
  const { sandbox } = neon;
  const [main] = (await neon.expect(200, "GET", "/branches")).branches;
  await ask(sandbox.url, "select 1");
  const before = await moment(neon);
  await neon.expect(200, "POST", `/branches/${main.id}/roles/neondb_owner/reset_password`);
  const changed = await urlOf(neon, main.id);
  await assert.rejects(ask(sandbox.url, "select 1"), "the old one is refused");
  assert.equal(await ask(changed, "select 1"), 1);
  const past = await branchAt(neon, { parent_timestamp: before.toISOString() });
  assert.equal(new URL(past.url).password, new URL(sandbox.url).password, "a branch of the past has the one of then");
  assert.equal(await ask(past.url, "select 1"), 1);
  await neon.expect(200, "PATCH", `/branches/${main.id}`, { branch: { protected: true } });
  const child = await branchAt(neon, {});
  assert.notEqual(new URL(child.url).password, new URL(changed).password);
  assert.equal(await ask(child.url, "select 1"), 1);
});

test("R54 a compute suspends by the clock without connections, and the next connection wakes it", { skip }, async () => {
  await using neon = await startRealNeon();
  const { sandbox } = neon;
  const state = async (): Promise<string> => (await neon.expect(200, "GET", "/endpoints")).endpoints[0].current_state;
  const client = await openApplication(connectionFromUrl(sandbox.url));
  await sandbox.advance(HOUR_MS);
  assert.equal(await state(), "active", "a client is connected");
  await client.close();
  await sleep(100);
  await sandbox.advance(301_000);
  assert.equal(await state(), "idle");
  assert.equal(await ask(sandbox.url, "select 1"), 1);
  assert.equal(await state(), "active");
});

test("R54 a hundred branches start no server before the first connection to one of them", { skip }, async (t) => {
  const directory = join(tmpdir(), `lifeboat-neon-${randomBytes(5).toString("hex")}`);
  const fleet = await openFleet({ directory, bin: postgresBin() });
  t.after(() => fleet.end());
  const sandbox = await startNeonSandbox({ fleet, delays: AT_ONCE });
  t.after(() => sandbox.close());
  const neon = callersOf(sandbox);
  await ask(sandbox.url, "create table t as select 7 as a");
  for (let count = 0; count < 100; count++) await branchAt(neon, { name: `b${count}` });
  const project = sandbox.store.projects.get(sandbox.projectId);
  const running = (): number => [...(project?.branches.values() ?? [])].filter((branch) => fleet.isRunning(branch.line)).length;
  assert.equal(running(), 1, "production alone");
  const { branches } = await neon.expect(200, "GET", "/branches?search=b57");
  assert.equal(await ask(await urlOf(neon, branches[0].id), "select a from t"), 7);
  assert.equal(running(), 2);
});
