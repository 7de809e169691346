// Erases rows by the hashes of their keys, in one transaction. No trigger and no rule of the database runs: an audit trigger would store the
// row again, and its code is the source's. A foreign key by which rows that stay refer to erased ones must not keep an erased row in the
// data, nor the data from its users: it is added again as NOT VALID, and what it no longer holds for is told.
import type { ErasedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { Dangling, ErasureOptions, ErasureResult } from "../../../ports/erasure.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { matching } from "../dump/tables.ts";
import { hasBareName } from "../fingerprint/scope.ts";
import { type ForeignKey, foreignKeys, isGiven, refers, wholeOf } from "../merge/foreign-keys.ts";
import { describeTables, type Table } from "../merge/tables.ts";
import { blockedBy } from "./obstacle.ts";
import { conditionOf, type Erasing, targetsOf } from "./targets.ts";

const LOCK_TIMEOUT_MS = 60_000;
/** Of a key that refuses, and of one that says RESTRICT. */
const FOREIGN_KEY_VIOLATIONS = ["23503", "23001"];
/** Of a row that a key would change (`on delete set null`) to one that its table does not take: null, a duplicate, against a check. */
const ROW_VIOLATIONS = ["23502", "23505", "23514"];
const NOT_VALID_ON_PARTITIONED = 180_000;

export async function eraseRows(given: Connection, keys: readonly ErasedKeys[], options: ErasureOptions = {}): Promise<ErasureResult> {
  const connection = directConnection(given);
  const { signal, tables: patterns } = options;
  const path = hasBareName(patterns) ? await ordinaryPath(connection, { signal }) : [];
  const client = await openClient(connection, { signal, statementTimeoutMs: 0 });
  try {
    const asker = { ask: (sql: string, values?: readonly unknown[]) => client.query(sql, values) };
    await client.query(`begin isolation level read committed; set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const all = await describeTables(asker, path);
    const references = await foreignKeys(asker);
    const chosen = patterns && new Set(patterns.flatMap((pattern) => matching(all, pattern).map(({ name }) => name)));
    const { targets, passedOver } = await targetsOf(client, { all, references }, keys, chosen);
    const counts = await countsOf(client, targets);
    const counted = targets.map((target) => ({ target, rows: counts.get(target) ?? 0 })).filter(({ rows }) => rows > 0);
    const erased = counted.map(({ target }) => target);
    const enable = await withoutCode(client, all, references, erased);
    const dangling = await deleteRows(client, erased, all, references);
    for (const statement of enable) await client.query(statement);
    const stale = await staleViews(client, erased);
    await client.query("commit");
    return { tables: counted.map(({ target, rows }) => ({ table: target.table.name, rows })), passedOver, stale, dangling };
  } catch (error) {
    await client.query("rollback").catch(() => undefined); // a broken connection is rolled back by the server
    signal?.throwIfAborted();
    const state = sqlStateOf(error);
    if (error instanceof LifeboatError || state === undefined || !(error instanceof Error)) throw error;
    // Without its cause, whose details quote values of the row.
    const message = `the server refused to erase rows of the erasure ledger: ${error.message}`;
    throw new LifeboatError("LOAD_FAILED", message, { details: { sqlState: state } });
  } finally {
    await client.close();
  }
}

async function countsOf(client: Client, targets: readonly Erasing[]): Promise<Map<Erasing, number>> {
  if (targets.length === 0) return new Map();
  const values: (readonly string[])[] = [];
  const counts = targets.map(
    (target, i) =>
      `(select pg_catalog.count(*) from ${target.table.name} t where ${conditionOf(target, values)})::pg_catalog.text as n${i}`,
  );
  const [row] = await client.query<Record<string, string>>(`select ${counts.join(", ")}`, values);
  return new Map(targets.map((target, i) => [target, Number(row?.[`n${i}`])]));
}

/** In one statement: rows of two tables may refer to each other. The server says which foreign keys are in the way, one after the other. */
async function deleteRows(
  client: Client,
  targets: readonly Erasing[],
  all: readonly Table[],
  references: readonly ForeignKey[],
): Promise<Dangling[]> {
  if (targets.length === 0) return [];
  const values: (readonly string[])[] = [];
  const parts = targets.map(
    (target, i) => `gone${i} as (delete from ${target.table.name} t where ${conditionOf(target, values)} returning 1)`,
  );
  const dropped = new Map<ForeignKey, Dropped>();
  for (let isBlocked = true; isBlocked; ) {
    try {
      await client.query("savepoint erasing; set constraints all deferred");
      await client.query(`with ${parts.join(", ")} select`, values);
      await client.query("set constraints all immediate");
      isBlocked = false;
    } catch (error) {
      const state = sqlStateOf(error) ?? "";
      if (![...FOREIGN_KEY_VIOLATIONS, ...ROW_VIOLATIONS].includes(state)) throw error;
      await client.query("rollback to savepoint erasing");
      const key = await keyInTheWay(client, all, references, error, (one) => !dropped.has(one));
      if (key === undefined && ROW_VIOLATIONS.includes(state)) throw error;
      const made = key && (await dropKey(client, all, key).catch(() => undefined));
      if (key === undefined || made === undefined) throw blockedBy(all, key, constraintOf(error), tableOf(all, error)?.name);
      dropped.set(key, made);
    }
  }
  for (const [{ table }, rows] of await countsOf(client, targets)) {
    if (rows === 0) continue;
    throw new LifeboatError("ERASURE_BLOCKED", `rows of ${table.name} that are in the erasure ledger could not be erased`);
  }
  const dangling: Dangling[] = [];
  for (const [key, { child, parent, add, count }] of dropped) {
    const rows = Number((await client.query<{ n: string }>(DANGLING(key, child, parent)))[0]?.n) - count;
    for (const statement of add) await client.query(statement);
    const columns = key.columns.map((pair) => pair.child);
    if (rows > 0) dangling.push({ table: child.name, columns, parent: parent.name, constraint: key.name, rows });
  }
  return dangling;
}

type Violation = { readonly schema?: string; readonly table?: string; readonly constraint?: string };
const constraintOf = (error: unknown): string => (error as Violation).constraint ?? "";
const tableOf = (all: readonly Table[], error: unknown): Table | undefined => {
  const { schema, table } = error as Violation;
  return all.find((each) => each.schema === schema && each.table === table);
};

/** The constraint of a partition, as the partitioned table has it. */
const WHOLE_KEY = `
with recursive up(oid, above, child, name) as (
  select k.oid, k.conparentid, k.conrelid, k.conname from pg_catalog.pg_constraint k
  where k.contype = 'f' and k.conrelid = $1::bigint::pg_catalog.oid and k.conname = $2
  union all
  select k.oid, k.conparentid, k.conrelid, k.conname from up join pg_catalog.pg_constraint k on k.oid = up.above
)
select child::bigint::pg_catalog.text as child, pg_catalog.quote_ident(name) as name from up where above = 0`;

async function keyInTheWay(
  client: Client,
  all: readonly Table[],
  references: readonly ForeignKey[],
  error: unknown,
  isUp: (key: ForeignKey) => boolean,
): Promise<ForeignKey | undefined> {
  const table = tableOf(all, error);
  if (table === undefined) return undefined;
  const [named] = await client.query<{ child: string; name: string }>(WHOLE_KEY, [table.oid, constraintOf(error)]);
  return references.find((key) =>
    named === undefined
      ? isUp(key) && key.onDelete === "change" && wholeOf(all, key.child) === wholeOf(all, table.oid)
      : isUp(key) && key.child === Number(named.child) && key.name === named.name,
  );
}

interface Dropped {
  readonly child: Table;
  readonly parent: Table;
  /** What adds it again, for rows that are written from now on. */
  readonly add: readonly string[];
  /** Rows that referred to nothing before: it was not valid then either. */
  readonly count: number;
}

const DANGLING = (key: ForeignKey, child: Table, parent: Table): string =>
  `select pg_catalog.count(*)::pg_catalog.text as n from ${child.name} f where ${isGiven(key, child)}
     and not exists (select from ${parent.name} p where ${refers(key, child, parent)})`;

const DEFINITION = `select pg_catalog.pg_get_constraintdef(k.oid) as definition from pg_catalog.pg_constraint k
  where k.contype = 'f' and k.conrelid = $1::bigint::pg_catalog.oid and pg_catalog.quote_ident(k.conname) = $2`;

const LEAVES = `select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name
  from pg_catalog.pg_partition_tree($1::bigint::pg_catalog.oid::pg_catalog.regclass) t join pg_catalog.pg_class c on c.oid = t.relid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where t.isleaf`;

async function dropKey(client: Client, all: readonly Table[], key: ForeignKey): Promise<Dropped | undefined> {
  const child = all.find(({ oid }) => oid === key.child);
  const parent = all.find(({ oid }) => oid === key.parent);
  const [found] = await client.query<{ definition: string }>(DEFINITION, [key.child, key.name]);
  if (child === undefined || parent === undefined || found === undefined) return undefined;
  // Before that version, only a partition by itself takes one that is not valid.
  const isWhole = child.kind === "r" || client.serverVersionNumber >= NOT_VALID_ON_PARTITIONED;
  const tables = isWhole ? [child] : await client.query<{ name: string }>(LEAVES, [child.oid]);
  const definition = found.definition.replace(/ NOT VALID$/, "");
  const [before] = await client.query<{ n: string }>(DANGLING(key, child, parent));
  await client.query(`alter table ${child.name} drop constraint ${key.name}`);
  const add = tables.map(({ name }) => `alter table ${name} add constraint ${key.name} ${definition} not valid`);
  return { child, parent, add, count: Number(before?.n) };
}

const RULES = `
select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as "on", pg_catalog.quote_ident(r.rulename) as name, r.ev_enabled as enabled
from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where r.ev_type in ('2', '4') and r.ev_enabled <> 'D' and c.oid = any ($1::bigint[]::pg_catalog.oid[])`;

const ENABLE: Readonly<Record<string, string>> = { O: "enable", A: "enable always", R: "enable replica" };

/** Disables triggers and rules of the tables and of those that their foreign keys change. Returns the statements that enable them again. */
async function withoutCode(
  client: Client,
  all: readonly Table[],
  references: readonly ForeignKey[],
  targets: readonly Erasing[],
): Promise<string[]> {
  const reached = new Set(targets.map(({ table }) => table.name));
  for (const name of reached) {
    for (const key of references) {
      const child = wholeOf(all, key.child);
      if (key.onDelete !== "refuse" && child !== undefined && wholeOf(all, key.parent)?.name === name) reached.add(child.name);
    }
  }
  const tables = all.filter(({ oid, name, root }) => reached.has(name) || reached.has(wholeOf(all, root ?? oid)?.name ?? ""));
  const rules = await client.query<{ on: string; name: string; enabled: string }>(RULES, [tables.map(({ oid }) => oid)]);
  const code = [
    ...tables.flatMap(({ triggers }) => triggers.map((one) => ({ ...one, kind: "trigger" }))),
    ...rules.map((one) => ({ ...one, kind: "rule" })),
  ];
  const statements = new Map(
    code.map(({ on, name, enabled, kind }) => [
      `alter table ${on} disable ${kind} ${name}`,
      `alter table ${on} ${ENABLE[enabled] ?? "enable"} ${kind} ${name}`,
    ]),
  );
  for (const statement of statements.keys()) await client.query(statement);
  return [...statements.values()];
}

const STALE = `
with recursive reached(oid) as (
  select pg_catalog.unnest($1::bigint[]::pg_catalog.oid[])
  union
  select r.ev_class from reached
  join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = reached.oid
    and d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  join pg_catalog.pg_rewrite r on r.oid = d.objid
)
select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name
from reached join pg_catalog.pg_class c on c.oid = reached.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and c.relispopulated order by 1`;

/** Materialized views that were computed from the tables. */
async function staleViews(client: Client, targets: readonly Erasing[]): Promise<string[]> {
  if (targets.length === 0) return [];
  const rows = await client.query<{ name: string }>(STALE, [targets.map(({ table }) => table.oid)]);
  return rows.map(({ name }) => `materialized view ${name}`);
}
