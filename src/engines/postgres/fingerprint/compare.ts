// Two fingerprints side by side: every difference a check with a name, and never an empty list.
import { bounded, incomparable, NAMED, unreadable } from "../../../core/comparison.ts";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import type { Check } from "../../../core/verdict.ts";
import type { CompareOptions } from "../../../ports/compare.ts";
import { definitionsIn, definitionsOf, isUnfilled, ROWS_OF_TABLE } from "./left-out.ts";
import { matchesPattern, parsePattern } from "./scope.ts";

const OWNERSHIP = /^(owner|acl|maintain|default privileges|user mapping) /;
/** What a role that does not exist cannot be given. */
const OF_ROLES = /^(role setting |database privileges of )/;
/** Of the database itself: who uses it may miss them, and its data is all there. */
const OF_DATABASE = /^(database setting |database privileges|role setting )/;
/** Facts that a source of an older version, or an older backup, does not tell. */
const NEWER = /^(maintain |database setting |database privileges|role setting )/;
/** A dump does not record an extension's version: a restore takes the one that the server offers. */
const ADVISORY = /^extension version /;

type Facts = Readonly<Record<string, string>>;

/** `expected` is the source's, `actual` the restored database's. Fails where they differ; inconclusive where nothing can be said. */
export function compareFingerprints(expected: Fingerprint, actual: Fingerprint, options: CompareOptions = {}): Check[] {
  const partial = options.tables !== undefined || options.dataOnly === true;
  const [source, copy] = partial ? alike(expected, actual, options.tables) : [expected, actual];
  const obstacles = incomparable(source, copy);
  if (obstacles.length > 0) return obstacles;
  return [
    ...unreadable("source", source),
    ...unreadable("copy", copy),
    ...(source.scope.kind === "schema" ? [] : [...compareTables(source, copy, options), ...compareSequences(source, copy, options)]),
    ...(source.scope.kind === "schema" || options.tables !== undefined ? [] : compareLargeObjects(source, copy)),
    ...(source.scope.kind === "data" || partial ? [] : compareSchema(definitionsIn(source, copy), copy.schema, options)),
    ...(partial ? [] : compareExtensionContent(source.extensionContent, copy.extensionContent, options)),
  ];
}

/**
 * Both reduced to what a partial restore brings. Of chosen tables, the copy's fingerprint is of these tables (its scope), and
 * knows their partitions and sequences; what a full name chose must be there. Of data only, all that the source has.
 */
function alike(expected: Fingerprint, actual: Fingerprint, tables: readonly string[] | undefined): readonly [Fingerprint, Fingerprint] {
  const patterns = (tables ?? []).map(parsePattern).filter(({ schema }) => schema !== null);
  const named = (name: string): boolean => patterns.some((pattern) => matchesPattern(pattern, name));
  const wanted = (name: string): boolean => tables === undefined || name in actual.tables || name in actual.sequences || named(name);
  const reduce = <T>(facts: Readonly<Record<string, T>>, counts: (name: string) => boolean): Record<string, T> =>
    Object.fromEntries(Object.entries(facts).filter(([name]) => counts(name)));
  const source = { ...expected, tables: reduce(expected.tables, wanted), sequences: reduce(expected.sequences, wanted) };
  source.unhashed = expected.unhashed.filter(({ object }) => wanted(object));
  if (tables !== undefined) return [{ ...source, scope: actual.scope }, actual];
  const copy = { ...actual, tables: reduce(actual.tables, (name) => name in expected.tables) };
  return [source, { ...copy, sequences: reduce(actual.sequences, (name) => name in expected.sequences) }];
}

const totalRows = (fingerprint: Fingerprint): number => Object.values(fingerprint.tables).reduce((sum, { rows }) => sum + rows, 0);

function compareTables(expected: Fingerprint, actual: Fingerprint, { leftOut = [] }: CompareOptions): Check[] {
  const isLeftOut = definitionsOf(leftOut);
  const names = [...new Set([...Object.keys(expected.tables), ...Object.keys(actual.tables)])].sort();
  const skipped = new Set([...expected.unhashed, ...actual.unhashed].filter(({ kind }) => kind === "table").map(({ object }) => object));
  const checks = names
    .filter((name) => !skipped.has(name))
    .filter((name) => !isLeftOut(`${ROWS_OF_TABLE} ${name}`)) // told by the load already
    .map((name) =>
      actual.tables[name] === undefined && isLeftOut(`table ${name}`) ? notCompared(name) : compareTable(name, expected, actual),
    );
  const failed = checks.filter(({ outcome }) => outcome !== "pass");
  const passed = checks.filter(({ outcome }) => outcome === "pass");
  if (totalRows(expected) === 0) {
    const nothing: Check = {
      name: "rows of all tables",
      kind: "data",
      outcome: "inconclusive",
      message:
        Object.keys(expected.tables).length === 0
          ? "the source has no table: a fingerprint over nothing proves nothing"
          : "the source has no row in any table: a fingerprint over nothing proves nothing",
      rows: 0,
    };
    return [...bounded(failed, NAMED.failed, "tables that differ"), nothing];
  }
  return [...bounded(failed, NAMED.failed, "tables that differ"), ...boundedPasses(passed)];
}

function compareTable(table: string, expected: Fingerprint, actual: Fingerprint): Check {
  const check = { name: `rows of ${table}`, kind: "data" as const };
  const [before, after] = [expected.tables[table], actual.tables[table]];
  if (!before)
    return { ...check, outcome: "fail", message: "the source has no such table", actual: `${after?.rows} rows`, rows: after?.rows };
  if (!after) return { ...check, outcome: "fail", message: "the table is missing", expected: `${before.rows} rows`, rows: 0 };
  if (before.digest === null || after.digest === null) {
    return { ...check, outcome: "inconclusive", message: "the content was counted and not hashed", rows: after.rows };
  }
  if (before.rows !== after.rows) {
    const message = `the source has ${before.rows} rows, the copy has ${after.rows}`;
    return { ...check, outcome: "fail", message, expected: `${before.rows} rows`, actual: `${after.rows} rows`, rows: after.rows };
  }
  if (before.digest !== after.digest) {
    const message = `both have ${after.rows} rows, and the content differs`;
    return { ...check, outcome: "fail", message, expected: before.digest, actual: after.digest, rows: after.rows };
  }
  return { ...check, outcome: "pass", message: `all ${after.rows} rows are equal`, rows: after.rows };
}

const notCompared = (table: string): Check => ({
  name: `rows of ${table}`,
  kind: "data",
  outcome: "inconclusive",
  message: "the table was left out on purpose: nothing is proven of it",
  rows: 0,
});

/** Beyond a number of equal tables, one check stands for the smaller ones: the biggest are what a reader looks for. */
function boundedPasses(passed: readonly Check[]): Check[] {
  if (passed.length <= NAMED.passed) return [...passed];
  const sorted = passed.toSorted((a, b) => (b.rows ?? 0) - (a.rows ?? 0));
  const rest = sorted.slice(NAMED.passed);
  const rows = rest.reduce((sum, check) => sum + (check.rows ?? 0), 0);
  const message = `all ${rows} rows of ${rest.length} smaller tables are equal`;
  return [...sorted.slice(0, NAMED.passed), { name: `rows of ${rest.length} more tables`, kind: "data", outcome: "pass", message, rows }];
}

/**
 * A sequence writes the log once for so many values, with the state that follows them, so that after a replay it continues there
 * (SEQ_LOG_VALS in src/backend/commands/sequence.c). Values are skipped, never given twice.
 */
const LOGGED_AHEAD = 32n;

/** By how many values the copy's sequence is ahead of the source's; undefined where it would give a value that the source's has given. */
function stepsAhead(before: string | undefined, after: string | undefined, definition: string | undefined): bigint | undefined {
  const state = /^(-?\d+),(true|false)$/;
  const [, was, wasCalled] = state.exec(before ?? "") ?? [];
  const [, is, isCalled] = state.exec(after ?? "") ?? [];
  const increment = BigInt(/ by (-?\d+)/.exec(definition ?? "")?.[1] ?? 1);
  if (was === undefined || is === undefined || isCalled !== "true" || increment === 0n) return undefined;
  const steps = (BigInt(is) - BigInt(was)) / increment + (wasCalled === "true" ? 0n : 1n);
  return steps >= 0n ? steps : undefined;
}

/** Whether the copy's state is what the restore may give it: one session may hold `cache` values more, and a live sequence only continues. */
function mayBe(
  before: string | undefined,
  after: string | undefined,
  definition: string | undefined,
  { replayed = false, dataOnly = false, tables }: CompareOptions,
): boolean {
  const live = dataOnly || tables !== undefined;
  const steps = replayed || live ? stepsAhead(before, after, definition) : undefined;
  const cache = BigInt(/ cache (\d+)/.exec(definition ?? "")?.[1] ?? 1);
  return steps !== undefined && (live || steps <= LOGGED_AHEAD + cache);
}

function compareSequences(expected: Fingerprint, actual: Fingerprint, options: CompareOptions): Check[] {
  const isLeftOut = definitionsOf(options.leftOut ?? []);
  const unread = new Set([...expected.unhashed, ...actual.unhashed].filter(({ kind }) => kind === "sequence").map(({ object }) => object));
  const differing = differingKeys(expected.sequences, actual.sequences).filter(
    (name) => !unread.has(name) && !(actual.sequences[name] === undefined && isLeftOut(`sequence ${name}`)),
  );
  const names = differing.filter(
    (name) => !mayBe(expected.sequences[name], actual.sequences[name], expected.schema[`sequence ${name}`], options),
  );
  const equal = Object.keys(expected.sequences).length;
  if (names.length === 0) {
    const why = options.replayed !== true ? "later: a live one only continues" : `up to ${LOGGED_AHEAD} values later, as the log has it`;
    const later = differing.length === 0 ? "" : `; ${differing.length} of them ${why}`;
    const message = `all ${equal} sequences continue where the source's do${later}`;
    return equal === 0 ? [] : [{ name: "sequences", kind: "data", outcome: "pass", message }];
  }
  const checks = names.map((name): Check => {
    const [before, after] = [expected.sequences[name], actual.sequences[name]];
    const message =
      after === undefined
        ? "the sequence is missing"
        : before === undefined
          ? "the source has no such sequence"
          : "the sequence would not continue where the source's does";
    return { name: `state of sequence ${name}`, kind: "data", outcome: "fail", message, expected: before, actual: after };
  });
  return bounded(checks, NAMED.failed, "sequences that differ");
}

function compareLargeObjects(expected: Fingerprint, actual: Fingerprint): Check[] {
  const [before, after] = [expected.largeObjects, actual.largeObjects];
  if (!before && !after) return [];
  const check = { name: "large objects", kind: "data" as const, expected: `${before?.count ?? 0}`, actual: `${after?.count ?? 0}` };
  if (!before || !after) return [{ ...check, outcome: "inconclusive", message: "only one of the fingerprints looked at large objects" }];
  if (before.count !== after.count) {
    return [{ ...check, outcome: "fail", message: `the source has ${before.count} large objects, the copy has ${after.count}` }];
  }
  // Why a digest is missing stands among what could not be read.
  if (before.digest === null || after.digest === null) return [];
  if (before.digest !== after.digest)
    return [{ ...check, outcome: "fail", message: `both have ${after.count} large objects, and the content differs` }];
  return after.count === 0 ? [] : [{ ...check, outcome: "pass", message: `all ${after.count} large objects are equal` }];
}

/** Of two versions of an extension it may differ for good reasons: what the source has there is then not proven, and not disproven. */
function compareExtensionContent(expected: Facts = {}, actual: Facts = {}, { leftOut = [] }: CompareOptions): Check[] {
  const isLeftOut = definitionsOf(leftOut);
  const checks = Object.entries(expected)
    .filter(([key, content]) => actual[key] !== content && !isLeftOut(key) && !(actual[key] === undefined && NOTHING.test(content)))
    .map(([key, content]): Check => {
      const message = "it belongs to an extension, to which a dump leaves its content: what the source has there is not in the copy";
      return {
        name: `content of ${key}`,
        kind: "data",
        outcome: "inconclusive",
        message,
        expected: content,
        actual: actual[key] ?? "missing",
      };
    });
  return bounded(checks, NAMED.failed, "content of extensions that differs");
}

/** An empty table, or a sequence that has given no value. */
const NOTHING = /^0 rows |,false$/;

const differingKeys = (expected: Facts, actual: Facts): string[] =>
  [...new Set([...Object.keys(expected), ...Object.keys(actual)])].filter((key) => expected[key] !== actual[key]).sort();

/** A schema in which the source has objects, though its fingerprint has no such schema: it belongs to an extension there, and a load makes it. */
function schemasOfExtensions(expected: Facts): (key: string) => boolean {
  const names = Object.keys(expected).join("\n");
  return (key) => {
    const schema = /^(?:(?:owner|acl) )?schema (.+)$/s.exec(key)?.[1];
    return schema !== undefined && expected[`schema ${schema}`] === undefined && names.includes(` ${schema}.`);
  };
}

function compareSchema(expected: Facts, actual: Facts, options: CompareOptions): Check[] {
  const [isLeftOut, hasNoRows] = [definitionsOf(options.leftOut ?? []), definitionsOf((options.leftOut ?? []).filter(isUnfilled))];
  // Only what is missing can have been left out; what is there and differs, differs, except a view without its rows.
  const excusedKeys = new Set(Object.keys(expected).filter((key) => (actual[key] === undefined ? isLeftOut : hasNoRows)(key)));
  const isOfExtension = schemasOfExtensions(expected);
  const counted = (key: string) =>
    !(expected[key] === undefined && isOfExtension(key)) &&
    !(options.ignoreOwners === true && (OWNERSHIP.test(key) || OF_ROLES.test(key))) &&
    !excusedKeys.has(key) &&
    !(expected[key] === undefined && NEWER.test(key));
  const size = Object.keys(expected).filter(counted).length;
  if (size === 0) {
    return [{ name: "definitions", kind: "schema", outcome: "inconclusive", message: "the source's fingerprint holds no definition" }];
  }
  const checks = differingKeys(expected, actual)
    .filter(counted)
    .map((key): Check => {
      const [before, after] = [expected[key], actual[key]];
      if (ADVISORY.test(key) && before !== undefined && after !== undefined) {
        const message = "the server offers another version of the extension than the source has";
        return { name: key, kind: "schema", outcome: "inconclusive", message, expected: before, actual: after };
      }
      if (OF_DATABASE.test(key)) {
        const message = `the database itself ${after === undefined ? "lacks it" : "has another"}: set it by hand, as the source has it`;
        return { name: key, kind: "schema", outcome: "inconclusive", message };
      }
      const message =
        after === undefined ? "it is missing" : before === undefined ? "the source has no such object" : "its definition differs";
      return { name: `definition of ${key}`, kind: "schema", outcome: "fail", message, expected: before, actual: after };
    });
  if (checks.length > 0) return bounded(checks, NAMED.failed, "definitions that differ");
  const owners = options.ignoreOwners === true ? "; owners and privileges were left out" : "";
  const left = `${owners}${excusedKeys.size === 0 ? "" : `; ${excusedKeys.size} were left out on purpose`}`;
  return [{ name: "definitions", kind: "schema", outcome: "pass", message: `all ${size} definitions are equal${left}` }];
}
