// The point in time that a request names: a second, or an entry of the oplog.
import { invalidAttribute } from "./errors.ts";

/** 2008: before the first release. */
const EARLIEST_SECONDS = 1_199_145_600;

export type TargetPoint =
  /** All writes before that second. */
  | { readonly kind: "seconds"; readonly seconds: number; readonly end: Date }
  /** All writes up to that entry, itself included. */
  | { readonly kind: "oplog"; readonly t: number; readonly i: number; readonly end: Date };

/** Reads the point of a request; 400 for none, for both forms at once, and for other numbers. `name`: the parameter of the seconds. */
export function targetPointOf(asked: Readonly<Record<string, unknown>>, name: string): TargetPoint {
  const given = (key: string): boolean => asked[key] !== undefined && asked[key] !== null;
  if (given(name) === (given("oplogTs") || given("oplogInc"))) throw invalidAttribute(name);
  if (given(name)) {
    const seconds = whole(asked[name], name, EARLIEST_SECONDS);
    return { kind: "seconds", seconds, end: new Date(seconds * 1000) };
  }
  const t = whole(asked.oplogTs, "oplogTs", EARLIEST_SECONDS);
  return { kind: "oplog", t, i: whole(asked.oplogInc, "oplogInc", 1), end: new Date(t * 1000) };
}

function whole(value: unknown, name: string, least: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least) throw invalidAttribute(name);
  return value;
}
