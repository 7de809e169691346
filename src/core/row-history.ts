// The time line of one row: what was seen of it at restore points, in the log and now, in the order of time, with equal states folded.
import type { ErrorCode } from "./errors.ts";
import type { Micros } from "./log.ts";
import { dateOfMicros } from "./micros.ts";

/** Values by column, in the order of the table: text and null for PostgreSQL, extended JSON for MongoDB. */
export type RowValues = Readonly<Record<string, unknown>>;

/** The row at one instant. */
export interface RowFound {
  /** Absent: it was not there. */
  readonly row?: RowValues | undefined;
  /** What was not there, where it is more than the row. */
  readonly missing?: "table" | "database" | undefined;
  /** The table and the key as they were understood. Absent: there was no such table. */
  readonly named?: NamedRow | undefined;
  /** Differs when the row was written again, also with the same values. Absent: not known. */
  readonly version?: string | undefined;
  /** Definitions, for an archive that has none. Opaque. */
  readonly like?: object | undefined;
}

export interface NamedRow {
  /** With its schema or database. */
  readonly table: string;
  readonly key: RowValues;
  /** The condition that chooses this row alone, as `--where` takes it. */
  readonly condition: string;
}

export type Operation = "insert" | "update" | "delete";

/** A change as the log has it. */
export interface RowChangeFacts {
  readonly position: string;
  /** What people know it by: `transaction 4711`. Several, where they cannot be told apart by time. */
  readonly id: string;
  /** The replication origin. */
  readonly origin?: string | undefined;
}

/** What was seen once. */
export type Sighting = {
  readonly at: Micros;
  /** `log`: a state that the log proves; `history`: a look into the provider's. */
  readonly kind: "backup" | "snapshot" | "log" | "history" | "now";
  /** What was asked, in words. */
  readonly by: string;
  /** The recovery target that reaches this state. Absent: its instant. */
  readonly restoreTo?: string | undefined;
} & ({ readonly found: RowFound; readonly change?: RowChangeFacts | undefined } | { readonly code: ErrorCode; readonly reason: string });

export interface RowState {
  /** The first and the last instant at which this was seen. */
  readonly from: Micros;
  readonly until: Micros;
  /** At how many points. */
  readonly seen: number;
  /** The first of them, in words. */
  readonly by: string;
  readonly kind: Sighting["kind"];
  /** The recovery target that reaches it. Absent: `from`. */
  readonly restoreTo?: string | undefined;
  /** Undefined: not known, for the reason. */
  readonly found?: RowFound | undefined;
  readonly code?: ErrorCode | undefined;
  readonly reason?: string | undefined;
  /** How it came about, where the log tells. */
  readonly change?: (RowChangeFacts & { readonly operation: Operation }) | undefined;
  /** Columns whose value differs from the known state before. */
  readonly changed: readonly string[];
}

/** What a dump took from a snapshot is stamped a little before or after the commits around it. */
const SNAPSHOT_SKEW_MS = 2000;

/** The states, oldest first. `rewrites`: a change that left every column as it was is one too. */
export function timeLine(sightings: readonly Sighting[], { rewrites = true } = {}): RowState[] {
  const states: RowState[] = [];
  let known: RowFound | undefined;
  for (const sighting of placed(sightings)) {
    const { at, kind, by, restoreTo } = sighting;
    const last = states.at(-1);
    if ("code" in sighting) {
      const { code, reason } = sighting;
      if (last?.reason === reason && last.code === code) states[states.length - 1] = { ...last, until: at, seen: last.seen + 1 };
      else states.push({ from: at, until: at, seen: 1, by, kind, code, reason, changed: [] });
      continue;
    }
    const { found, change } = sighting;
    if ((change === undefined || !rewrites) && last?.found !== undefined && isSame(last.found, found)) {
      states[states.length - 1] = { ...last, until: at, seen: last.seen + 1 };
      continue;
    }
    const operation = operationOf(known, found);
    states.push({
      ...{ from: at, until: at, seen: 1, by, kind, restoreTo, found },
      change: change && operation && { ...change, operation },
      changed: changedColumns(known, found),
    });
    known = found;
  }
  return states;
}

/**
 * In the order of time. A point whose state is not that of the log at its own instant is moved to the nearest instant at which the log has
 * that state: the log knows its order, and the stamp of a snapshot is only near (of an oplog's position, it is the whole second).
 */
function placed(sightings: readonly Sighting[]): Sighting[] {
  const byTime = (a: Sighting, b: Sighting): number => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0);
  const log = sightings.filter(({ kind }) => kind === "log").sort(byTime);
  const ms = ({ at }: Sighting): number => dateOfMicros(at).getTime();
  const moved = sightings.map((sighting): Sighting => {
    if (sighting.kind !== "backup" || "code" in sighting) return sighting;
    const index = log.findLastIndex(({ at }) => at <= sighting.at);
    if (index < 0 || index === log.length - 1) return sighting;
    let nearest: { readonly at: Micros; readonly apartMs: number } | undefined;
    for (const [place, one] of log.entries()) {
      if (!("found" in one) || !isSame(one.found, sighting.found)) continue;
      const next = log[place + 1];
      if (place === index) return sighting;
      const apartMs = place > index ? ms(one) - ms(sighting) : ms(sighting) - ms(next ?? one);
      if (apartMs <= SNAPSHOT_SKEW_MS && apartMs < (nearest?.apartMs ?? Number.POSITIVE_INFINITY)) nearest = { at: one.at, apartMs };
    }
    return nearest === undefined ? sighting : { ...sighting, at: nearest.at };
  });
  // The sort is stable, and what the log says of an instant comes before what a point says of it.
  return [...moved.filter(({ kind }) => kind === "log"), ...moved.filter(({ kind }) => kind !== "log")].sort(byTime);
}

/** Whether the two are the same state: a row that was not there is the same in a table that was not there. */
export function isSame(a: RowFound, b: RowFound): boolean {
  if (a.row === undefined || b.row === undefined) return a.row === b.row && a.missing === b.missing;
  return changedColumns(a, b).length === 0;
}

export function changedColumns(before: RowFound | undefined, after: RowFound): string[] {
  const [past, now] = [before?.row, after.row];
  if (past === undefined || now === undefined) return [];
  const names = [...new Set([...Object.keys(past), ...Object.keys(now)])];
  return names.filter((name) => Object.hasOwn(past, name) !== Object.hasOwn(now, name) || textOf(past[name]) !== textOf(now[name]));
}

const textOf = (value: unknown): string => JSON.stringify(value) ?? "undefined";

function operationOf(before: RowFound | undefined, after: RowFound): Operation | undefined {
  if (before?.row === undefined) return after.row === undefined ? undefined : "insert";
  return after.row === undefined ? "delete" : "update";
}

/** The state that most likely is wanted back: the newest known one that is another than the state at the end. Undefined: none is. */
export function stateBefore(states: readonly RowState[]): RowState | undefined {
  const end = states.findLast(({ found }) => found !== undefined);
  if (end?.found === undefined) return undefined;
  const present = end.found;
  const isOther = ({ found }: RowState): boolean => found?.row !== undefined && !isSame(found, present);
  return states.findLast(isOther);
}
