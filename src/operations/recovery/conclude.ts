// The end of a drill or a restore: the verdict from the checks, and the evidence filed.
import type { DrillPlan } from "../../core/drill-schedule.ts";
import { microsOf } from "../../core/micros.ts";
import { NAME_PATTERNS, renderName } from "../../core/names.ts";
import type { Achieved, Objective } from "../../core/objectives.ts";
import { type Asked, askedOf, type RecoveryTarget, type Understood, understood } from "../../core/recovery-target.ts";
import { type Check, isSoundCopy, judge } from "../../core/verdict.ts";
import { type Evidence, type Filed, fileEvidence } from "../../repository/evidence.ts";
import { thisOwner } from "../../repository/owner.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import type { FiledAside } from "../jobs/records.ts";
import { renderReport } from "./report.ts";

export interface Conclusion {
  readonly verb: Evidence["verb"];
  readonly job: Job;
  readonly asked: RecoveryTarget;
  /** What was brought back: a restore point, or an instant of the history. */
  readonly point: Evidence["point"];
  readonly target: string;
  readonly checks: readonly Check[];
  readonly objective: Objective;
  readonly achieved: Achieved;
  readonly remarks: readonly string[];
  /** The drill of the configuration that this one was done for. */
  readonly plan?: DrillPlan | undefined;
}

export interface Finding extends Filed {
  /** What was asked for, as it was understood. */
  readonly to: Asked;
  /** The instant whose data came; absent: only the provider knows, or it was not proven. */
  readonly holds?: Understood | undefined;
  /** Set when the evidence lies on this machine, and not in the repository. */
  readonly aside?: FiledAside | undefined;
}

/** Reading the source for something to compare with: no recovery would do it, for in one there is no source. */
export const READING_SOURCE = "fingerprint";

/** The recovery time so far: the sum of the job's steps that a recovery takes. There is no second stopwatch. */
export function measuredSeconds(job: Job): number {
  const steps = job.record.steps.filter(({ name }) => name !== READING_SOURCE);
  return steps.reduce((sum, step) => sum + (step.ms ?? 0), 0) / 1000;
}

export async function conclude(context: Context, source: Source, conclusion: Conclusion): Promise<Finding> {
  const { job, asked, point, verb, target, checks, objective, achieved, remarks, plan } = conclusion;
  const { verdict, reasons } = judge(checks);
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
    steps: structuredClone(job.record.steps),
    checks,
    verdict,
    reasons,
    objective,
    achieved,
    remarks,
    ...(plan && {
      plan: { name: plan.name, run: renderName(plan.pattern ?? NAME_PATTERNS.drill, { at: new Date(job.record.startedAt) }) },
    }),
  };
  return job.file(async (place, aside) => {
    const told = aside === undefined ? found : { ...found, remarks: [...remarks, `filed on this machine: ${aside.why}`] };
    const present = presentOf(context);
    const isKnown = isSoundCopy(checks) && !(asked.kind === "lsn" && point.id === "history");
    const holds = isKnown ? understood(microsOf(new Date(point.snapshotAt)), present) : undefined;
    return { ...(await fileEvidence(place, told, renderReport(told))), aside, to: askedOf(asked, present), holds };
  });
}
