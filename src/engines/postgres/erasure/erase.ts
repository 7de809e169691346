// Erases rows by the hashes of their keys, in one transaction. No trigger and no rule of the database runs: an audit trigger would store the
// row again, and its code is the source's. The server's own checks of foreign keys stay on.
import type { ErasedKeys } from "../../../core/erasure.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { ErasureOptions, ErasureResult } from "../../../ports/erasure.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { matching } from "../dump/tables.ts";
import { hasBareName } from "../fingerprint/scope.ts";
import { type ForeignKey, foreignKeys, wholeOf } from "../merge/foreign-keys.ts";
import { describeTables, type Table } from "../merge/tables.ts";
import { blockedBy } from "./obstacle.ts";
import { conditionOf, type Erasing, targetsOf } from "./targets.ts";

const LOCK_TIMEOUT_MS = 60_000;
/** Of a key that refuses, and of one that says RESTRICT. */
const FOREIGN_KEY_VIOLATIONS = ["23503", "23001"];

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
    await deleteRows(client, erased, all, references);
    for (const statement of enable) await client.query(statement);
    const stale = await staleViews(client, erased);
    await client.query("commit");
    return { tables: counted.map(({ target, rows }) => ({ table: target.table.name, rows })), passedOver, stale };
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

/** In one statement: rows of two tables may refer to each other. */
async function deleteRows(
  client: Client,
  targets: readonly Erasing[],
  all: readonly Table[],
  references: readonly ForeignKey[],
): Promise<void> {
  if (targets.length === 0) return;
  const values: (readonly string[])[] = [];
  const parts = targets.map(
    (target, i) => `gone${i} as (delete from ${target.table.name} t where ${conditionOf(target, values)} returning 1)`,
  );
  try {
    await client.query("set constraints all deferred");
    await client.query(`with ${parts.join(", ")} select`, values);
    await client.query("set constraints all immediate");
  } catch (error) {
    if (!FOREIGN_KEY_VIOLATIONS.includes(sqlStateOf(error) ?? "")) throw error;
    throw blocked(error, all, references);
  }
  for (const [{ table }, rows] of await countsOf(client, targets)) {
    if (rows === 0) continue;
    throw new LifeboatError("ERASURE_BLOCKED", `rows of ${table.name} that are in the erasure ledger could not be erased`);
  }
}

function blocked(error: unknown, all: readonly Table[], references: readonly ForeignKey[]): LifeboatError {
  const { schema, table, constraint = "" } = error as { readonly schema?: string; readonly table?: string; readonly constraint?: string };
  const child = all.find((each) => each.schema === schema && each.table === table);
  const key = references.find((each) => wholeOf(all, each.child)?.name === child?.name && unquoted(each.name) === constraint);
  return blockedBy(all, key, constraint, child?.name ?? table);
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name);

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
