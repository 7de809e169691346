// Two fingerprints side by side: every difference a check with a name, and never an empty list.
import { bounded, incomparable, NAMED, unreadable } from "../../../core/comparison.ts";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import type { Check } from "../../../core/verdict.ts";
import type { CompareOptions } from "../../../ports/compare.ts";
import { nameMatcher } from "../scope.ts";
import { compareDefinitions, expires } from "./definitions.ts";

/** `expected` is the source's, `actual` the restored database's. Fails where they differ; inconclusive where nothing can be said. */
export function compareFingerprints(expected: Fingerprint, actual: Fingerprint, options: CompareOptions = {}): Check[] {
  const partial = options.tables !== undefined || options.dataOnly === true;
  const [source, copy] = partial ? alike(expected, actual, options.tables) : [expected, actual];
  // All that was chosen came about after the backup: there is nothing of it to compare, and the replay says what came of it.
  if (options.logFollows === true && options.tables !== undefined && Object.keys({ ...source.tables, ...copy.tables }).length === 0)
    return [];
  const obstacles = incomparable(source, copy);
  if (obstacles.length > 0) return obstacles;
  const { kind } = source.scope;
  return [
    ...unreadable("source", source),
    ...unreadable("copy", copy),
    ...(kind === "schema" ? [] : compareCollections(source, copy)),
    ...(kind === "data" || options.dataOnly === true ? [] : compareDefinitions(source.schema, copy.schema, options)),
  ];
}

/**
 * Both reduced to what a partial restore brings: of chosen collections those that the patterns choose, and of data only all that the
 * source has. What the source has and the copy lacks stays, to be found missing.
 */
function alike(expected: Fingerprint, actual: Fingerprint, patterns: readonly string[] | undefined): readonly [Fingerprint, Fingerprint] {
  const chosen = patterns === undefined ? (name: string) => name in expected.tables : nameMatcher(patterns);
  const reduce = (fingerprint: Fingerprint): Fingerprint => ({
    ...fingerprint,
    scope: actual.scope,
    tables: Object.fromEntries(Object.entries(fingerprint.tables).filter(([name]) => chosen(name))),
    unhashed: fingerprint.unhashed.filter(({ object }) => chosen(object)),
  });
  return [reduce(expected), reduce(actual)];
}

function compareCollections(expected: Fingerprint, actual: Fingerprint): Check[] {
  const names = [...new Set([...Object.keys(expected.tables), ...Object.keys(actual.tables)])].sort();
  const skipped = new Set([...expected.unhashed, ...actual.unhashed].map(({ object }) => object));
  const checks = names.filter((name) => !skipped.has(name)).map((name) => compareCollection(name, expected, actual));
  const failed = bounded(
    checks.filter(({ outcome }) => outcome !== "pass"),
    NAMED.failed,
    "collections that differ",
  );
  if (Object.values(expected.tables).some(({ rows }) => rows > 0)) {
    return [...failed, ...boundedPasses(checks.filter(({ outcome }) => outcome === "pass"))];
  }
  const what = Object.keys(expected.tables).length === 0 ? "no collection" : "no document in any collection";
  const message = `the source has ${what}: a fingerprint over nothing proves nothing`;
  return [...failed, { name: "documents of all collections", kind: "data", outcome: "inconclusive", message, rows: 0 }];
}

function compareCollection(name: string, expected: Fingerprint, actual: Fingerprint): Check {
  const check = { name: `documents of ${name}`, kind: "data" as const };
  const [before, after] = [expected.tables[name], actual.tables[name]];
  const count = (rows: number | undefined): string => `${rows ?? 0} documents`;
  if (!before)
    return { ...check, outcome: "fail", message: "the source has no such collection", actual: count(after?.rows), rows: after?.rows };
  if (!after) return { ...check, outcome: "fail", message: "the collection is missing", expected: count(before.rows), rows: 0 };
  if (before.digest === null || after.digest === null) {
    return { ...check, outcome: "inconclusive", message: "the content was counted and not hashed", rows: after.rows };
  }
  const facts = { ...check, rows: after.rows };
  if (before.rows !== after.rows) {
    const message = `the source has ${before.rows} documents, the copy has ${after.rows}`;
    const numbers = { expected: count(before.rows), actual: count(after.rows) };
    // Not a proof of anything: the server may have removed what was due between the restore and the comparison.
    if (after.rows < before.rows && expires(actual.schema, name))
      return { ...facts, ...numbers, outcome: "inconclusive", message: `${message}; its documents expire, so some may have been due` };
    return { ...facts, ...numbers, outcome: "fail", message };
  }
  if (before.digest !== after.digest) {
    const message = `both have ${after.rows} documents, and the content differs`;
    return { ...facts, outcome: "fail", message, expected: before.digest, actual: after.digest };
  }
  return { ...facts, outcome: "pass", message: `all ${after.rows} documents are equal` };
}

/** Beyond a number of equal collections, one check stands for the smaller ones: the biggest are what a reader looks for. */
function boundedPasses(passed: readonly Check[]): Check[] {
  if (passed.length <= NAMED.passed) return [...passed];
  const sorted = passed.toSorted((a, b) => (b.rows ?? 0) - (a.rows ?? 0));
  const rest = sorted.slice(NAMED.passed);
  const rows = rest.reduce((sum, check) => sum + (check.rows ?? 0), 0);
  const message = `all ${rows} documents of ${rest.length} smaller collections are equal`;
  const name = `documents of ${rest.length} more collections`;
  return [...sorted.slice(0, NAMED.passed), { name, kind: "data", outcome: "pass", message, rows }];
}
