// Recovery objectives (RTO, RPO), the defaults of R29, and the judgement of measured figures.
import { formatDuration } from "./duration.ts";
import type { Check } from "./verdict.ts";

/** In seconds. Absent: there is no objective. */
export interface Objective {
  readonly rtoSeconds?: number | undefined;
  readonly rpoSeconds?: number | undefined;
}

/** In seconds. Absent: not measured, which is never a pass. */
export interface Achieved {
  readonly rtoSeconds?: number | undefined;
  readonly rpoSeconds?: number | undefined;
}

const MINUTE = 60;
const HOUR = 3600;

/** Where backups are dumps. */
export const DUMP_OBJECTIVES: Promised = { rtoSeconds: HOUR, rpoSeconds: 24 * HOUR };

/** For all sources recovered together. */
export const COMBINED_OBJECTIVE: Promised = { rtoSeconds: 30 * MINUTE, rpoSeconds: 5 * MINUTE };

/** The RTO by scenario, for the runbook and for drills of that scenario. */
export const SCENARIO_RTO_SECONDS = {
  pointInTime: 15 * MINUTE,
  snapshot: 10 * MINUTE,
  surgical: 30 * MINUTE,
  fullDisaster: HOUR,
} as const;

/** An objective with both figures. */
export interface Promised {
  readonly rtoSeconds: number;
  readonly rpoSeconds: number;
}

/** What the configuration says, completed by the defaults of the provider. */
export const objectiveOf = (defaults: Promised, { rtoSeconds, rpoSeconds }: Objective = {}): Promised => ({
  rtoSeconds: rtoSeconds ?? defaults.rtoSeconds,
  rpoSeconds: rpoSeconds ?? defaults.rpoSeconds,
});

/** How far the clocks of the source and this machine may differ before an instant counts as wrong. */
export const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Returns the data loss in seconds: from the instant of the snapshot (not the end of the backup, because later writes are not in it) to
 * the incident, which for a drill is its begin. A snapshot taken after the incident contains the incident and measures nothing, so the
 * result is undefined. Less than a minute after counts as clock skew: 0.
 */
export function achievedRpoSeconds(snapshotAt: Date, accidentAt: Date): number | undefined {
  const lostMs = accidentAt.getTime() - snapshotAt.getTime();
  return lostMs < -CLOCK_TOLERANCE_MS ? undefined : Math.max(0, lostMs) / 1000;
}

const MEASURES = [
  { key: "rtoSeconds", name: "recovery time (RTO)" },
  { key: "rpoSeconds", name: "data loss (RPO)" },
] as const;

/** Makes one check of kind `objective` for each objective. A figure equal to the objective meets it; an unmeasured one is inconclusive. */
export function judgeObjective(objective: Objective, achieved: Achieved): Check[] {
  const checks: Check[] = [];
  for (const { key, name } of MEASURES) {
    const limit = objective[key];
    if (limit === undefined) continue;
    const measured = achieved[key];
    const expected = `at most ${formatDuration(limit * 1000)}`;
    const kind = "objective" as const;
    if (measured === undefined || !(measured >= 0)) {
      checks.push({ name, kind, outcome: "inconclusive", message: `not measured (objective: ${expected})`, expected });
      continue;
    }
    const actual = formatDuration(measured * 1000);
    const outcome = measured <= limit ? "pass" : "fail";
    checks.push({ name, kind, outcome, message: `${actual} (objective: ${expected})`, expected, actual });
  }
  return checks;
}
