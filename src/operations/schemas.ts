// The shapes that results are made of, each described once: instants are ISO 8601 in UTC, durations seconds, sizes bytes, and what is
// not known is null. A result has exactly the fields of its schema; new versions only ever add some.
import * as z from "zod/mini";
import { severityOf } from "../core/alerts.ts";
import { ERROR_CODES, type ErrorCode, EXIT, type ExitStatus } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import { isNear, type Limit } from "../core/limits.ts";
import { type HealthCode, MONITORS, nextOfFinding } from "../core/monitors.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Pause } from "../repository/pauses.ts";

/** The schema with a sentence about it, for the documentation and the API's description. */
export function about<T extends z.ZodMiniType>(type: T, sentence: string): T {
  const described = z.clone(type, type._zod.def, { parent: true });
  z.globalRegistry.add(described, { description: sentence });
  return described;
}

/** The same for a shape that several results have: the documentation describes it once, under this name. */
export function named<T extends z.ZodMiniType>(id: string, sentence: string, type: T): T {
  z.globalRegistry.add(type, { id, description: sentence });
  return type;
}

/** Null where there is no value. */
export const orNull = <T extends z.ZodMiniType>(type: T) => z.nullable(type);

export const instant = about(z.iso.datetime(), "ISO 8601, UTC.");
export const seconds = about(z.number(), "Seconds.");
export const bytes = about(z.number(), "Bytes.");
export const count = z.int();

export const timeline = about(count, "Of PostgreSQL's WAL; 1 for MongoDB.");

/** As an instant of JSON. */
export const iso = (at: Date | undefined): string | null => at?.toISOString() ?? null;
/** Milliseconds as seconds of JSON, to the millisecond. */
export const inSeconds = (ms: number): number => Math.round(ms) / 1000;

export const jobId = about(z.string(), "Id of a job.");
export const sourceName = about(z.string(), "Name of a source.");
export const pointName = about(z.string(), "A restore point: its name, its id, or the beginning of its id.");

export const verdict = about(z.enum(["pass", "fail", "inconclusive"]), "What was checked and held, what failed, or what is not known.");

/** The exit status of a verdict; `failed` says what a failed one means. */
export const exitOf = (found: Verdict, failed: ExitStatus = EXIT.failed): ExitStatus =>
  ({ pass: EXIT.done, fail: failed, inconclusive: EXIT.inconclusive })[found];

export const errorCode = about(z.enum(Object.keys(ERROR_CODES) as ErrorCode[]), "As in docs/errors.md.");

export const nextAction = named(
  "next action",
  "What a user can do.",
  z.strictObject({
    text: about(z.string(), "A sentence for people."),
    commands: about(z.readonly(z.array(z.string())), "What can be run as it is, in order. Empty: there is no such command."),
  }),
);

/** What is printed on standard error when an operation fails. */
export const failedOperation = z.strictObject({
  error: z.strictObject({
    code: errorCode,
    message: z.string(),
    retryable: about(z.boolean(), "The same call may succeed later without a change by the user."),
    exit: about(count, "Exit status of the program."),
    details: about(z.record(z.string(), z.unknown()), "Facts by the code, never a secret."),
    next: nextAction,
    stack: about(z.optional(z.string()), "Of BUG alone: where it happened."),
  }),
});

export const refusal = z.strictObject({ code: errorCode, message: z.string() });

export const reason = named(
  "reason",
  "Why something is not as it should be.",
  z.strictObject({ code: about(z.string(), "Stable: scripts and alerts match on it."), message: z.string() }),
);

export const healthReason = named(
  "health reason",
  "Why a source or the repository is not as it should be.",
  z.strictObject({
    code: about(z.enum(Object.keys(MONITORS) as HealthCode[]), "Stable, as in docs/monitoring.md."),
    severity: about(z.enum(["critical", "warning"]), "By the code."),
    message: z.string(),
    next: nextAction,
  }),
);

export const healthReasonJson = ({ code, message, next }: HealthReason, source: string | null): z.infer<typeof healthReason> => ({
  code,
  severity: severityOf(code),
  message,
  next: nextOfFinding({ code, next }, source),
});

export const failure = named(
  "failure",
  "The failure of one source, while the operation continued with the others.",
  z.strictObject({ source: sourceName, code: errorCode, message: z.string(), next: nextAction }),
);

const hold = z.strictObject({ by: about(z.string(), "User and host."), at: instant, reason: orNull(z.string()) });

export const pointKind = about(
  z.enum(["full", "data", "schema", "tables", "base", "snapshot"]),
  "`base`: of a whole server, WAL can be replayed onto it. `snapshot`: the provider holds it.",
);
export const storageClass = about(z.string(), "As the storage calls it.");
export const tiers = about(z.readonly(z.array(z.string())), "Tiers or rules of the policy that it was made for.");
export const madeBy = about(z.string(), "User and host.");

const pointShape = z.strictObject({
  id: z.string(),
  source: sourceName,
  kind: pointKind,
  name: z.string(),
  time: about(instant, "The instant whose data it holds."),
  endedAt: instant,
  expiresAt: orNull(instant),
  sizeBytes: about(bytes, "As stored."),
  sourceBytes: about(bytes, "The size at the source."),
  storageClass: orNull(storageClass),
  tiers,
  hold: about(orNull(hold), "It does not expire until it is released."),
  verifiedAt: about(orNull(instant), "When a verify, drill or restore last proved it."),
  damagedAt: about(orNull(instant), "When a verify or drill last found it damaged."),
  reason: about(orNull(z.string()), "Why it was made."),
  note: orNull(z.string()),
  madeBy,
  signed: about(z.boolean(), "A trusted key signed it. Without, it counts for nothing."),
  incomplete: about(orNull(z.string()), "Why it cannot be restored, as the storage's listing shows."),
});

export const point = named("restore point", "Something that can be restored.", pointShape);

export const check = named(
  "check",
  "One comparison, and how it came out.",
  z.strictObject({
    name: z.string(),
    kind: about(z.enum(["data", "schema", "integrity", "probe", "objective"]), "What was compared."),
    outcome: verdict,
    message: z.string(),
    expected: about(z.optional(z.string()), "The value at the source or in the manifest."),
    actual: about(z.optional(z.string()), "The value that was found."),
    rows: about(z.optional(count), "Rows or documents that it covered."),
  }),
);

/** Where the records of a job lie when the repository cannot be written. */
export const aside = z.strictObject({ directory: z.string(), why: about(z.string(), "Why the repository cannot be written.") });

export const windowOf = named(
  "window",
  "Earliest to latest instant; null where none can be reached.",
  z.strictObject({ earliest: orNull(instant), latest: orNull(instant) }),
);

export const settings = about(
  z.readonly(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
  "Of the provider, by stable names such as `pitr_enabled`.",
);

const limitShape = z.strictObject({
  name: z.string(),
  used: about(z.number(), "In the unit of the limit."),
  max: about(orNull(z.number()), "Null: not known, or none."),
  unit: about(z.enum(["count", "bytes"]), "Of `used` and `max`."),
  near: about(z.boolean(), "80 % or more is used."),
});
export const limit = named("limit", "A limit at the provider, and how much of it is used.", limitShape);

export const limitJson = ({ name, used, max, unit }: Limit) => ({
  name,
  used,
  max: max ?? null,
  unit,
  near: isNear({ used, max }),
});

const driftShape = z.strictObject({
  setting: about(z.string(), "What differs."),
  wanted: about(z.string(), "By the policy."),
  actual: about(z.string(), "At the provider."),
  message: z.string(),
  blocked: about(z.optional(z.string()), "Why `apply` cannot change it."),
  lowers: about(z.optional(z.boolean()), "The change lowers protection."),
});
export const driftSchema = named("drift", "A difference between the policy and the provider's settings.", driftShape);

export const pauseSchema = z.strictObject({
  by: madeBy,
  at: instant,
  endsAt: about(orNull(instant), "When it ends by itself. Null: it does not."),
  reason: about(orNull(z.string()), "Why it is paused."),
});

export const pauseJson = (found: Pause | undefined) =>
  found === undefined ? null : { by: found.by, at: found.at, endsAt: found.until ?? null, reason: found.reason ?? null };
