// The end of every drill and restore: objectives judged, the verdict from the checks, the estimate compared, the evidence filed, the
// restore point marked.
import type { DrillPlan } from "../../core/drill-schedule.ts";
import type { Erasures } from "../../core/erasure.ts";
import { type EstimateResult, judgeEstimate } from "../../core/estimate.ts";
import { microsOf } from "../../core/micros.ts";
import { NAME_PATTERNS, renderName } from "../../core/names.ts";
import { judgeObjective } from "../../core/objectives.ts";
import type { Plan } from "../../core/plan.ts";
import { type Asked, askedOf, type Present, type RecoveryTarget, type Understood, understood } from "../../core/recovery-target.ts";
import { type Check, isSoundCopy, judge } from "../../core/verdict.ts";
import { type Evidence, type Filed, fileEvidence } from "../../repository/evidence.ts";
import { mark } from "../../repository/marks.ts";
import { thisOwner } from "../../repository/owner.ts";
import { changeSnapshotRecord } from "../../repository/snapshots.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { type FiledAside, ignoreUnwritable } from "../jobs/records.ts";
import { originOf } from "../points/points.ts";
import type { Destination } from "./plan.ts";
import { renderReport } from "./report.ts";
import { evidencePoint, isNamed, lossBy, type Route, routeRemarks } from "./resolve.ts";

export interface Conclusion {
  readonly verb: Evidence["verb"];
  readonly job: Job;
  readonly asked: RecoveryTarget;
  /** The route as far as it was followed: a backup whose log was not replayed is that backup alone. */
  readonly reached: Route;
  readonly into: Destination;
  /** Where it was restored to, in words. */
  readonly target: string;
  readonly checks: readonly Check[];
  readonly remarks?: readonly string[] | undefined;
  /** What applying the erasure ledger did. */
  readonly erasures?: Erasures | undefined;
  readonly estimated?: Plan["estimate"];
  /** Measured before the scratch place was removed. Default: the job's steps until now. */
  readonly rtoSeconds?: number | undefined;
  /** It broke off: nothing was achieved. */
  readonly failed?: boolean | undefined;
  /** The drill of the configuration that this one was done for. */
  readonly schedule?: DrillPlan | undefined;
  /** All data of the restore point was restored, so the finding holds for the point: it is marked as proven or damaged. */
  readonly whole?: boolean | undefined;
}

export interface Finding extends Filed {
  /** What was asked for, as it was understood. */
  readonly to: Asked;
  /** The instant whose data came; absent: only the provider knows, or it was not proven. */
  readonly holds?: Understood | undefined;
  /** Set when the evidence is stored on this machine, not in the repository. */
  readonly aside?: FiledAside | undefined;
  /** How good the plan's estimate was; absent: it broke off. */
  readonly estimate?: EstimateResult | undefined;
}

/** Reading the source for something to compare with: no recovery would do it, for in one there is no source. */
export const READING_SOURCE = "fingerprint";

/** The recovery time so far: the sum of the job's steps that a recovery takes. There is no second stopwatch. */
export function measuredSeconds(job: Job): number {
  const steps = job.record.steps.filter(({ name }) => name !== READING_SOURCE);
  return steps.reduce((sum, step) => sum + (step.ms ?? 0), 0) / 1000;
}

export async function conclude(context: Context, source: Source, conclusion: Conclusion): Promise<Finding> {
  const { job, asked, reached, into, verb, target, estimated, failed = false, schedule, erasures } = conclusion;
  const { rtoSeconds = measuredSeconds(job) } = conclusion;
  const { rtoSeconds: promised } = source.objective;
  // A restore answers for its time; how much is lost is for a drill to measure, where an instant was asked for.
  const objective = verb === "drill" && !isNamed(reached) ? source.objective : { rtoSeconds: promised };
  const rpoSeconds = lossBy(reached, new Date(job.record.startedAt), conclusion.checks);
  const achieved = failed ? {} : { rtoSeconds, rpoSeconds };
  const origin = reached.kind === "copy" && !failed ? originOf(reached.copy.entry) : [];
  const checks = [...conclusion.checks, ...origin, ...(failed ? [] : judgeObjective(objective, achieved))];
  const { verdict, reasons } = judge(checks);
  const point = evidencePoint(reached);
  const remarks = [...routeRemarks(reached), ...(conclusion.remarks ?? [])];
  const { user, host } = thisOwner();
  const found: Omit<Evidence, "report"> = {
    format: 1,
    id: job.id,
    verb,
    source: source.name,
    who: { user, host, lifeboat: context.lifeboat },
    startedAt: job.record.startedAt,
    endedAt: context.clock.now().toISOString(),
    point,
    target,
    route: { kind: reached.kind, into },
    command: job.record.command,
    steps: structuredClone(job.record.steps),
    decisions: structuredClone(job.record.decisions),
    checks,
    verdict,
    reasons,
    objective,
    achieved,
    remarks,
    ...(erasures && { erasures }),
    ...(schedule && {
      plan: { name: schedule.name, run: renderName(schedule.pattern ?? NAME_PATTERNS.drill, { at: new Date(job.record.startedAt) }) },
    }),
  };
  const finding = await job.file(async (place, aside) => {
    const told = aside === undefined ? found : { ...found, remarks: [...remarks, `filed on this machine: ${aside.why}`] };
    const present = presentOf(context);
    return {
      ...(await fileEvidence(place, told, renderReport(told, present))),
      aside,
      to: askedOf(asked, present),
      holds: heldBy({ asked, checks: conclusion.checks, point }, present),
      estimate: failed ? undefined : judgeEstimate(estimated?.seconds ?? null, rtoSeconds),
    };
  });
  job.decide(`verdict: ${verdict}`, reasons.join("; "));
  if (conclusion.whole) await remember(context, source, reached, job, finding.evidence);
  return finding;
}

/** The instant whose data came. Undefined: only the provider knows, or it was not proven. */
export const heldBy = (
  { asked, checks, point }: { readonly asked: RecoveryTarget } & Pick<Evidence, "checks" | "point">,
  present: Present,
): Understood | undefined =>
  isSoundCopy(checks) && !(asked.kind === "lsn" && point.id === "history")
    ? understood(microsOf(new Date(point.snapshotAt)), present)
    : undefined;

/**
 * Marks the restore point by what was found. `latest` passes a damaged point over, so that needs damaged bytes, or rows that differ
 * although everything could be loaded. A server that lacks an extension, a definition that reads differently or an unmet objective say
 * nothing against the bytes.
 */
async function remember(context: Context, source: Source, reached: Route, job: Job, evidence: Evidence): Promise<void> {
  const at = new Date(evidence.endedAt);
  const found = evidence.checks.filter(({ kind }) => kind !== "objective");
  const failed = (kind: Check["kind"]): boolean => found.some((check) => check.kind === kind && check.outcome === "fail");
  // Only a comparison proves a point: that it can be read proves nothing of its data.
  const proven = judge(found).verdict === "pass";
  if (reached.kind === "provider") {
    const { entry } = reached.target;
    const change = failed("data") ? { damagedAt: evidence.endedAt } : proven ? { verifiedAt: evidence.endedAt } : undefined;
    if (entry?.record === undefined || change === undefined) return;
    await changeSnapshotRecord(context.repository, entry.source, entry.point.id, change).catch(ignoreUnwritable);
    return;
  }
  const { id } = reached.kind === "cluster" ? reached.replay.base.point : reached.copy.entry.point;
  // WAL is replayed only onto what was as it had been backed up: a later failure is the log's, and is recorded there.
  const replaying = evidence.steps.some(({ name }) => name === "replay");
  if (replaying && found.some(({ outcome }) => outcome === "fail")) return;
  const damaged = failed("integrity") || (failed("data") && !failed("schema"));
  if (damaged) await job.file((place) => mark(place, source.name, id, { damagedAt: at }));
  else if (proven) await job.file((place) => mark(place, source.name, id, { verifiedAt: at }));
}
