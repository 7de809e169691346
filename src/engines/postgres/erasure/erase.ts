// Erases rows by the hashes of their keys, in one transaction. No trigger and no rule of the database runs: an audit trigger would store the
// row again, and its code is the source's. The server's own checks of foreign keys stay on.
import { type ErasedKeys, mergedKeys } from "../../../core/erasure.ts";
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
import { columnsNamed, isErased } from "./match.ts";

const LOCK_TIMEOUT_MS = 60_000;
const FOREIGN_KEY_VIOLATION = "23503";

interface Erasing {
  readonly table: Table;
  /** Whether row `t` is to be erased; the hashes are its parameters. */
  readonly condition: string;
  readonly values: readonly (readonly string[])[];
}

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
    const { targets, passedOver } = targetsOf(all, chosen === undefined ? keys : keys.filter(({ table }) => chosen.has(table)));
    const counted: { readonly target: Erasing; readonly rows: number }[] = [];
    for (const target of childrenFirst(targets, all, references)) {
      const rows = await countOf(client, target);
      if (rows > 0) counted.push({ target, rows });
    }
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

/** What is erased where. What the copy lacks is passed over: the keys do not apply to it. */
function targetsOf(all: readonly Table[], keys: readonly ErasedKeys[]) {
  const passedOver: string[] = [];
  const targets: Erasing[] = [];
  for (const [name, own] of Map.groupBy(mergedKeys(keys), ({ table }) => table)) {
    const table = all.find((each) => each.name === name);
    if (table === undefined) {
      passedOver.push(`there is no table ${name}`);
      continue;
    }
    const conditions: string[] = [];
    const values: (readonly string[])[] = [];
    for (const one of own) {
      const columns = columnsNamed(table, one.columns);
      if (typeof columns === "string") passedOver.push(`${name} has no column ${columns}`);
      else conditions.push(isErased(columns, one, "t", values.push(one.hashes)));
    }
    if (conditions.length > 0) targets.push({ table, condition: conditions.join(" or "), values });
  }
  return { targets, passedOver };
}

/** Rows that refer to others go before them, as far as there is such an order. */
function childrenFirst(targets: readonly Erasing[], all: readonly Table[], references: readonly ForeignKey[]): Erasing[] {
  const sorted: Erasing[] = [];
  const visited = new Set<string>();
  const visit = (target: Erasing): void => {
    if (visited.has(target.table.name)) return;
    visited.add(target.table.name);
    for (const key of references) {
      if (wholeOf(all, key.parent)?.name !== target.table.name) continue;
      const child = wholeOf(all, key.child)?.name;
      const below = targets.find(({ table }) => table.name === child);
      if (below !== undefined) visit(below);
    }
    sorted.push(target);
  };
  for (const target of targets) visit(target);
  return sorted;
}

async function countOf(client: Client, { table, condition, values }: Erasing): Promise<number> {
  const [row] = await client.query<{ n: string }>(
    `select pg_catalog.count(*)::pg_catalog.text as n from ${table.name} t where ${condition}`,
    values,
  );
  return Number(row?.n);
}

async function deleteRows(
  client: Client,
  targets: readonly Erasing[],
  all: readonly Table[],
  references: readonly ForeignKey[],
): Promise<void> {
  try {
    if (targets.length > 0) await client.query("set constraints all deferred");
    for (const { table, condition, values } of targets) await client.query(`delete from ${table.name} t where ${condition}`, [...values]);
    if (targets.length > 0) await client.query("set constraints all immediate");
  } catch (error) {
    if (sqlStateOf(error) !== FOREIGN_KEY_VIOLATION) throw error;
    throw blocked(error, all, references);
  }
  for (const target of targets) {
    if ((await countOf(client, target)) === 0) continue;
    throw new LifeboatError("ERASURE_BLOCKED", `rows of ${target.table.name} that are in the erasure ledger could not be erased`);
  }
}

/** Names what refers to an erased row, never a value of it. */
function blocked(error: unknown, all: readonly Table[], references: readonly ForeignKey[]): LifeboatError {
  const { schema, table, constraint } = error as { readonly schema?: string; readonly table?: string; readonly constraint?: string };
  const child = all.find((each) => each.schema === schema && each.table === table);
  const key = references.find((each) => wholeOf(all, each.child)?.name === child?.name && unquoted(each.name) === constraint);
  const parent = key && wholeOf(all, key.parent);
  return new LifeboatError(
    "ERASURE_BLOCKED",
    `rows of ${child?.name ?? table ?? "a table"} refer to a row in the erasure ledger (${constraint})`,
    {
      details: {
        table: child?.name,
        columns: key?.columns.map((pair) => pair.child),
        parent: parent?.name,
        parentColumns: key?.columns.map((pair) => pair.parent),
      },
    },
  );
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
      if (key.cascades && child !== undefined && wholeOf(all, key.parent)?.name === name) reached.add(child.name);
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
