// Definitions side by side: options, indexes, validators and views, each a fact under a name.
import type { Check } from "../../../core/verdict.ts";
import { collectionOfDefinition } from "../digest/definitions.ts";
import { nameMatcher } from "../scope.ts";
import { bounded, NAMED } from "./named.ts";

type Facts = Readonly<Record<string, string>>;

/** `patterns`: only what belongs to these collections counts, on both sides. */
export function compareDefinitions(source: Facts, copy: Facts, patterns: readonly string[] | undefined): Check[] {
  const [expected, actual] = patterns === undefined ? [source, copy] : [ofChosen(source, patterns), ofChosen(copy, patterns)];
  const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].sort();
  const size = Object.keys(expected).length;
  if (size === 0 && patterns === undefined) {
    return [{ name: "definitions", kind: "schema", outcome: "inconclusive", message: "the source's fingerprint holds no definition" }];
  }
  const checks = names.filter((name) => expected[name] !== actual[name]).map((name) => difference(name, expected[name], actual[name]));
  if (checks.length > 0) return bounded(checks, NAMED.failed, "definitions that differ");
  return size === 0 ? [] : [{ name: "definitions", kind: "schema", outcome: "pass", message: `all ${size} definitions are equal` }];
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
