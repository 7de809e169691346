// Decides whether a source is protected right now, for `status`, badges and alerts. An unknown fact is never green.

import type { DueDrill } from "./drill-schedule.ts";
import { formatDuration, formatInstant } from "./duration.ts";
import { ERROR_CODES, EXIT, isErrorCode } from "./errors.ts";
import { type Limit, limitReasons } from "./limits.ts";
import { type HealthReason, verdictOf } from "./monitors.ts";
import type { Objective } from "./objectives.ts";
import { exposureMs, isDamaged, isInFuture, isVerified, isWhole, newest, type RestorePoint, untilNow } from "./restore-point.ts";
import type { RetentionPolicy } from "./retention.ts";
import { suspicionOf } from "./suspicion.ts";
import { missedSlot } from "./tiers.ts";
import type { Verdict } from "./verdict.ts";

export type { HealthReason } from "./monitors.ts";

export interface LastDrill {
  readonly verdict: Verdict;
  readonly endedAt: Date;
}

export interface LastAttempt {
  readonly outcome: "done" | "failed";
  readonly endedAt: Date;
  /** The reason for the failure, in one sentence. */
  readonly message?: string | undefined;
  /** Its error code, where it is known. */
  readonly code?: string | undefined;
}

export interface HealthFacts {
  readonly points: readonly RestorePoint[];
  readonly lastDrill?: LastDrill | undefined;
  readonly lastAttempt?: LastAttempt | undefined;
  readonly objective: Objective;
  readonly policy: RetentionPolicy;
  readonly now: Date;
  /** The latest of the clocks that were read. Anything later is dated in the future. Default: `now`. */
  readonly present?: Date | undefined;
  /** Findings about the clocks of the storage and the database, compared with this machine's. */
  readonly clocks?: readonly HealthReason[] | undefined;
  /** Whether the source answered just now. */
  readonly reachable: boolean;
  /** Why it did not answer, in one sentence. */
  readonly unreachableBecause?: string | undefined;
  /** The use of what the server and the configuration limit. */
  readonly limits?: readonly Limit[] | undefined;
  /** Findings of the source about itself. */
  readonly source?: readonly HealthReason[] | undefined;
  /** The recovery window, from the provider's history or a log archive. */
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  /** Findings about the stored objects of the source. */
  readonly stored?: readonly HealthReason[] | undefined;
  /** Findings about the log archive. */
  readonly log?: readonly HealthReason[] | undefined;
  /** Findings about the provider's settings. */
  readonly provider?: readonly HealthReason[] | undefined;
  /** The provider, which may hold restore points, could not be queried. Points outside the repository are unknown. */
  readonly unasked?: boolean | undefined;
  /** Findings about the leases of its jobs. */
  readonly jobs?: readonly HealthReason[] | undefined;
  /** A configured drill that is overdue. */
  readonly overdueDrill?: DueDrill | undefined;
  /** The configuration schedules drills, so the age of the last drill is not checked. */
  readonly scheduledDrills?: boolean | undefined;
  /** How old the last drill may be. Default: 36 days, which is monthly on a first Sunday (at most 35 days apart) plus a day. */
  readonly drillMaxAgeMs?: number | undefined;
}

export interface Health {
  readonly verdict: Verdict;
  /** Failures first. Empty exactly when the verdict is pass. */
  readonly reasons: readonly HealthReason[];
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Without a schedule in the policy, a backup older than this is overdue (R36). */
export const BACKUP_MAX_AGE_MS = 25 * HOUR_MS;
export const DRILL_MAX_AGE_MS = 36 * DAY_MS;

/** Judges one source. One failure makes the verdict fail; any unknown fact makes it inconclusive. */
export function judgeSource(facts: HealthFacts): Health {
  const counted = untilPresent(facts);
  const reasons = [
    ...reachability(facts),
    ...(facts.source ?? []),
    ...limitReasons(facts.limits ?? []),
    ...backups(counted),
    ...datedInFuture(facts),
    ...(facts.stored ?? []),
    ...(facts.log ?? []),
    ...(facts.provider ?? []),
    ...drills(counted),
    ...(facts.clocks ?? []),
    ...(facts.jobs ?? []),
  ];
  const failures = reasons.filter(({ code }) => verdictOf(code) === "fail");
  const unclear = reasons.filter(({ code }) => verdictOf(code) !== "fail");
  const verdict = failures.length > 0 ? "fail" : unclear.length > 0 ? "inconclusive" : "pass";
  return { verdict, reasons: [...failures, ...unclear] };
}

/** A point or drill that is dated in the future proves nothing: neither a fresh backup nor a recent drill. */
function untilPresent(facts: HealthFacts): HealthFacts {
  const { points, window, lastDrill, now, present = now } = facts;
  return {
    ...facts,
    points: untilNow(points, present),
    window: window !== undefined && isInFuture(window.latest, present) ? undefined : window,
    lastDrill: lastDrill !== undefined && isInFuture(lastDrill.endedAt, present) ? undefined : lastDrill,
  };
}

function* datedInFuture({ points, window, now, present = now }: HealthFacts): Iterable<HealthReason> {
  const found = points.filter(({ time }) => isInFuture(time, present));
  const [first] = found;
  if (first !== undefined) {
    const more = found.length > 1 ? ` (and ${found.length - 1} more)` : "";
    const message = `restore point ${first.name} (${first.id})${more} is dated ${formatInstant(first.time)}, in the future: it counts for nothing; check the clocks, then \`lifeboat expire ${first.source} --future\` removes it`;
    yield { code: "DATED_IN_FUTURE", message };
  }
  if (window === undefined || !isInFuture(window.latest, present)) return;
  yield {
    code: "DATED_IN_FUTURE",
    message: `the recovery window ends on ${formatInstant(window.latest)}, in the future: check the clocks`,
  };
}

function* reachability({ reachable, unreachableBecause: why }: HealthFacts): Iterable<HealthReason> {
  if (!reachable)
    yield {
      code: "SOURCE_UNREACHABLE",
      message: why === undefined ? "the source cannot be reached" : `the source cannot be reached: ${why}`,
    };
}

function* backups(facts: HealthFacts): Iterable<HealthReason> {
  const { points, lastAttempt, objective, policy, window, unasked, lastDrill, now, present = now } = facts;
  const latest = newest(points.filter(isWhole));
  if (lastAttempt?.outcome === "failed" && (latest === undefined || lastAttempt.endedAt > latest.endedAt)) {
    const why = lastAttempt.message === undefined ? "" : `: ${lastAttempt.message}`;
    const message = `the last backup failed on ${formatInstant(lastAttempt.endedAt)}${why}`;
    yield { code: "LAST_BACKUP_FAILED", message, next: afterFailure(lastAttempt.code) };
  }
  if (latest === undefined && window !== undefined && policy.tiers.length === 0) {
    yield* exposed(points, objective, present, window);
    return;
  }
  // The provider may hold newer points but could not be queried; PROVIDER_NOT_ASKED says so.
  const isKnown = unasked !== true || policy.tiers.length > 0;
  if (latest === undefined) {
    if (!isKnown) return;
    const parts = points.length > 0 ? ", only of parts of it" : "";
    yield { code: "NO_BACKUP", message: `there is no restore point of the whole database${parts}` };
    return;
  }
  if (isKnown) {
    yield* overdue(latest, policy, now, window !== undefined);
    yield* exposed(points, objective, present, window);
  }
  if (latest.damagedAt !== undefined && isDamaged(latest)) {
    yield { code: "BACKUP_DAMAGED", message: `the newest backup ${latest.id} was found damaged on ${formatInstant(latest.damagedAt)}` };
  }
  const suspicion = suspicionOf(latest, points);
  if (suspicion !== undefined) yield { code: "SIZE_SUSPICIOUS", message: suspicion };
  // A drill from the recovery window verifies no restore point: what it found of the window, it says itself.
  const isDrilled = window !== undefined && lastDrill !== undefined;
  if (!isDrilled && !points.some((point) => isWhole(point) && isVerified(point))) {
    yield { code: "NEVER_VERIFIED", message: "no restore point of the whole database was ever verified" };
  }
}

const AGAIN = "`lifeboat backup SOURCE`";

/** Another backup fails as the last one did, until its cause is gone. Undefined: the cause is unknown, or nothing can be done about it. */
function afterFailure(code: string | undefined): string | undefined {
  if (code === undefined || !isErrorCode(code)) return undefined;
  const { exit, hint } = ERROR_CODES[code];
  // The hint of a damaged object is about a restore.
  if (exit === EXIT.integrity || exit === EXIT.bug) return undefined;
  const meant = hint.replace(/\brun(?: it)? again\b/, `run ${AGAIN}`);
  return meant.includes("lifeboat backup") ? meant : `${meant}; then run ${AGAIN}`;
}

function* overdue(latest: RestorePoint, policy: RetentionPolicy, now: Date, continuous: boolean): Iterable<HealthReason> {
  const age = `the newest backup is of ${formatInstant(latest.time)}`;
  const missed = missedSlot(policy.tiers, latest.time, now);
  if (missed !== undefined) {
    const slot = formatInstant(missed.slot);
    yield { code: "BACKUP_OVERDUE", message: `${age}, and none was made for tier ${missed.tier} on ${slot}` };
  } else if (!continuous && policy.tiers.length === 0 && now.getTime() - latest.time.getTime() > BACKUP_MAX_AGE_MS) {
    yield { code: "BACKUP_OVERDUE", message: `${age}, more than ${formatDuration(BACKUP_MAX_AGE_MS)} ago` };
  }
}

/** The next backup takes time itself: a twenty-fourth of the RPO, so that an RPO of 24 hours is judged at 25 hours (R36). */
function* exposed(
  points: readonly RestorePoint[],
  { rpoSeconds }: Objective,
  now: Date,
  window: HealthFacts["window"],
): Iterable<HealthReason> {
  if (rpoSeconds === undefined) return;
  const rpoMs = rpoSeconds * 1000;
  const exposedMs = exposureMs(points, now, window?.latest);
  if (exposedMs !== undefined && exposedMs <= rpoMs + Math.min(rpoMs / 24, HOUR_MS)) return;
  const message =
    exposedMs === undefined
      ? "every restore point of the whole database is damaged"
      : `${formatDuration(exposedMs)} of work would be lost now, and ${formatDuration(rpoMs)} is the objective`;
  yield { code: "EXPOSURE_ABOVE_RPO", message };
}

function* drills(facts: HealthFacts): Iterable<HealthReason> {
  const { lastDrill, now, overdueDrill, scheduledDrills = false, drillMaxAgeMs = DRILL_MAX_AGE_MS } = facts;
  if (overdueDrill !== undefined && lastDrill !== undefined) {
    const { plan, slot } = overdueDrill;
    yield {
      code: "DRILL_OVERDUE",
      message: `drill ${plan.name} was due on ${formatInstant(slot)}, and was not done; \`lifeboat drill --due\` does it`,
    };
  }
  if (lastDrill === undefined) {
    yield { code: "DRILL_MISSING", message: "no drill was ever done, so nothing proves that it can be restored" };
    return;
  }
  const on = formatInstant(lastDrill.endedAt);
  if (lastDrill.verdict === "fail") yield { code: "DRILL_FAILED", message: `the last drill failed on ${on}` };
  if (lastDrill.verdict === "inconclusive") yield { code: "DRILL_INCONCLUSIVE", message: `the last drill proved nothing on ${on}` };
  if (!scheduledDrills && now.getTime() - lastDrill.endedAt.getTime() > drillMaxAgeMs) {
    yield { code: "DRILL_OVERDUE", message: `the last drill was on ${on}, more than ${formatDuration(drillMaxAgeMs)} ago` };
  }
}
