// What a team promises (RTO, RPO), the defaults of R29, and the judgement of what was measured.
import { formatDuration } from "./duration.ts";
import type { Check } from "./verdict.ts";

/** Seconds; absent: nothing is promised. */
export interface Objective {
  readonly rtoSeconds?: number | undefined;
  readonly rpoSeconds?: number | undefined;
}

/** Seconds; absent: it was not measured, which is never a pass. */
export interface Achieved {
  readonly rtoSeconds?: number | undefined;
  readonly rpoSeconds?: number | undefined;
}

const MINUTE = 60;
const HOUR = 3600;

/** For backups by dump, whoever runs the server. */
const DUMPS = { rtoSeconds: HOUR, rpoSeconds: 24 * HOUR } as const;

/** Objectives of a source whose configuration names none, by provider. */
export const DEFAULT_OBJECTIVES: Readonly<Record<string, Promised>> = {
  neon: { rtoSeconds: 15 * MINUTE, rpoSeconds: MINUTE },
  atlas: { rtoSeconds: 30 * MINUTE, rpoSeconds: 5 * MINUTE },
  postgres: DUMPS,
  mongodb: DUMPS,
};

/** For all sources brought back together. */
export const COMBINED_OBJECTIVE: Promised = { rtoSeconds: 30 * MINUTE, rpoSeconds: 5 * MINUTE };

/** RTO by scenario, for the runbook and for drills of that scenario. */
export const SCENARIO_RTO_SECONDS = {
  pointInTime: 15 * MINUTE,
  snapshot: 10 * MINUTE,
  surgical: 30 * MINUTE,
  fullDisaster: HOUR,
} as const;

/** An objective with nothing left open. */
export interface Promised {
  readonly rtoSeconds: number;
  readonly rpoSeconds: number;
}

/** What the configuration says, completed by the provider's defaults; an unknown provider is judged as dumps are. */
export function objectiveOf(provider: string, configured: Objective = {}): Promised {
  const defaults = Object.hasOwn(DEFAULT_OBJECTIVES, provider) ? DEFAULT_OBJECTIVES[provider] : undefined;
  return {
    rtoSeconds: configured.rtoSeconds ?? (defaults ?? DUMPS).rtoSeconds,
    rpoSeconds: configured.rpoSeconds ?? (defaults ?? DUMPS).rpoSeconds,
  };
}

/** How far the clocks of source and tool may differ before an instant counts as wrong. */
export const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Seconds of work lost: from the snapshot's instant (not the backup's end: what was written meanwhile is not in it) to
 * the accident, which for a drill is the moment it began. A snapshot after the accident holds the accident too and
 * measures nothing: undefined; less than a minute after, clocks differ: 0.
 */
export function achievedRpoSeconds(snapshotAt: Date, accidentAt: Date): number | undefined {
  const lostMs = accidentAt.getTime() - snapshotAt.getTime();
  return lostMs < -CLOCK_TOLERANCE_MS ? undefined : Math.max(0, lostMs) / 1000;
}

const MEASURES = [
  { key: "rtoSeconds", name: "recovery time (RTO)", did: "it took" },
  { key: "rpoSeconds", name: "lost work (RPO)", did: "the loss would be" },
] as const;

/** One check of kind `objective` for each promise: met at exactly the promise, inconclusive where nothing was measured. */
export function judgeObjective(objective: Objective, achieved: Achieved): Check[] {
  const checks: Check[] = [];
  for (const { key, name, did } of MEASURES) {
    const promised = objective[key];
    if (promised === undefined) continue;
    const measured = achieved[key];
    const expected = `at most ${formatDuration(promised * 1000)}`;
    const kind = "objective" as const;
    if (measured === undefined || !(measured >= 0)) {
      checks.push({ name, kind, outcome: "inconclusive", message: `${expected} is promised, and nothing was measured`, expected });
      continue;
    }
    const actual = formatDuration(measured * 1000);
    const outcome = measured <= promised ? "pass" : "fail";
    checks.push({ name, kind, outcome, message: `${did} ${actual}, ${expected} is promised`, expected, actual });
  }
  return checks;
}
