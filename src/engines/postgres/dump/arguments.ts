// What pg_dump is told: one snapshot, and which relations of the database its archive holds.
import type { DumpOptions } from "../../../ports/dump.ts";
import { quoteName } from "../connect/quote.ts";
import type { LockedSnapshot } from "./hold.ts";
import { type Named, type Needs, withoutRows } from "./needs.ts";
import { isTable, type SourceTable } from "./tables.ts";

const KIND_ARGUMENTS: Readonly<Record<DumpOptions["kind"], readonly string[]>> = {
  full: [],
  data: ["--data-only"],
  schema: ["--schema-only"],
  tables: [],
};

export function dumpArguments(kind: DumpOptions["kind"], snapshot: Pick<LockedSnapshot, "id" | "tables">): string[] {
  return [
    "--format=custom",
    // Compression is ours (zstd, once, over everything); plain blocks are also what the walk can look into.
    "--compress=0",
    "--no-password",
    "--no-sync",
    // We hold locks on every table, so pg_dump waits only behind a session that waits for us: waiting long cannot help.
    `--lock-wait-timeout=${1_000 + Math.ceil(snapshot.tables.length / 5)}`,
    `--snapshot=${snapshot.id}`,
    ...KIND_ARGUMENTS[kind],
  ];
}

/** The chosen tables alone, without what they need. */
export const onlyTables = (tables: readonly Named[]): string[] => [
  "--strict-names",
  ...tables.map(({ schema, table }) => `--table=${quoteName(schema)}.${quoteName(table)}`),
];

/** Excludes the rows of every table but the chosen ones. */
export function withoutRowsOf(all: readonly SourceTable[], chosen: readonly SourceTable[]): string[] {
  const kept = new Set(chosen.map(({ oid }) => oid));
  const isOther = (one: SourceTable): boolean => isTable(one) && !kept.has(one.oid);
  const others = all.filter(isOther);
  return [
    "--no-blobs",
    ...excluding(
      "table-data",
      others,
      all.filter((one) => !isOther(one)),
    ),
  ];
}

/** pg_dump then reads what the chosen tables need, and all objects other than relations: entries of those left over are taken out of its output. */
export function withoutUnneeded(needs: Needs, chosen: readonly Named[]): string[] {
  const { unneeded, relations } = needs;
  const empty = new Set<Named>(withoutRows(needs));
  const filled = [...chosen, ...relations.filter((one) => !empty.has(one))];
  return [
    ...["--no-blobs", "--no-publications", "--no-subscriptions"],
    ...inPatterns(unneeded.schemas.map(quoteName)).map((schemas) => `--exclude-schema=${schemas}`),
    ...excluding("table", unneeded.relations, [...chosen, ...relations]),
    ...excluding("table-data", [...empty], filled),
  ];
}

/** Options of pg_dump take alternatives and wildcards outside of quotes; names are inside, where every letter is literal. */
function excluding(what: "table" | "table-data", relations: readonly Named[], kept: readonly Named[]): string[] {
  const keptIn = Map.groupBy(kept, ({ schema }) => schema);
  return [...Map.groupBy(relations, ({ schema }) => schema)].flatMap(([schema, some]) => {
    const names = some.map(({ table }) => table);
    const others = (keptIn.get(schema) ?? []).map(({ table }) => table);
    return inPatterns(patternsBetween(names, others)).map((patterns) => `--exclude-${what}=${quoteName(schema)}.${patterns}`);
  });
}

/** Names in one pattern: pg_dump looks through its catalog once for each. */
const NAMES_PER_PATTERN = 200;

function inPatterns(names: readonly string[]): string[] {
  const patterns: string[] = [];
  for (let at = 0; at < names.length; at += NAMES_PER_PATTERN) patterns.push(`(${names.slice(at, at + NAMES_PER_PATTERN).join("|")})`);
  return patterns;
}

/**
 * Patterns that match each of the names and none of the kept ones. A name is cut after the first letter in which it differs from all kept
 * ones, so that a few kept tables among a hundred thousand take a few patterns: a command line has no room for all names.
 */
export function patternsBetween(names: readonly string[], kept: readonly string[]): string[] {
  const sorted = [...new Set(kept)].sort();
  return [...new Set(names.map((name) => patternOf(name, sorted)))];
}

function patternOf(name: string, sorted: readonly string[]): string {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  const common = Math.max(commonLength(name, sorted[low - 1]), commonLength(name, sorted[low]));
  // A letter beyond the basic plane is two units, and is never cut in between.
  const end = common + ((name.codePointAt(common) ?? 0) > 0xffff ? 2 : 1);
  return common >= name.length ? quoteName(name) : `${quoteName(name.slice(0, end))}*`;
}

function commonLength(one: string, other = ""): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  // Never between the halves of one letter.
  return at > 0 && (one.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at;
}
