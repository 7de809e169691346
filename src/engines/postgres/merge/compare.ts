// The comparison of two databases by primary key: which tables can be compared, and each of them in slices.
import { LifeboatError } from "../../../core/errors.ts";
import type { MergeRefusal } from "../../../core/merge-plan.ts";
import { didYouMean } from "../../../core/suggest.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { ComparedTable, RowComparison, RowSelection } from "../../../ports/merge.ts";
import { ordinaryPath } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { matching } from "../dump/tables.ts";
import type { RowAlgorithm } from "../fingerprint/expression.ts";
import { asSourceError } from "../fingerprint/failure.ts";
import { tablesThatRunCode } from "../fingerprint/planning.ts";
import { sessionsOf } from "../fingerprint/session.ts";
import { openSnapshot, type SharedSnapshot } from "../fingerprint/snapshot.ts";
import { checkedCondition } from "./condition.ts";
import { compareSlices, differencesIn, type Side, SLICES_MEMORY } from "./slices.ts";
import { slicingOf } from "./slicing.ts";
import { describeTables, type Table } from "./tables.ts";

export interface Pair {
  readonly past: Table;
  readonly now: Table;
}

export interface Sides {
  readonly past: SharedSnapshot;
  readonly now: SharedSnapshot;
  readonly algorithm: RowAlgorithm;
  /** Tables whose planning would run code with a superuser's rights, and the reason. */
  readonly unsafe: ReadonlyMap<string, string>;
  /** All tables of either database; partitions are part of their partitioned table. */
  readonly tables: { readonly past: readonly Table[]; readonly now: readonly Table[] };
  end(): Promise<void>;
}

/** Opens both databases, each at one instant. */
export async function openSides(given: { past: Connection; now: Connection }, signal: AbortSignal | undefined): Promise<Sides> {
  const past = directConnection(given.past);
  const now = directConnection(given.now);
  const opened: SharedSnapshot[] = [];
  const end = async (): Promise<void> => {
    signal?.removeEventListener("abort", stop);
    await Promise.allSettled(opened.map((each) => each.end()));
  };
  const stop = (): void => void end();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    signal?.throwIfAborted();
    const path = await ordinaryPath(now, { signal });
    const snapshots: SharedSnapshot[] = [];
    const tables: Table[][] = [];
    const unsafe = new Map<string, string>();
    for (const connection of [past, now]) {
      const snapshot = await openSnapshot(sessionsOf(connection), { concurrency: 2 });
      opened.push(snapshot);
      snapshots.push(snapshot);
      for (const session of [snapshot.control, ...snapshot.workers]) await session.ask(`set work_mem = '${SLICES_MEMORY}'`);
      const described = await describeTables(snapshot.control, path);
      tables.push(described);
      for (const { oid, reason } of await tablesThatRunCode(snapshot.control, null)) {
        const name = described.find((each) => each.oid === oid)?.name;
        if (name !== undefined) unsafe.set(name, reason);
      }
    }
    const [a, b] = snapshots;
    const [tablesThen, tablesNow] = tables;
    if (a === undefined || b === undefined || tablesThen === undefined || tablesNow === undefined) throw new Error("a side is missing");
    const algorithm: RowAlgorithm = Math.min(a.major, b.major) >= 14 ? "pg-rows-1" : "pg-rows-text-1";
    return { past: a, now: b, algorithm, unsafe, tables: { past: tablesThen, now: tablesNow }, end };
  } catch (error) {
    await end();
    throw asSourceError(error, signal);
  }
}

/** The chosen tables that can be compared by key, and why the others cannot. TABLE_UNKNOWN. */
export function pairTables(
  sides: Sides,
  patterns: readonly string[] | undefined,
  label: string,
): { readonly pairs: Pair[]; readonly refusals: MergeRefusal[] } {
  const { tables } = sides;
  const wanted = new Set<string>();
  const all = [...tables.past, ...tables.now];
  for (const pattern of patterns ?? []) {
    const found = matching(all, pattern);
    if (found.length === 0) {
      const names = all.flatMap(({ table, name, visible }) => (visible ? [table, name] : [name]));
      const message = `neither the restored copy nor ${label} has a table that matches ${pattern}${didYouMean(pattern, names)}`;
      throw new LifeboatError("TABLE_UNKNOWN", message);
    }
    for (const { name } of found) wanted.add(name);
  }
  const isWanted = ({ name, root }: Table): boolean => (patterns === undefined ? root === null : wanted.has(name));
  const found = [...new Set(all.filter(isWanted).map(({ name }) => name))].sort().map((name) => pairOf(sides, name));
  return {
    pairs: found.filter((each) => "past" in each),
    refusals: found.filter((each) => "obstacle" in each),
  };
}

/** One table on both sides, or why it cannot be compared. */
export function pairOf({ tables, unsafe }: Sides, name: string): Pair | MergeRefusal {
  const [past, now] = [tables.past, tables.now].map((list) => list.find((each) => each.name === name));
  const refusal = refusalOf(name, { past, now }, unsafe.get(name));
  return (
    refusal ??
    (past === undefined || now === undefined ? { table: name, obstacle: "only then", message: `${name} is missing` } : { past, now })
  );
}

function refusalOf(
  table: string,
  { past, now }: { readonly past: Table | undefined; readonly now: Table | undefined },
  unsafe: string | undefined,
): MergeRefusal | undefined {
  const refuse = (obstacle: MergeRefusal["obstacle"], message: string): MergeRefusal => ({ table, obstacle, message });
  if (past === undefined) return refuse("only now", `${table} did not exist then`);
  if (now === undefined) return refuse("only then", `${table} does not exist now`);
  if (unsafe !== undefined) return refuse("not readable", `${table} cannot be read: ${unsafe}`);
  if (!past.readable || !now.readable) return refuse("not readable", `the user may not read ${table}`);
  if (past.hidden || now.hidden) return refuse("not readable", `row-level security would hide rows of ${table} from the user`);
  const shape = (one: Table): Map<string, string> =>
    new Map(
      one.columns.map(({ name, type, generated, identity }) => [name, `${type}${generated ? " generated" : ""}${identity && " identity"}`]),
    );
  const [a, b] = [shape(past), shape(now)];
  const differing = [...new Set([...a.keys(), ...b.keys()])].filter((name) => a.get(name) !== b.get(name)).sort();
  if (differing.length > 0) {
    const words = differing.map((name) => `${name} (${a.get(name) ?? "absent"} then, ${b.get(name) ?? "absent"} now)`);
    return refuse("columns differ", `the columns of ${table} differ: ${words.join(", ")}`);
  }
  if (past.key.length === 0 || now.key.length === 0) return refuse("no key", `${table} has no primary key`);
  const keyOf = ({ key }: Table): string => key.map(({ name }) => name).join(", ");
  if (keyOf(past) !== keyOf(now)) return refuse("keys differ", `the key of ${table} was (${keyOf(past)}) and is (${keyOf(now)})`);
  return undefined;
}

/** The condition for one table. USAGE when it is not a comparison of the table's columns. */
export const conditionFor = (where: string | undefined, { past }: Pair): string | undefined =>
  where === undefined ? undefined : checkedCondition(where, (name) => past.columns.some((column) => column.name === name));

/** Compares one table. */
export async function comparePair(sides: Sides, pair: Pair, where: string | undefined): Promise<ComparedTable> {
  const { algorithm } = sides;
  const past: Side = { snapshot: sides.past, table: pair.past, where };
  const now: Side = { snapshot: sides.now, table: pair.now, where };
  const compared = await compareSlices(past, now, algorithm, await slicingOf(past, now));
  return {
    table: pair.now.name,
    key: pair.now.key.map(({ name }) => name),
    rows: compared.rows,
    differs: compared.differing.length > 0,
    differences: () => differencesIn(past, now, algorithm, compared),
  };
}

export async function beginComparison(past: Connection, now: Connection, { tables, where, signal }: RowSelection): Promise<RowComparison> {
  const sides = await openSides({ past, now }, signal);
  try {
    const { pairs, refusals } = pairTables(sides, tables, now.label);
    const conditions = pairs.map((pair) => conditionFor(where, pair));
    return {
      refusals,
      end: sides.end,
      async *compared() {
        try {
          for (const [i, pair] of pairs.entries()) {
            signal?.throwIfAborted();
            yield await comparePair(sides, pair, conditions[i]);
          }
        } catch (error) {
          throw asSourceError(error, signal);
        }
      },
    };
  } catch (error) {
    await sides.end();
    throw asSourceError(error, signal);
  }
}
