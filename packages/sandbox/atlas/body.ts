// Reads a request's body: values of the right kind, or the API's error.
import { invalidAttribute, missingAttribute } from "./errors.ts";
import { ID } from "./ids.ts";
import type { Json } from "./state.ts";

interface Values {
  string: string;
  number: number;
  boolean: boolean;
  object: Json;
  array: readonly unknown[];
}

const kindOf = (value: unknown): string => (Array.isArray(value) ? "array" : typeof value);

/** An optional value; 400 when it is of another type. Null counts as absent. */
export function optional<K extends keyof Values>(body: Json, key: string, kind: K): Values[K] | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (kindOf(value) !== kind) throw invalidAttribute(key);
  return value as Values[K];
}

export function required<K extends keyof Values>(body: Json, key: string, kind: K): Values[K] {
  const value = optional(body, key, kind);
  if (value === undefined) throw missingAttribute(key);
  return value;
}

export function optionalWhole(body: Json, key: string, least: number): number | undefined {
  const value = optional(body, key, "number");
  if (value !== undefined && (!Number.isInteger(value) || value < least || value > 0x7fffffff)) throw invalidAttribute(key);
  return value;
}

export function requiredId(body: Json, key: string): string {
  const value = required(body, key, "string");
  if (!ID.test(value)) throw invalidAttribute(key);
  return value;
}

export function oneOf<T extends string>(body: Json, key: string, values: readonly T[]): T | undefined {
  const value = optional(body, key, "string");
  if (value !== undefined && !values.includes(value as T)) throw invalidAttribute(key);
  return value as T | undefined;
}

/** Refuses unknown settings: a misspelt one would else seem to be made. */
export function onlyKnown(body: Json, known: readonly string[]): void {
  for (const key of Object.keys(body)) if (!known.includes(key)) throw invalidAttribute(key);
}

/** RFC 3339, cut to seconds, as the API writes instants. */
export const iso = (at: Date): string => at.toISOString().replace(/\.\d{3}Z$/, "Z");

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/i;

export function instant(text: string, key: string): Date {
  const at = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw invalidAttribute(key);
  return new Date(at);
}
