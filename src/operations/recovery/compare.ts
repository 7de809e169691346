// Compare: what differs between two states of a source, each a recovery target or the live database: definitions, counts, content, rows.
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { MergeRefusal } from "../../core/merge-plan.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { Connection } from "../../ports/connection.ts";
import type { RowDifference } from "../../ports/merge.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { rowEngine } from "./merge.ts";
import { recordedOf } from "./recorded.ts";
import { evidencePoint, jobPoint, type Resolved, resolve } from "./resolve.ts";
import { withRestoredCopy } from "./restored-copy.ts";

export interface CompareRequest {
  readonly to: RecoveryTarget;
  /** Absent: the live database. */
  readonly with?: RecoveryTarget | undefined;
  /** Tables whose rows are compared. Absent: no row is. */
  readonly tables?: readonly string[] | undefined;
  readonly where?: string | undefined;
  /** Differing rows that are told, for each table. Default: 100. */
  readonly limit?: number | undefined;
  readonly nearest?: boolean | undefined;
  readonly unsigned?: boolean | undefined;
}

/** A definition that is not the same now. */
export interface Difference {
  /** Such as `column public.users.email`. */
  readonly object: string;
  readonly change: "only then" | "only now" | "changed";
}

export interface TableDifference {
  readonly name: string;
  /** Null: there is no such table. */
  readonly past: number | null;
  readonly now: number | null;
  /** Null: its content could not be compared. */
  readonly equal: boolean | null;
}

export interface RowDifferences {
  readonly table: string;
  readonly key: readonly string[];
  /** How many rows differ. */
  readonly count: number;
  /** The first ones. */
  readonly rows: readonly Pick<RowDifference, "key" | "change">[];
}

export interface Compared {
  readonly past: Resolved;
  /** Undefined: the live database. */
  readonly now: Resolved | undefined;
  readonly definitions: readonly Difference[];
  readonly tables: readonly TableDifference[];
  readonly sequences: readonly { readonly name: string; readonly past: string | null; readonly now: string | null }[];
  /** Undefined: rows were not compared. */
  readonly rows?: readonly RowDifferences[] | undefined;
  readonly refusals: readonly MergeRefusal[];
  /** What could not be compared, one sentence each. */
  readonly notCompared: readonly string[];
}

type Facet = "schema" | "tables" | "sequences";

/** Whether the fingerprint says what it has, or lacks, under that name. */
function covers({ scope, ...facets }: Fingerprint, facet: Facet, name: string): boolean {
  if (scope.kind === "tables") return Object.hasOwn(facets[facet], name);
  return scope.kind !== (facet === "schema" ? "data" : "schema");
}

/** What either has, in order. Left out: what one of the two does not cover. */
const namesIn = (past: Fingerprint, now: Fingerprint, facet: Facet): string[] =>
  [...new Set([...Object.keys(past[facet]), ...Object.keys(now[facet])])]
    .filter((name) => covers(past, facet, name) && covers(now, facet, name))
    .sort();

/** Definitions that differ, by name. */
export function definitionsThatDiffer(past: Fingerprint, now: Fingerprint): Difference[] {
  return namesIn(past, now, "schema").flatMap((object): Difference[] => {
    const [before, after] = [past.schema[object], now.schema[object]];
    if (before === after) return [];
    return [{ object, change: after === undefined ? "only then" : before === undefined ? "only now" : "changed" }];
  });
}

/** Makes restored copies where nothing was recorded, or where rows are compared, and removes them. */
export async function compare(context: Context, source: Source, request: CompareRequest, watch: Watch): Promise<Compared> {
  const { unsigned, nearest } = request;
  const reach = async (target: RecoveryTarget): Promise<Resolved> => {
    const resolved = await resolve(context, source, target, watch, { unsigned });
    if (resolved.inexact !== undefined && nearest !== true) throw resolved.inexact;
    return resolved;
  };
  const past = await reach(request.to);
  const now = request.with === undefined ? undefined : await reach(request.with);
  if (request.tables !== undefined)
    return at(context, source, past, watch, (before) =>
      at(context, source, now, watch, async (after) => {
        const present = await fingerprintOf(source, now, after, watch);
        const states = [await fingerprintOf(source, past, before, watch, present.algorithm), present] as const;
        return { past, now, ...differences(...states), ...(await rowsOf(source, before, after, request, watch)) };
      }),
    );
  const recorded = await Promise.all([past, now].map((one) => one && recordedOf(context, one.route, watch)));
  const [first, second] = recorded;
  // Digests of different algorithms say nothing about each other: then both are computed anew.
  const usable = first === undefined || second === undefined || first.algorithm === second.algorithm;
  const read = (one: Resolved | undefined, algorithm?: string) =>
    at(context, source, one, watch, (connection) => fingerprintOf(source, one, connection, watch, algorithm));
  const after = (usable ? second : undefined) ?? (await read(now, usable ? first?.algorithm : undefined));
  const before = usable && first?.algorithm === after.algorithm ? first : await read(past, after.algorithm);
  return { past, now, ...differences(before, after), refusals: [] };
}

/** Runs `use` with the state: the live database, or a restored copy that is removed afterwards. */
async function at<T>(
  context: Context,
  source: Source,
  state: Resolved | undefined,
  watch: Watch,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  if (state === undefined) return use(await source.provider.connection(watch));
  const { route } = state;
  return runJob(
    context,
    { verb: "compare", source: source.name, point: jobPoint(route), aside: true },
    watch,
    (job) => withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => job.step("compare", () => use(connection()))),
    () => ({ point: evidencePoint(route).id }),
  );
}

/** A restored copy holds no more than its backup: what that left out is not covered. */
async function fingerprintOf(
  source: Source,
  state: Resolved | undefined,
  connection: Connection,
  watch: Watch,
  algorithm?: string,
): Promise<Fingerprint> {
  const fingerprint = await source.engine.fingerprint(connection, { kind: "full" }, { ...watch, algorithm });
  const kind = state?.route.kind === "copy" ? state.route.copy.entry.point.kind : "full";
  return kind === "data" || kind === "schema" || kind === "tables" ? { ...fingerprint, scope: { kind } } : fingerprint;
}

/** Large objects, which are in no table. */
function objectsThatDiffer(past: Fingerprint, now: Fingerprint): Difference[] {
  const [before, after] = [past, now].map(({ scope, largeObjects }) => (scope.kind === "full" ? largeObjects : undefined));
  if (before === undefined || after === undefined || past.algorithm !== now.algorithm) return [];
  const isEqual = before.digest === after.digest || before.digest === null || after.digest === null; // null is told as not compared
  return before.count === after.count && isEqual ? [] : [{ object: "large objects", change: "changed" }];
}

/** What a state does not hold: that something of it is equal is not known. */
const NOT_COVERED: Partial<Record<Fingerprint["scope"]["kind"], string>> = {
  schema: "rows: a backup of definitions alone has none",
  data: "definitions: a backup of rows alone has none",
  tables: "other tables: a backup of chosen tables has none",
};

function differences(past: Fingerprint, now: Fingerprint): Pick<Compared, "definitions" | "tables" | "sequences" | "notCompared"> {
  const tables = namesIn(past, now, "tables").map((name): TableDifference => {
    const [before, after] = [past.tables[name], now.tables[name]];
    const both = before !== undefined && after !== undefined;
    const known = both && past.algorithm === now.algorithm && before.digest !== null && after.digest !== null;
    const equal = !both || before.rows !== after.rows ? false : known ? before.digest === after.digest : null;
    return { name, past: before?.rows ?? null, now: after?.rows ?? null, equal };
  });
  const sequences = namesIn(past, now, "sequences").flatMap((name) => {
    const [before = null, after = null] = [past.sequences[name], now.sequences[name]];
    return before === after ? [] : [{ name, past: before, now: after }];
  });
  const unhashed = [...past.unhashed, ...now.unhashed].map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`);
  const outside = [past, now].flatMap(({ scope }) => NOT_COVERED[scope.kind] ?? []);
  const definitions = [...definitionsThatDiffer(past, now), ...objectsThatDiffer(past, now)];
  return { definitions, tables, sequences, notCompared: [...new Set([...outside, ...unhashed])] };
}

async function rowsOf(
  source: Source,
  past: Connection,
  now: Connection,
  { tables, where, limit = 100 }: CompareRequest,
  watch: Watch,
): Promise<Pick<Compared, "rows" | "refusals">> {
  const comparison = await rowEngine(source).beginComparison(past, now, { tables, where, ...watch });
  try {
    const rows: RowDifferences[] = [];
    for await (const compared of comparison.compared()) {
      const first: Pick<RowDifference, "key" | "change">[] = [];
      let count = 0;
      if (compared.differs)
        for await (const { key, change } of compared.differences()) {
          count += 1;
          if (first.length < limit) first.push({ key, change });
        }
      rows.push({ table: compared.table, key: compared.key, count, rows: first });
    }
    return { rows, refusals: comparison.refusals };
  } finally {
    await comparison.end();
  }
}
