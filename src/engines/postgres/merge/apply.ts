// A staged change set becomes rows of the live database in one transaction, or nothing of it does.
import { setTimeout as sleep } from "node:timers/promises";
import { LifeboatError } from "../../../core/errors.ts";
import type { MergedTable, RaisedSequence } from "../../../core/merge-plan.ts";
import type { ApplyOptions } from "../../../ports/merge.ts";
import type { Client } from "../connect/client.ts";
import { quoteText } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { writeChanges } from "./changes.ts";
import { assertNoCascade, assertReferences } from "./check.ts";
import { type ForeignKey, wholeOf } from "./foreign-keys.ts";
import { keyOfStage, type LiveState, type Staged, type StagedTable, type Work } from "./stage.ts";
import { fromOf, rowHash, type Table, textOf } from "./tables.ts";

export const LOCK_TIMEOUT_MS = 3_000;
export const ATTEMPTS = 6;
/** A lock that is not given, a deadlock, a row that another transaction made at the same moment. */
const CONTENTION = new Set(["55P03", "40P01", "40001"]);
const NAMED = 5;

export async function applyChanges(
  live: LiveState,
  staged: Staged,
  sequences: readonly RaisedSequence[],
  options: ApplyOptions,
): Promise<readonly MergedTable[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await applyOnce(live, staged, sequences, options);
    } catch (error) {
      await live.client.query("rollback").catch(() => undefined); // a broken connection is rolled back by the server
      options.signal?.throwIfAborted();
      const isContended = error instanceof Raced || CONTENTION.has(sqlStateOf(error) ?? "");
      if (!isContended || attempt >= ATTEMPTS) throw explained(error, isContended);
      options.progress?.note(`another session holds what the merge needs; attempt ${attempt + 1} of ${ATTEMPTS} follows`);
      await sleep(250 * 2 ** attempt, undefined, { signal: options.signal });
    }
  }
}

class Raced extends Error {}

function explained(error: unknown, isContended: boolean): unknown {
  if (isContended) {
    return new LifeboatError("LOAD_FAILED", "other sessions kept the rows locked: nothing was changed", {
      cause: error,
      hint: "run it again when the sessions that hold them have ended",
    });
  }
  const state = sqlStateOf(error);
  if (error instanceof LifeboatError || state === undefined || !(error instanceof Error)) return error;
  const { detail, table } = error as Error & { readonly detail?: string; readonly table?: string };
  const where = table === undefined ? "" : ` (table ${table})`;
  const message = `the server refused a row, and nothing was changed: ${error.message}${detail === undefined ? "" : `: ${detail}`}${where}`;
  return new LifeboatError("LOAD_FAILED", message, {
    cause: error,
    details: { sqlState: state },
    hint: "change that row, then run the merge again",
  });
}

async function applyOnce(
  { client, tables, keys, mayReplicate }: LiveState,
  { algorithm, tables: given }: Staged,
  sequences: readonly RaisedSequence[],
  { storeUndo, assertAlive, overwriteChanged = false }: ApplyOptions,
): Promise<readonly MergedTable[]> {
  const staged = inOrder(given, tables, keys);
  await client.query(
    `begin isolation level read committed; set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0`,
  );
  const acting = actingTriggers(staged, mayReplicate);
  await lockTables(client, staged, acting);
  const works: Work[] = [];
  const merged: MergedTable[] = [];
  for (const [i, one] of staged.entries()) {
    const work: Work = { ...one, locked: `pg_temp.lifeboat_locked_${i}`, work: `pg_temp.lifeboat_work_${i}` };
    works.push(work);
    merged.push(await lockRows(client, work, rowHash(one.table, algorithm, "t"), overwriteChanged));
  }
  if (merged.every(({ inserted, updated, deleted }) => inserted + updated + deleted === 0)) {
    await client.query("rollback");
    return merged;
  }
  await assertNoCascade(client, works, tables, keys, mayReplicate);
  const sections = works.map(undoSection);
  await storeUndo({ [Symbol.asyncIterator]: () => writeChanges(client, algorithm, sections) });
  const restoreTriggers = await withoutTriggers(client, acting, mayReplicate);
  await change(client, works, merged, algorithm, mayReplicate);
  for (const work of works) await assertWanted(client, work, rowHash(work.table, algorithm, "t"));
  await assertReferences(client, works, tables, keys);
  for (const statement of restoreTriggers) await client.query(statement);
  for (const { sequence, to } of sequences) await raise(client, sequence, to);
  await assertAlive();
  await client.query("commit");
  return merged;
}

/** Tables that others refer to come first, as far as there is such an order. */
function inOrder(staged: readonly StagedTable[], tables: readonly Table[], keys: readonly ForeignKey[]): StagedTable[] {
  const sorted: StagedTable[] = [];
  const visiting = new Set<string>();
  const visit = (one: StagedTable): void => {
    if (visiting.has(one.table.name)) return;
    visiting.add(one.table.name);
    for (const key of keys) {
      if (wholeOf(tables, key.child)?.name !== one.table.name) continue;
      const parent = wholeOf(tables, key.parent)?.name;
      const above = staged.find(({ table }) => table.name === parent);
      if (above !== undefined) visit(above);
    }
    sorted.push(one);
  };
  for (const one of staged.toSorted((a, b) => (a.table.name < b.table.name ? -1 : 1))) visit(one);
  return sorted;
}

/** Locks the rows that are there, and decides of each change: it is made, it is done already, or its row was changed by others. */
async function lockRows(client: Client, work: Work, hash: string, overwrite: boolean): Promise<MergedTable> {
  const { table, stage, columns, locked } = work;
  const values = columns.map(({ quoted }, i) => `t.${quoted} as o${i}`).join(", ");
  const isMade = `${overwrite ? "true" : "l.now is not distinct from s.expect"} and l.now is distinct from s.want`;
  const temporary = (name: string): string => name.slice("pg_temp.".length);
  await client.query(
    `create temporary table ${temporary(locked)} on commit drop as select s.n, ${hash} as now, ${values} from ${stage} s join ${fromOf(table)} t on ${keyOfStage(work)} for update of t;
     analyze ${locked};
     create temporary table ${temporary(work.work)} on commit drop as select s.*, l.now from ${stage} s left join ${locked} l on l.n = s.n where ${isMade};
     analyze ${work.work}`,
  );
  const key = table.key.map(({ name }) => columns.findIndex((column) => column.name === name));
  const [row] = await client.query<Record<string, string> & { keys: string[] | null }>(
    `select pg_catalog.count(*) filter (where made and now is null) as inserted, pg_catalog.count(*) filter (where made and now is not null and want is not null) as updated,
       pg_catalog.count(*) filter (where made and want is null) as deleted, pg_catalog.count(*) filter (where not made and now is not distinct from want) as unchanged,
       pg_catalog.count(*) filter (where not made and now is distinct from want) as changed,
       (pg_catalog.array_agg(key) filter (where not made and now is distinct from want))[1:${NAMED}] as keys
     from (select l.now, s.want, ${isMade} as made, pg_catalog.concat_ws(', ', ${key.map((i) => outputOf(work, i, "s")).join(", ")}) as key
       from ${stage} s left join ${locked} l on l.n = s.n) changes`,
  );
  return {
    table: table.name,
    inserted: Number(row?.inserted),
    updated: Number(row?.updated),
    deleted: Number(row?.deleted),
    unchanged: Number(row?.unchanged),
    changedSince: Number(row?.changed),
    changedKeys: row?.keys ?? [],
  };
}

/** A staged value as the text that its type prints. */
function outputOf({ columns }: StagedTable, place: number, alias: string): string {
  const column = columns[place];
  return column === undefined ? "null" : textOf({ ...column, quoted: `v${place}` }, alias);
}

/** What brings the rows back as they are now: of a row that comes, its key alone. */
function undoSection({ table, columns, work, locked }: Work) {
  const keys = new Set(table.key.map(({ name }) => name));
  const values = columns.map(({ name, base }, i) => (keys.has(name) ? `coalesce(l.o${i}::${base}, w.v${i})` : `l.o${i}`));
  const query = `select w.want, w.now, ${values.join(", ")} from ${work} w left join ${locked} l on l.n = w.n`;
  return { table: table.name, columns: columns.map(({ name }) => name), query };
}

/** Triggers that would act on the rows that come back, unless they are switched off. */
const actingTriggers = (staged: readonly StagedTable[], mayReplicate: boolean): Table["triggers"] =>
  staged.flatMap(({ table }) => table.triggers).filter(({ enabled }) => enabled !== (mayReplicate ? "O" : "R"));

/**
 * Locks the tables before any row of them. Where a trigger is switched off, that is the lock this takes: an application that already
 * waited for a row would keep the table from being locked, and the server would end it as the victim of a deadlock.
 */
async function lockTables(client: Client, staged: readonly StagedTable[], acting: Table["triggers"]): Promise<void> {
  const switched = [...new Set(acting.map(({ on }) => on))].sort();
  if (switched.length > 0) await client.query(`lock table ${switched.join(", ")} in share row exclusive mode`);
  if (staged.length > 0) await client.query(`lock table ${staged.map(({ table }) => fromOf(table)).join(", ")} in row exclusive mode`);
}

/** Rows come back as they were: no trigger may change them. Returns the statements that undo this. */
async function withoutTriggers(client: Client, acting: Table["triggers"], mayReplicate: boolean): Promise<string[]> {
  if (mayReplicate) await client.query("set local session_replication_role = replica");
  else await client.query("set constraints all deferred");
  const enable: Readonly<Record<string, string>> = { O: "enable", A: "enable always", R: "enable replica" };
  const restore: string[] = [];
  for (const { name, enabled, on } of acting) {
    await client.query(`alter table ${on} disable trigger ${name}`);
    restore.push(`alter table ${on} ${enable[enabled]} trigger ${name}`);
  }
  return restore;
}

/**
 * Where the server checks foreign keys at each statement, rows come before those that refer to them and go after them. Else rows go first:
 * what they hold in unique columns is then free.
 */
async function change(
  client: Client,
  works: readonly Work[],
  merged: readonly MergedTable[],
  algorithm: Staged["algorithm"],
  mayReplicate: boolean,
): Promise<void> {
  const steps: readonly (() => Promise<void>)[] = [
    async () => {
      for (const work of works.toReversed()) await client.query(deletion(work, rowHash(work.table, algorithm, "t"), "w.want is null"));
    },
    async () => {
      for (const work of works) await update(client, work, rowHash(work.table, algorithm, "t"), mayReplicate);
    },
    async () => {
      for (const [i, work] of works.entries()) {
        const inserted = await countOf(client, insertion(work, "w.now is null and w.want is not null"));
        if (inserted !== merged[i]?.inserted) throw new Raced("a row with the same key came into being");
      }
    },
  ];
  for (const step of mayReplicate ? steps : steps.toReversed()) await step();
}

async function update(client: Client, work: Work, hash: string, mayReplicate: boolean): Promise<void> {
  const { table, columns, work: list } = work;
  const keys = new Set(table.key.map(({ name }) => name));
  const fixed = (name: string): boolean => table.key.some((key) => key.name === name && key.exact);
  const set = columns.flatMap(({ name, quoted }, i) => (fixed(name) ? [] : [`${quoted} = w.v${i}`]));
  if (set.length === 0) return;
  const isUpdated = "w.now is not null and w.want is not null";
  const statement = `update ${fromOf(table)} t set ${set.join(", ")} from ${list} w where ${keyOfStage(work, "t", "w")} and ${isUpdated} and ${hash} = w.now`;
  // No trigger and no cascade runs, so that a row may leave and come back: for columns that only the server sets, and when rows exchange
  // what each may have alone.
  const replace = async (): Promise<void> => {
    await client.query(deletion(work, hash, isUpdated));
    await client.query(insertion(work, isUpdated));
  };
  if (!mayReplicate) await client.query(statement);
  else if (columns.some(({ name, identity }) => identity === "a" && !keys.has(name))) await replace();
  else {
    await client.query("savepoint updates");
    try {
      await client.query(statement);
    } catch (error) {
      if (sqlStateOf(error) !== "23505") throw error;
      await client.query("rollback to savepoint updates");
      await replace();
    }
    await client.query("release savepoint updates");
  }
}

const deletion = (work: Work, hash: string, which: string): string =>
  `delete from ${fromOf(work.table)} t using ${work.work} w where ${keyOfStage(work, "t", "w")} and ${hash} = w.now and ${which}`;

function insertion({ table, columns, work }: Work, which: string): string {
  const names = columns.map(({ quoted }) => quoted).join(", ");
  const values = columns.map((_, i) => `w.v${i}`).join(", ");
  const key = columns.filter(({ name }) => table.key.some((each) => each.name === name)).map(({ quoted }) => quoted);
  return `insert into ${table.name} (${names}) overriding system value select ${values} from ${work} w where ${which} on conflict (${key.join(", ")}) do nothing`;
}

async function countOf(client: Client, statement: string): Promise<number> {
  const result = await client.query<{ n: string }>(
    `with changed as (${statement} returning 1) select pg_catalog.count(*)::pg_catalog.text as n from changed`,
  );
  return Number(result[0]?.n);
}

/** What was written is what was wanted: neither a trigger nor a rule has made something else of it. */
async function assertWanted(client: Client, work: Work, hash: string): Promise<void> {
  const { table, columns, work: list } = work;
  const [key] = table.key;
  const quoted = columns.find(({ name }) => name === key?.name)?.quoted;
  const [row] = await client.query<{ n: string }>(
    `select pg_catalog.count(*)::pg_catalog.text as n from ${list} w left join ${fromOf(table)} t on ${keyOfStage(work, "t", "w")}
     where case when t.${quoted} is null then null else ${hash} end is distinct from w.want`,
  );
  if (row?.n === "0") return;
  throw new LifeboatError("LOAD_FAILED", `${row?.n} rows of ${table.name} are not as they were written: nothing was changed`, {
    hint: "a trigger or a rule changes them; disable it, then run the merge again",
  });
}

/** Never lowers it: values are drawn as long as that is quick, and set where no other session can have drawn as many meanwhile. */
async function raise(client: Client, sequence: string, to: string): Promise<void> {
  const [state] = await client.query<{ gap: string; step: string }>(
    `select (${to} - last_value)::pg_catalog.text as gap, seqincrement::pg_catalog.text as step
     from ${sequence}, pg_catalog.pg_sequence where seqrelid = ${quoteText(sequence)}::pg_catalog.regclass`,
  );
  const draws = Math.ceil(Number(state?.gap ?? 0) / Math.max(1, Number(state?.step ?? 1)));
  const name = `${quoteText(sequence)}::pg_catalog.regclass`;
  if (draws > 1000) await client.query(`select pg_catalog.setval(${name}, ${to}, true)`);
  else if (draws >= 0) await client.query(`select pg_catalog.nextval(${name}) from pg_catalog.generate_series(1, ${Math.max(draws, 1)})`);
}
