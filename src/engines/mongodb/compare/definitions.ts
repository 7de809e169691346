// Definitions side by side: options, indexes, validators and views, each a fact under a name.
import { bounded, NAMED } from "../../../core/comparison.ts";
import type { Check } from "../../../core/verdict.ts";
import type { CompareOptions } from "../../../ports/compare.ts";
import { collectionOfDefinition } from "../digest/definitions.ts";
import { holdOf } from "../load/hold.ts";
import { nameMatcher } from "../scope.ts";
import { NEVER_SECONDS } from "../ttl/ttl.ts";

/** An expiry in a definition's text, with the comma that belongs to it, wherever it stands; and one that is never due. */
const EXPIRY = /(?<=\{)"expireAfterSeconds":[^,}]+,?|,"expireAfterSeconds":[^,}]+/;
const HELD = new RegExp(`(?<=\\{)"expireAfterSeconds":${NEVER_SECONDS}(?:,|(?=\\}))|,"expireAfterSeconds":${NEVER_SECONDS}(?=[,}])`);

/** Whether the server removes documents of a collection by itself now. */
export function expires(facts: Facts, collection: string): boolean {
  return Object.entries(facts).some(
    ([name, text]) =>
      EXPIRY.test(text) && !HELD.test(text) && /^(index|collection|timeseries) /.test(name) && collectionOfDefinition(name) === collection,
  );
}

type Facts = Readonly<Record<string, string>>;

/** With chosen tables only what belongs to these collections counts, on both sides. */
export function compareDefinitions(source: Facts, copy: Facts, { tables: patterns, held }: CompareOptions): Check[] {
  const [expected, actual] = patterns === undefined ? [source, copy] : [ofChosen(source, patterns), ofChosen(copy, patterns)];
  const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort();
  const size = Object.keys(expected).length;
  if (size === 0 && patterns === undefined) {
    return [{ name: "definitions", kind: "schema", outcome: "inconclusive", message: "the source's fingerprint holds no definition" }];
  }
  const checks = names
    .filter((name) => !isEqual(name, expected[name], actual[name], held !== undefined))
    .filter((name) => !(actual[name] === undefined && holdOf(held)?.withholds(name) === true))
    .map((name) => difference(name, expected[name], actual[name]));
  if (checks.length > 0) return bounded(checks, NAMED.failed, "definitions that differ");
  return size === 0 ? [] : [{ name: "definitions", kind: "schema", outcome: "pass", message: `all ${size} definitions are equal` }];
}

/** A load puts expiry off until its copy has been compared, and then sets it, or says that it could not. */
function isEqual(name: string, expected: string | undefined, actual: string | undefined, held: boolean): boolean {
  if (expected === actual) return true;
  if (!held || expected === undefined || actual === undefined || !EXPIRY.test(expected)) return false;
  if (name.startsWith("index ")) return HELD.test(actual) && actual.replace(HELD, "") === expected.replace(EXPIRY, "");
  return actual === expected.replace(EXPIRY, "");
}

function difference(name: string, expected: string | undefined, actual: string | undefined): Check {
  const message =
    actual === undefined ? "it is missing" : expected === undefined ? "the source has no such definition" : "its definition differs";
  return { name: `definition of ${name}`, kind: "schema", outcome: "fail", message, expected, actual };
}

function ofChosen(facts: Facts, patterns: readonly string[]): Facts {
  const chosen = nameMatcher(patterns);
  return Object.fromEntries(Object.entries(facts).filter(([name]) => chosen(collectionOfDefinition(name))));
}
