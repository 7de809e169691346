// Which configured drills are due. A drill is due from each slot of its schedule until it has run.
import { previousSlot } from "./cron.ts";

/** A configured drill with a schedule, for one source. */
export interface DrillPlan {
  readonly name: string;
  readonly cron: string;
  /** Recovery target. */
  readonly to: string;
  /** The name pattern of its runs. */
  readonly pattern?: string | undefined;
}

/** A drill that ran, with any verdict. */
export interface DoneDrill {
  /** The configured drill it ran for. Absent: a user started it by hand. */
  readonly plan?: string | undefined;
  readonly at: Date;
}

export interface DueDrill {
  readonly plan: DrillPlan;
  readonly slot: Date;
}

/** How long after its slot a drill counts as overdue. */
export const DRILL_GRACE_MS = 86_400_000;

/**
 * Returns the configured drills that have not run since their newest slot at or before `at`. A drill started by hand satisfies every
 * configured one, because it proves the same.
 */
export function drillsDue(plans: readonly DrillPlan[], done: readonly DoneDrill[], at: Date): DueDrill[] {
  return plans.flatMap((plan) => {
    const slot = previousSlot(plan.cron, at);
    if (slot === undefined || done.some((one) => one.at >= slot && (one.plan === undefined || one.plan === plan.name))) return [];
    return [{ plan, slot }];
  });
}

/** Returns the drill that has been due for the longest time, if that is longer than the grace period. */
export function overdueDrill(plans: readonly DrillPlan[], done: readonly DoneDrill[], now: Date): DueDrill | undefined {
  const late = drillsDue(plans, done, new Date(now.getTime() - DRILL_GRACE_MS));
  return late.reduce<DueDrill | undefined>((first, one) => (first === undefined || one.slot < first.slot ? one : first), undefined);
}

/** Returns the instant before which a drill satisfies no configured drill. */
export function drillsCountFrom(plans: readonly DrillPlan[], now: Date): Date | undefined {
  const slots = plans.flatMap(({ cron }) => previousSlot(cron, new Date(now.getTime() - DRILL_GRACE_MS)) ?? []);
  return slots.reduce<Date | undefined>((first, slot) => (first === undefined || slot < first ? slot : first), undefined);
}
