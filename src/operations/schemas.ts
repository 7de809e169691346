// The shapes that results are made of, each described once: instants are ISO 8601 in UTC, durations seconds, sizes bytes, and what is
// not known is null. A result has exactly the fields of its schema; new versions only ever add some.
import * as z from "zod/mini";
import { ERROR_CODES, type ErrorCode, EXIT, type ExitStatus } from "../core/errors.ts";
import { LIMIT_NEAR_SHARE } from "../core/provider-health.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Limit } from "../ports/control.ts";

/** The schema with a sentence about it, for the documentation and the API's description. */
export function about<T extends z.ZodMiniType>(type: T, sentence: string): T {
  const described = z.clone(type);
  z.globalRegistry.add(described, { description: sentence });
  return described;
}

/** Null where there is no value. */
export const orNull = <T extends z.ZodMiniType>(type: T) => z.nullable(type);

export const instant = about(z.string(), "ISO 8601, UTC.");
export const seconds = about(z.number(), "Seconds.");
export const bytes = about(z.number(), "Bytes.");
export const count = z.number();

/** As an instant of JSON. */
export const iso = (at: Date | undefined): string | null => at?.toISOString() ?? null;
/** Milliseconds as seconds of JSON, to the millisecond. */
export const inSeconds = (ms: number): number => Math.round(ms) / 1000;

export const sourceName = about(z.string(), "Name of a source.");
export const pointName = about(z.string(), "A restore point: its name, its id, or the beginning of its id.");

export const verdict = about(z.enum(["pass", "fail", "inconclusive"]), "What was checked and held, what failed, or what is not known.");

/** The exit status of a verdict; `failed` says what a failed one means. */
export const exitOf = (found: Verdict, failed: ExitStatus = EXIT.failed): ExitStatus =>
  ({ pass: EXIT.done, fail: failed, inconclusive: EXIT.inconclusive })[found];

const errorCode = about(z.enum(Object.keys(ERROR_CODES) as ErrorCode[]), "As in docs/errors.md.");

/** Why an operation would be refused. */
export const refusal = z.strictObject({ code: errorCode, message: z.string() });

export const reason = z.strictObject({
  code: about(z.string(), "Stable: scripts and alerts match on it."),
  message: z.string(),
});

/** Of one source, while others continued. */
export const failure = z.strictObject({
  source: sourceName,
  code: errorCode,
  message: z.string(),
  next: about(z.string(), "What to do."),
});

export const hold = z.strictObject({ by: z.string(), at: instant, reason: orNull(z.string()) });

export const point = z.strictObject({
  id: z.string(),
  source: sourceName,
  kind: z.enum(["full", "data", "schema", "tables", "base", "snapshot"]),
  name: z.string(),
  time: about(instant, "The instant whose data it holds."),
  endedAt: instant,
  expiresAt: orNull(instant),
  sizeBytes: about(bytes, "As stored."),
  sourceBytes: about(bytes, "The size at the source."),
  storageClass: orNull(z.string()),
  tiers: z.readonly(z.array(z.string())),
  hold: orNull(hold),
  verifiedAt: about(orNull(instant), "When a verify or drill last passed."),
  damagedAt: about(orNull(instant), "When a verify or drill last found it damaged."),
  reason: orNull(z.string()),
  note: orNull(z.string()),
  madeBy: z.string(),
  signed: about(z.boolean(), "A trusted key signed it. Without, it counts for nothing."),
  incomplete: about(orNull(z.string()), "Why it cannot be restored, as the storage's listing shows."),
});

export const check = z.strictObject({
  name: z.string(),
  kind: z.enum(["data", "schema", "integrity", "probe", "objective"]),
  outcome: verdict,
  message: z.string(),
  expected: z.optional(z.string()),
  actual: z.optional(z.string()),
  rows: z.optional(count),
});

/** Where the records of a job lie when the repository cannot be written. */
export const aside = z.strictObject({ directory: z.string(), why: z.string() });

/** Earliest to latest instant; null where none can be reached. */
export const windowOf = z.strictObject({ earliest: orNull(instant), latest: orNull(instant) });

/** By stable names, such as `pitr_enabled`. */
export const settings = z.readonly(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])));

export const limit = z.strictObject({
  name: z.string(),
  used: z.number(),
  max: about(orNull(z.number()), "Null: not known, or none."),
  unit: z.enum(["count", "bytes"]),
  near: about(z.boolean(), "80 % or more is used."),
});

export const limitJson = ({ name, used, max, unit }: Limit) => ({
  name,
  used,
  max: max ?? null,
  unit,
  near: max !== undefined && max > 0 && used / max >= LIMIT_NEAR_SHARE,
});

export const driftSchema = z.strictObject({
  setting: z.string(),
  wanted: z.string(),
  actual: z.string(),
  message: z.string(),
  blocked: about(z.optional(z.string()), "Why `apply` cannot change it."),
  lowers: about(z.optional(z.boolean()), "The change lowers protection."),
});
