// The history of one row, by the real program: from backups alone, and from base backup and WAL against an independent log of changes.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { flipByte, segmentFiles } from "../support/archive.ts";
import { cases } from "../support/every.ts";
import { beginWritten, settle } from "../support/point-in-time.ts";
import { freshDatabase, openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const UUID = "6f1c1d5e-9a34-4a56-8d43-0123456789ab";

interface Key {
  readonly table: string;
  readonly args: readonly string[];
  readonly where: string;
  /** Of the key's columns, as SQL. */
  readonly columns: string;
  readonly values: string;
}

const KEYS: readonly Key[] = [
  { table: "orders", args: ["4711"], where: "id = 4711", columns: "id", values: "4711" },
  { table: "notes", args: [`it's "a\\b", no`], where: `id = 'it''s "a\\b", no'`, columns: "id", values: `'it''s "a\\b", no'` },
  { table: "things", args: [UUID.toUpperCase()], where: `id = '${UUID}'`, columns: "id", values: `'${UUID}'` },
  {
    table: "items",
    args: ["Order No=7", "line=x=1"],
    where: `"Order No" = 7 and line = 'x=1'`,
    columns: `"Order No", line`,
    values: "7, 'x=1'",
  },
];

const SCHEMA = `
create table orders (id int primary key, state text, total numeric(12,2), at timestamptz);
create table notes (state text, total numeric(12,2), id text primary key, at timestamptz);
create table things (id uuid primary key, state text, total numeric(12,2), at timestamptz);
create table items ("Order No" int, line varchar(20), state text, total numeric(12,2), at timestamptz, primary key (line, "Order No"))
  partition by hash ("Order No");
create table items_0 partition of items for values with (modulus 2, remainder 0);
create table items_1 partition of items for values with (modulus 2, remainder 1);
alter database shop set timezone = 'Asia/Kolkata'`;

interface Change {
  readonly xid: number;
  readonly operation: string;
  readonly row: Record<string, unknown> | null;
}

const AS_TEXT = `state, total::text as total, to_char(at at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS') || '+00' as at`;

test("R42 the history of a row equals an independent log of random changes", { skip: skipWithoutPostgres() }, async (t) => {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1 << 30));
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const written = await beginWritten(t);
  const { world, shop } = written;
  await query(shop, SCHEMA);
  for (const { table } of KEYS.slice(0, 1)) await query(shop, `insert into ${table} select g, 'filler', g from generate_series(1, 300) g`);
  await world.expect(0, "backup", "shop", "--json");
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  const client = await openApplication(shop);
  const other = await openApplication(shop);
  const log = new Map<Key, Change[]>(KEYS.map((key) => [key, []]));
  const rowOf = async ({ table, where }: Key): Promise<Record<string, unknown> | null> =>
    (await client.query(`select ${AS_TEXT} from ${table} where ${where}`))[0] ?? null;
  const changes = cases(200, 20);
  for (let n = 0; n < changes; n++) {
    const key = KEYS[random(KEYS.length)] ?? (KEYS[0] as Key);
    const { table, where, columns, values } = key;
    const before = await rowOf(key);
    const kind = random(10);
    await client.query("begin");
    if (kind === 1) await client.query("savepoint s");
    // Another transaction of the same table commits in between, and a third is rolled back.
    await other.query(`insert into orders values (${1000 + n}, 'noise', 1) on conflict do nothing`);
    if (before === null) {
      await client.query(
        `insert into ${table} (${columns}, state, total, at) values (${values}, 'new ${n}', ${n}, '2026-01-01 00:00:${n % 60}+00')`,
      );
    } else if (kind === 0) await client.query(`update ${table} set state = state where ${where}`);
    else if (kind < 5) await client.query(`update ${table} set total = total + 1, state = E'a\\tb\\\\\\n${n}' where ${where}`);
    else if (kind === 5 && table !== "orders") await client.query(`truncate ${table}`);
    else if (kind < 8) await client.query(`update ${table} set state = null where ${where}`);
    else await client.query(`delete from ${table} where ${where}`);
    if (kind === 1) await client.query("release s");
    const [{ xid = 0 } = {}] = await client.query<{ xid: number }>("select txid_current()::int as xid");
    const isKept = random(6) > 0;
    await client.query(isKept ? "commit" : "rollback");
    if (!isKept) continue;
    const row = await rowOf(key);
    log.get(key)?.push({ xid, operation: before === null ? "insert" : row === null ? "delete" : "update", row });
    if (n % 17 === 16) await client.query(`vacuum full ${KEYS[random(3)]?.table}`);
    if (n === changes >> 1) await world.expect(0, "backup", "shop", "--json");
  }
  await client.close();
  await other.close();
  await settle(written);
  for (const [key, made] of log) {
    const ran = await world.run("history", "shop", "--table", key.table, ...key.args.flatMap((one) => ["--key", one]), "--json");
    assert.equal(ran.exit, 0, ran.stderr);
    const told = ran.json();
    const found = told.states
      .filter(({ writtenBy }: { writtenBy: unknown }) => writtenBy !== null)
      .map((one: { writtenBy: { id: string; kind: string }; row: Record<string, unknown> | null }) => ({
        xid: Number(one.writtenBy.id.replace("transaction ", "")),
        operation: one.writtenBy.kind,
        row: one.row && { state: one.row.state, total: one.row.total, at: one.row.at },
      }));
    assert.deepEqual(found, made, `${key.table}: ${JSON.stringify(told.states, undefined, 1)}`);
    assert.deepEqual(told.notExamined, []);
    await restoresAsSaid(world, told);
  }
  assertNotRecorded(world, ["4711", UUID, "a\\b"]);
  await world.assertNothingLeft();
});

// biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
async function restoresAsSaid(world: World, told: any): Promise<void> {
  if (told.restore === null) return;
  const wanted = told.states.findLast(({ restore }: { restore: string | null }) => restore === told.restore);
  const args = wordsOf(told.restore).slice(1);
  await world.expect(0, ...args, "--yes", "shop");
  const keys = Object.entries(told.keyValues).flatMap(([name, value]) => ["--key", `${name}=${value}`]);
  const asked = await world.run("history", "shop", "--table", told.table, ...keys, "--json");
  assert.notEqual(asked.stdout, "", asked.stderr);
  const again = asked.json();
  assert.deepEqual(again.states.at(-1).row, wanted.row);
}

/** As a shell splits them. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/(?:'[^']*'|\\'|"[^"]*"|[^\s'"\\])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"([^"]*)"|\\(')/g, (_all, single, double, quote) => single ?? double ?? quote),
  );
}

/** Neither key nor values are in what is kept of a job. */
function assertNotRecorded(world: World, texts: readonly string[]): void {
  const jobs = join(world.repository, "jobs");
  const files = readdirSync(jobs, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const journals = files
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .filter((text) => text.includes('"history"'));
  assert.ok(journals.length > 0);
  for (const text of texts) assert.ok(!journals.some((journal) => journal.includes(text)), text);
}

test("R42 prepared transactions and those open at the base backup are in a row's history", { skip: skipWithoutPostgres() }, async (t) => {
  const written = await beginWritten(t, { settings: { max_prepared_transactions: "4" } });
  const { world, shop } = written;
  const tables = ["prepared", "open", "late", "part"];
  for (const table of tables) await query(shop, `create table ${table} (id int primary key, n int); insert into ${table} values (1, 0)`);
  await query(shop, "create table other (n int)");
  const client = await openApplication(shop);
  const early = await openApplication(shop);
  const xids = new Map<string, string>();
  const update = async (who: typeof client, table: string, rest: string): Promise<void> => {
    await who.query("begin");
    await who.query(`update ${table} set n = n + 1`);
    const [{ xid = "" } = {}] = await who.query<{ xid: string }>("select txid_current()::text as xid");
    xids.set(table, xid);
    if (rest !== "") await who.query(rest);
  };
  // Begun before the base backup: their records are in no WAL that it needs.
  await update(client, "prepared", "prepare transaction 'prepared'");
  await update(early, "open", "");
  await query(shop, "checkpoint");
  await query(shop, "select pg_switch_wal()");
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  await query(shop, "insert into other values (1)");
  await early.query("commit");
  await client.query("commit prepared 'prepared'");
  await update(client, "late", "prepare transaction 'late'");
  await query(shop, "insert into other values (2)");
  await client.query("commit prepared 'late'");
  await update(client, "part", "prepare transaction 'never'");
  await client.query("rollback prepared 'never'");
  await update(client, "part", "savepoint s; delete from part; rollback to s; prepare transaction 'part'");
  await client.query("commit prepared 'part'");
  await early.close();
  await client.close();
  await settle(written);
  for (const table of tables) {
    const told = (await world.expect(0, "history", "shop", "--table", table, "--key", "1", "--json")).json();
    const seen = told.states.map(({ row }: { row: { n: string } | null }) => row?.n);
    assert.deepEqual(seen, ["0", "1"], `${table}: ${JSON.stringify(told.states, undefined, 1)}`);
    const by = told.states[1].writtenBy;
    assert.deepEqual(
      [by?.kind, by?.id, told.notExamined],
      ["update", `transaction ${xids.get(table)}`, []],
      `${table}: ${JSON.stringify(told.states)}`,
    );
  }
  await world.assertNothingLeft();
});

test("R42 a row's history tells where WAL is missing, and continues after it", { skip: skipWithoutPostgres() }, async (t) => {
  const written = await beginWritten(t);
  const { world, shop } = written;
  await query(shop, "create table orders (id int primary key, n int); insert into orders values (1, 0)");
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  const inSegments: string[] = [];
  const write = async (n: number): Promise<void> => {
    await query(shop, `update orders set n = ${n}`);
    const [{ name = "" } = {}] = await query<{ name: string }>(shop, "select pg_walfile_name(pg_current_wal_lsn()) as name");
    inSegments.push(name);
    await query(shop, "select pg_switch_wal()");
  };
  for (const n of [1, 2, 3]) await write(n);
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  for (const n of [4, 5]) await write(n);
  await settle(written);
  const history = async (exit: number) => (await world.expect(exit, "history", "shop", "--table", "orders", "--key", "1", "--json")).json();
  const seenIn = (told: { states: { row: { n: string } | null }[] }) => told.states.map(({ row }) => row?.n);
  const whole = await history(0);
  assert.deepEqual([seenIn(whole), whole.notExamined], [["0", "1", "2", "3", "4", "5"], []]);

  const missing = segmentFiles(world).find((file) => file.includes(inSegments[1] ?? "none"));
  assert.ok(missing !== undefined, `${inSegments}`);
  rmSync(missing);
  const told = await history(3);
  assert.deepEqual(seenIn(told), ["0", "1", "3", "4", "5"]);
  const [gap, ...others] = told.notExamined;
  const [, from = "", to = ""] = /^the log from (\S+) to (\S+) is missing: what a row was in between is not known$/.exec(gap) ?? [];
  assert.deepEqual(others, []);
  const instants = (n: number) => [whole.states[n].from.at, whole.states[n].until.at];
  assert.ok(
    from >= instants(1)[0] && from <= instants(2)[0] && to > instants(2)[0],
    `${gap}: ${JSON.stringify(whole.states, undefined, 1)}`,
  );
  await world.assertNothingLeft();
});

test("R42 what cannot be asked of a row is refused or not known, never left out", { skip: skipWithoutPostgres() }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table other (a int, b int, primary key (a, b)); create table bare (a int); insert into bare values (1)");
  const world = await beginWorld(t, { sources: { shop } });
  const backup = async (...args: string[]) => world.expect(0, "backup", "shop", ...args, "--json");
  await backup();
  await query(shop, "create table orders (id int primary key, n int, note text); insert into orders values (1, 1, 'a')");
  await backup();
  await query(shop, "update orders set n = 2");
  await backup("--kind", "data");
  await query(shop, "delete from orders");
  const ask = (...args: string[]) => ["history", "shop", "--table", "orders", "--key", "1", ...args, "--json"];
  const told = (await world.expect(0, ...ask())).json();
  const seen = told.states.map(({ row, missing }: { row: { n: string } | null; missing: string | null }) => row?.n ?? missing);
  assert.deepEqual(seen, ["table", "1", "2", "row"]);
  assert.deepEqual(told.states[2].changedColumns, ["n"]);
  const notes = (await world.expect(0, ...ask("--columns", "note"))).json();
  assert.equal(notes.states.length, 3, "a column that did not change folds the states");
  const plan = (await world.expect(0, ...ask("--plan"))).json();
  assert.equal(plan.steps.filter(({ action }: { action: string }) => action === "read").length, 4);
  const refused = async (table: string, key: string): Promise<string> =>
    (await world.expect(2, "history", "shop", "--table", table, "--key", key, "--json")).message ?? "";
  assert.match(await refused("bare", "1"), /public.bare has no primary key/);
  assert.match(await refused("other", "a=1"), /give --key a=VALUE --key b=VALUE/);
  assert.match(await refused("orders", "x"), /the key is not valid: id is of type integer/);
  assert.match(await refused("nowhere", "1"), /had no table nowhere/);
  assert.match(await refused("ord*", "1"), /may mean several tables/);
  await world.expect(3, "history", "shop", "--table", "orders", "--key", "2", "--json");
  const folder = join(world.repository, "sources", "shop", "backups");
  const [, second = ""] = readdirSync(folder).sort();
  const data = readdirSync(join(folder, second)).find((name) => name.startsWith("data.")) ?? "";
  flipByte(join(folder, second, data));
  const damaged = (await world.expect(30, ...ask())).json();
  const codes = damaged.states.map(({ notKnown }: { notKnown: { code: string } | null }) => notKnown?.code ?? "");
  assert.deepEqual(codes, ["", "INTEGRITY", ""], "the backup of rows alone needs the definitions of the damaged one");
  await world.assertNothingLeft();
});
