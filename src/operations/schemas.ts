// The shapes that results are made of, each described once: instants are ISO 8601 in UTC, durations seconds, sizes bytes, and what is
// not known is null. A result has exactly the fields of its schema; new versions only ever add some.
import * as z from "zod/mini";
import { withoutPassword } from "../core/address.ts";
import type { Combined } from "../core/combined.ts";
import { ERROR_CODES, type ErrorCode, EXIT, type ExitStatus } from "../core/errors.ts";
import type { Objective } from "../core/objectives.ts";
import { PLAN_ACTIONS } from "../core/plan.ts";
import { LIMIT_NEAR_SHARE } from "../core/provider-health.ts";
import { type Check, judge, type Verdict } from "../core/verdict.ts";
import type { Connection } from "../ports/connection.ts";
import type { Limit } from "../ports/control.ts";
import type { Context } from "./context.ts";
import type { Finding } from "./recovery/conclude.ts";

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

const objective = z.strictObject({ rtoSeconds: orNull(seconds), rpoSeconds: orNull(seconds) });

/** Seconds as JSON has them: null where nothing is promised, or was not measured. */
export const secondsJson = ({ rtoSeconds, rpoSeconds }: Objective) => ({ rtoSeconds: rtoSeconds ?? null, rpoSeconds: rpoSeconds ?? null });

const instantAgo = {
  at: instant,
  local: about(z.string(), "The same in the configured time zone."),
  timeZone: z.string(),
  secondsAgo: seconds,
};
export const asked = z.strictObject({
  kind: z.enum(["latest", "time", "lsn", "point"]),
  target: about(z.string(), "`latest`, an instant, a position, or the name of a restore point."),
  at: z.optional(instant),
  local: z.optional(z.string()),
  timeZone: z.optional(z.string()),
  secondsAgo: z.optional(seconds),
});
export const understood = z.strictObject(instantAgo);

export const step = z.strictObject({ name: z.string(), seconds: about(orNull(seconds), "Null: it did not end.") });

const range = z.strictObject({ least: seconds, most: seconds });

/** What a drill or a restore found. */
export const findingFields = {
  job: about(z.string(), "Id of the job, and of its evidence."),
  source: sourceName,
  verdict,
  reasons: about(z.readonly(z.array(z.string())), "Worst first."),
  to: about(asked, "What was asked for, as it was understood."),
  point: z.strictObject({ id: z.string(), name: z.string(), snapshotAt: instant }),
  holds: about(orNull(understood), "The instant whose data came. Null: only the provider knows, or it was not proven."),
  target: about(z.string(), "Where it was restored to."),
  checks: z.readonly(z.array(check)),
  steps: z.array(step),
  achieved: objective,
  estimate: about(
    orNull(z.strictObject({ seconds: orNull(range), actualSeconds: seconds, within: orNull(z.boolean()) })),
    "How good the plan's estimate was; `seconds` is null where there was none.",
  ),
  objective,
  remarks: z.readonly(z.array(z.string())),
  plan: about(orNull(z.strictObject({ name: z.string(), run: z.string() })), "The drill of the configuration that it was done for."),
  evidence: about(z.string(), "Name of the evidence in the repository."),
  filedIn: about(z.string(), "Where the evidence lies: the repository, or a directory of this machine when that cannot be written."),
};
export const finding = z.strictObject(findingFields);

export const findingJson = ({ repository }: Context, { evidence, filed, aside: onMachine, to, holds, estimate }: Finding) => ({
  job: evidence.id,
  source: evidence.source,
  verdict: evidence.verdict,
  reasons: evidence.reasons,
  to,
  point: { id: evidence.point.id, name: evidence.point.name, snapshotAt: evidence.point.snapshotAt },
  holds: holds ?? null,
  target: evidence.target,
  checks: evidence.checks,
  steps: evidence.steps.map(({ name, ms }) => ({ name, seconds: ms === undefined ? null : inSeconds(ms) })),
  achieved: secondsJson(evidence.achieved),
  estimate: estimate ?? null,
  objective: secondsJson(evidence.objective),
  remarks: evidence.remarks,
  plan: evidence.plan ?? null,
  evidence: filed,
  filedIn: onMachine?.directory ?? repository.storage.url,
});

/** The verdict's status; when only an objective was missed, the status says just that. */
export function exitOfFinding(found: { readonly verdict: Verdict; readonly checks: readonly Check[] }): ExitStatus {
  if (found.verdict !== "fail") return exitOf(found.verdict);
  const others = judge(found.checks.filter(({ kind }) => kind !== "objective"));
  return others.verdict === "pass" ? EXIT.unhealthy : EXIT.failed;
}

export const combined = z.strictObject({
  objective,
  achieved: objective,
  verdict,
  reasons: z.readonly(z.array(z.string())),
});

export const combinedJson = ({ objective: promised, achieved, verdict: judged, reasons }: Combined) => ({
  objective: secondsJson(promised),
  achieved: secondsJson(achieved),
  verdict: judged,
  reasons,
});

/** What is there now: a database, a directory, or a place at the provider as that calls it. */
export const restoredPlace = z.strictObject({
  what: about(z.string(), "`database`, `branch`, `cluster`, …"),
  name: z.string(),
  id: about(orNull(z.string()), "At the provider."),
});

/** What the user can do now. */
export const nextAction = z.strictObject({ command: orNull(z.string()), text: z.string() });

const routeFields = {
  kind: about(z.enum(["provider", "cluster", "copy"]), "The provider's history, a base backup and its WAL, or a stored backup."),
  what: z.string(),
  why: z.string(),
  at: z.optional(instant),
};

/** What an operation will do, step by step. */
export const plan = z.strictObject({
  verb: z.string(),
  source: sourceName,
  to: z.optional(asked),
  route: z.optional(
    z.strictObject({
      ...routeFields,
      holds: z.optional(understood),
    }),
  ),
  otherRoutes: about(z.optional(z.readonly(z.array(z.strictObject(routeFields)))), "Other routes to the target."),
  steps: z.readonly(
    z.array(
      z.strictObject({
        action: z.enum(PLAN_ACTIONS),
        subject: about(z.string(), "What is acted on."),
        object: about(z.optional(z.string()), "What it comes from or goes into."),
        name: about(z.optional(z.string()), "A name that is chosen when the plan is carried out; no part of the digest."),
        sizeBytes: z.optional(bytes),
        effect: z.enum(["create", "change", "remove", "none"]),
        reason: z.string(),
      }),
    ),
  ),
  refusals: about(z.readonly(z.array(refusal)), "Why it would not be done; with any, nothing is."),
  code: z.optional(z.readonly(z.array(z.strictObject({ kind: z.string(), count, names: z.readonly(z.array(z.string())) })))),
  needs: z.optional(
    z.strictObject({
      readBytes: about(bytes, "Read from the repository."),
      disks: z.readonly(z.array(z.strictObject({ directory: z.string(), neededBytes: bytes, freeBytes: orNull(bytes) }))),
    }),
  ),
  estimate: about(
    z.optional(
      z.strictObject({
        seconds: about(orNull(range), "Null: a step was never measured."),
        jobs: about(count, "How many past jobs it is based on."),
        steps: z.readonly(
          z.array(
            z.strictObject({
              name: z.string(),
              sizeBytes: z.optional(bytes),
              seconds: orNull(range),
              basis: z.enum(["measured", "stated", "none"]),
            }),
          ),
        ),
      }),
    ),
    "The time it takes, by past jobs of this repository.",
  ),
  cost: about(z.optional(z.string()), "What the provider or the storage bills for it."),
  facts: about(z.optional(z.readonly(z.record(z.string(), z.unknown()))), "What it depends on."),
  digest: about(z.optional(z.string()), "SHA-256 over request, steps and facts, for `planDigest`."),
});

export const planDigest = about(z.string(), "The digest that the plan must have, or its first 12 digits: PLAN_CHANGED otherwise.");

/** The exit status of a plan: a refused one is a usage error. */
export const exitOfPlan = ({ refusals }: { readonly refusals: readonly unknown[] }): ExitStatus =>
  refusals.length > 0 ? EXIT.usage : EXIT.done;

/** How a database is reached. */
export const connection = z.strictObject({
  label: about(z.string(), "What messages call it."),
  url: about(z.string(), "Without its password, unless the request asks for credentials."),
  file: about(orNull(z.string()), "Where the command line wrote the whole address."),
});

export const connectionJson = ({ label, url }: Connection, credentials: boolean | undefined) => ({
  label,
  url: credentials === true ? url : withoutPassword(url),
  file: null,
});

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
