// Hashes the rows of many tables with several sessions that share one snapshot.
import type { Omission, TableFingerprint } from "../../../core/fingerprint.ts";
import type { Progress } from "../../../ports/progress.ts";
import type { RowAlgorithm } from "./expression.ts";
import { isAboutOneObject, reasonOf } from "./failure.ts";
import { tablesThatRunCode } from "./planning.ts";
import type { Relation } from "./relations.ts";
import type { Asker, SharedSnapshot } from "./snapshot.ts";
import { planUnits, type Unit, unitOfOne } from "./units.ts";

export interface HashedRows {
  readonly tables: Record<string, TableFingerprint>;
  readonly unhashed: Omission[];
}

export interface HashWork {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

interface Sum {
  rows: bigint;
  hash: bigint;
}

/** Each table's count and digest; a table that cannot be read is named with the reason, never left out or cut short. */
export async function hashRows(
  snapshot: SharedSnapshot,
  tables: readonly Relation[],
  algorithm: RowAlgorithm,
  work: HashWork,
): Promise<HashedRows> {
  const [reader = snapshot.control] = snapshot.workers;
  const byOid = new Map(tables.map((table) => [table.oid, table]));
  const failures = new Map<Relation, string>();
  for (const { oid, reason } of await tablesThatRunCode(reader, [...byOid.keys()])) {
    const table = byOid.get(oid);
    if (table !== undefined) failures.set(table, reason);
  }
  const readable = tables.filter((table) => !failures.has(table));
  const queue = planUnits(readable, algorithm, snapshot.major >= 14).reverse();
  const sums = new Map<Relation, Sum>(readable.map((table) => [table, { rows: 0n, hash: 0n }]));
  const state = { queue, sums, failures, algorithm, work };
  await Promise.all(snapshot.workers.map((worker) => drain(worker, state)));
  for (const [table, reason] of await rewritten(snapshot, tables)) failures.set(table, failures.get(table) ?? reason);
  const unhashed = [...failures].map(([table, reason]) => ({ kind: "table", object: table.name, reason }));
  unhashed.sort((a, b) => (a.object < b.object ? -1 : 1));
  const hashed = tables.filter((table) => !failures.has(table)).map((table) => [table.name, fingerprintOf(sums.get(table))] as const);
  return { tables: Object.fromEntries(hashed), unhashed };
}

/** Partitions of a hash partitioned table as that table: their digests are sums. One that could not be read leaves the whole unread. */
export function withoutHashPartitions({ tables, unhashed }: HashedRows, relations: readonly Relation[]): HashedRows {
  const byOid = new Map(relations.map((relation) => [relation.oid, relation.name]));
  const wholes = new Map(relations.flatMap(({ name, hashedInto }) => (hashedInto === null ? [] : [[name, byOid.get(hashedInto) ?? name]])));
  const whole = (name: string): string => wholes.get(name) ?? name;
  const unread = new Map(unhashed.map((one) => [whole(one.object), { ...one, object: whole(one.object) }]));
  const merged: Record<string, TableFingerprint> = {};
  for (const [name, { rows, digest }] of Object.entries(tables)) {
    const known = merged[whole(name)];
    if (unread.has(whole(name))) continue;
    merged[whole(name)] =
      known === undefined ? { rows, digest } : { rows: known.rows + rows, digest: String(BigInt(known.digest ?? 0) + BigInt(digest ?? 0)) };
  }
  return { tables: merged, unhashed: [...unread.values()] };
}

function fingerprintOf(sum: Sum | undefined): TableFingerprint {
  if (!sum) throw new Error("a table was hashed that was not asked for");
  return { rows: Number(sum.rows), digest: sum.hash.toString() };
}

interface State {
  readonly queue: Unit[];
  readonly sums: Map<Relation, Sum>;
  readonly failures: Map<Relation, string>;
  readonly algorithm: RowAlgorithm;
  readonly work: HashWork;
}

async function drain(worker: Asker, state: State): Promise<void> {
  for (let unit = state.queue.pop(); unit; unit = state.queue.pop()) {
    state.work.signal?.throwIfAborted();
    await hashUnit(worker, unit, state);
    state.work.progress?.advance(Math.round(unit.sizeBytes));
  }
}

async function hashUnit(worker: Asker, unit: Unit, state: State): Promise<void> {
  try {
    for (const row of await worker.ask(unit.sql)) {
      const table = unit.tables[Number(row.i)];
      const sum = table && state.sums.get(table);
      if (!sum) throw new Error("the server answered for a table that was not asked for");
      sum.rows += BigInt(String(row.n));
      sum.hash += BigInt(String(row.s));
    }
  } catch (error) {
    if (!isAboutOneObject(error)) throw error;
    const [only] = unit.tables;
    if (unit.tables.length === 1 && only) state.failures.set(only, reasonOf(error));
    // One bad table must not take its neighbours along.
    else for (const table of unit.tables) await hashUnit(worker, unitOfOne(table, state.algorithm), state);
  }
}

/**
 * Tables whose storage is no longer the one of the snapshot. A TRUNCATE or a rewrite that commits between the snapshot and
 * our read shows an old snapshot an empty table, without any error. Locks taken beforehand prevent it; this finds it without them.
 */
async function rewritten(snapshot: SharedSnapshot, tables: readonly Relation[]): Promise<Map<Relation, string>> {
  const rows = await snapshot.askNow(
    "select oid::bigint::pg_catalog.text as oid, relfilenode::bigint::pg_catalog.text as filenode from pg_catalog.pg_class where oid = any($1::bigint[]::pg_catalog.oid[])",
    [tables.map((table) => table.oid)],
  );
  const now = new Map(rows.map((row) => [Number(row.oid), String(row.filenode)]));
  const changed = tables.filter((table) => now.has(table.oid) && now.get(table.oid) !== table.fileNode);
  return new Map(changed.map((table) => [table, "it was truncated or rewritten while the fingerprint was made"]));
}
