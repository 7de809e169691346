// The shapes of recovery, each described once: findings, plans, and what was restored.
import * as z from "zod/mini";
import { withoutPassword } from "../../core/address.ts";
import type { Combined } from "../../core/combined.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import type { Objective } from "../../core/objectives.ts";
import { PLAN_ACTIONS } from "../../core/plan.ts";
import { type Check, judge, type Verdict } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context } from "../context.ts";
import {
  about,
  bytes,
  check,
  count,
  exitOf,
  inSeconds,
  instant,
  jobId,
  named,
  orNull,
  refusal,
  seconds,
  sourceName,
  verdict,
} from "../schemas.ts";
import type { Finding } from "./conclude.ts";
import { mergeFindings } from "./merge-schemas.ts";

export const objective = named(
  "recovery times",
  "As promised or as achieved. Null: not promised, or not measured.",
  z.strictObject({ rtoSeconds: orNull(seconds), rpoSeconds: orNull(seconds) }),
);

/** Seconds as JSON has them: null where nothing is promised, or was not measured. */
export const secondsJson = ({ rtoSeconds, rpoSeconds }: Objective) => ({ rtoSeconds: rtoSeconds ?? null, rpoSeconds: rpoSeconds ?? null });

const local = about(z.string(), "The same in the configured time zone.");
export const timeZone = about(z.string(), "Its IANA name.");
const secondsAgo = about(z.number(), "Seconds from then until now.");

const askedShape = z.strictObject({
  kind: about(z.enum(["latest", "time", "lsn", "point"]), "`lsn`: a position of the log."),
  target: about(z.string(), "`latest`, an instant, a position, or the name of a restore point."),
  at: about(z.optional(instant), "Of a time alone, as are the next three."),
  local: z.optional(local),
  timeZone: z.optional(timeZone),
  secondsAgo: z.optional(secondsAgo),
});
export const asked = named("recovery target", "What was asked for, as it was understood.", askedShape);

export const understood = named(
  "understood instant",
  "An instant as people read it.",
  z.strictObject({ at: instant, local, timeZone, secondsAgo }),
);

export const range = named("range", "Between these, in seconds.", z.strictObject({ least: seconds, most: seconds }));

/** What an earlier state was kept as. */
export const kept = z.strictObject({ id: about(z.string(), "At the provider; of a database, its name."), name: z.string() });

/** What is there now: a database, a directory, or a place at the provider as that calls it. */
export const restoredPlace = z.strictObject({
  what: about(z.string(), "`database`, `branch`, `cluster`, …"),
  name: z.string(),
  id: about(orNull(z.string()), "At the provider."),
});

export const step = z.strictObject({ name: z.string(), seconds: about(orNull(seconds), "Null: it did not end.") });

export const chronologyEvent = named(
  "chronology event",
  "What was asked, decided or done, and when.",
  z.strictObject({
    job: jobId,
    source: sourceName,
    kind: about(z.enum(["asked", "decided", "step", "ended"]), "`asked`: the command line, without secrets."),
    at: instant,
    local,
    what: about(z.string(), "The command, the decision, the name of the step, or how it ended."),
    why: orNull(z.string()),
    seconds: about(orNull(seconds), "Of a step. Null: it did not end."),
  }),
);

/** What a drill or a restore found. */
export const findingFields = {
  job: about(jobId, "Id of the job, and of its evidence."),
  source: sourceName,
  verdict,
  reasons: about(z.readonly(z.array(z.string())), "Worst first."),
  to: asked,
  point: z.strictObject({ id: z.string(), name: z.string(), snapshotAt: instant }),
  holds: about(orNull(understood), "The instant whose data came. Null: only the provider knows, or it was not proven."),
  target: about(z.string(), "Where it was restored to."),
  checks: z.readonly(z.array(check)),
  steps: z.array(step),
  achieved: objective,
  estimate: about(
    orNull(
      z.strictObject({
        seconds: orNull(range),
        actualSeconds: seconds,
        within: about(orNull(z.boolean()), "It took as long as was estimated."),
      }),
    ),
    "How good the plan's estimate was; `seconds` is null where there was none.",
  ),
  objective,
  remarks: about(z.readonly(z.array(z.string())), "What was left out, or differs without being a fault."),
  erasures: about(
    orNull(
      z.strictObject({
        entries: about(count, "Entries that were applied."),
        rows: about(count, "Rows or documents that were erased again."),
        tables: about(
          z.readonly(
            z.array(
              z.strictObject({ table: about(z.string(), "Its name, with its schema."), rows: about(count, "Rows or documents of it.") }),
            ),
          ),
          "Those with such rows.",
        ),
      }),
    ),
    "What applying the erasure ledger did. Null: there is none, or a check says why it was not applied.",
  ),
  plan: about(
    orNull(z.strictObject({ name: z.string(), run: about(z.string(), "Name of this run, by the pattern of the drill.") })),
    "The drill of the configuration that it was done for.",
  ),
  evidence: about(z.string(), "Name of the evidence in the repository."),
  filedIn: about(z.string(), "Where the evidence lies: the repository, or a directory of this machine when that cannot be written."),
};
export const finding = named("finding", "What a drill or a restore found.", z.strictObject(findingFields));

type Found = Omit<Finding, "aside"> & { readonly aside?: Pick<NonNullable<Finding["aside"]>, "directory"> | undefined };

export const findingJson = ({ repository }: Context, { evidence, filed, aside: onMachine, to, holds, estimate }: Found) => ({
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
  erasures: evidence.erasures ?? null,
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

export const combined = named(
  "combined finding",
  "All sources together.",
  z.strictObject({ objective, achieved: objective, verdict, reasons: about(z.readonly(z.array(z.string())), "Worst first.") }),
);

export const combinedJson = ({ objective: promised, achieved, verdict: judged, reasons }: Combined) => ({
  objective: secondsJson(promised),
  achieved: secondsJson(achieved),
  verdict: judged,
  reasons,
});

export const routeFields = {
  kind: about(z.enum(["provider", "cluster", "copy"]), "The provider's history, a base backup and its WAL, or a stored backup."),
  what: about(z.string(), "What is restored."),
  why: about(z.string(), "Why this route, where there are several."),
  at: about(z.optional(instant), "The instant of the data. Absent: only the provider knows it."),
};

const planStep = z.strictObject({
  action: about(z.enum(PLAN_ACTIONS), "Stable."),
  subject: about(z.string(), "What is acted on."),
  object: about(z.optional(z.string()), "What it comes from or goes into."),
  name: about(z.optional(z.string()), "A name that is chosen when the plan is carried out; no part of the digest."),
  sizeBytes: z.optional(bytes),
  effect: about(z.enum(["create", "change", "remove", "none"]), "Upon what is there before the operation."),
  reason: z.string(),
});

const code = z.strictObject({
  kind: about(z.string(), "Kind of the definition."),
  count,
  names: about(z.readonly(z.array(z.string())), "Some of the objects that contain it."),
});

const needs = z.strictObject({
  readBytes: about(bytes, "Read from the repository."),
  disks: z.readonly(z.array(z.strictObject({ directory: z.string(), neededBytes: bytes, freeBytes: orNull(bytes) }))),
});

const estimate = z.strictObject({
  seconds: about(orNull(range), "Null: a step was never measured."),
  jobs: about(count, "How many past jobs it is based on."),
  steps: z.readonly(
    z.array(
      z.strictObject({
        name: z.string(),
        sizeBytes: z.optional(bytes),
        seconds: orNull(range),
        basis: about(z.enum(["measured", "stated", "none"]), "By past jobs, by the provider, or not known."),
      }),
    ),
  ),
});

export const plan = named(
  "plan",
  "What an operation will do, step by step; it changes nothing.",
  z.strictObject({
    verb: about(z.string(), "The operation."),
    source: sourceName,
    to: z.optional(asked),
    route: z.optional(z.strictObject({ ...routeFields, holds: z.optional(understood) })),
    otherRoutes: about(z.optional(z.readonly(z.array(z.strictObject(routeFields)))), "Other routes to the target."),
    steps: z.readonly(z.array(planStep)),
    refusals: about(z.readonly(z.array(refusal)), "Why it would not be done; with any, nothing is."),
    code: about(z.optional(z.readonly(z.array(code))), "Code of the source that the plan would run. Absent: not examined, or none."),
    merge: about(z.optional(mergeFindings), "Of a merge: the rows that it would change."),
    needs: z.optional(needs),
    estimate: about(z.optional(estimate), "The time it takes, by past jobs of this repository."),
    cost: about(z.optional(z.string()), "What the provider or the storage bills for it."),
    request: about(z.optional(z.readonly(z.record(z.string(), z.unknown()))), "What was asked for, without secrets: part of the digest."),
    facts: about(z.optional(z.readonly(z.record(z.string(), z.unknown()))), "What it depends on."),
    digest: about(z.optional(z.string()), "SHA-256 over request, steps and facts, for `planDigest`."),
  }),
);

export const timelineField = about(z.number(), "Timeline of PostgreSQL's WAL, where a failover that lost commits left the target on two.");

export const planDigest = about(z.string(), "The digest that the plan must have, or its first 12 digits: PLAN_CHANGED otherwise.");

/** The exit status of a plan: a refused one is a usage error. */
export const exitOfPlan = ({ refusals }: { readonly refusals: readonly unknown[] }): ExitStatus =>
  refusals.length > 0 ? EXIT.usage : EXIT.done;

const connectionShape = z.strictObject({
  label: about(z.string(), "What messages call it."),
  url: about(z.string(), "Without its password, unless the request asks for credentials."),
  file: about(orNull(z.string()), "Where the command line wrote the whole address."),
});
export const connection = named("connection", "How a database is reached.", connectionShape);

export const connectionJson = ({ label, url }: Connection, credentials: boolean | undefined) => ({
  label,
  url: credentials === true ? url : withoutPassword(url),
  file: null,
});
