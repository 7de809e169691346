// Which of the configured drills are due, as a pure question: a drill is due from each slot of its schedule on, until it was done.
import { previousSlot } from "./cron.ts";

/** A drill of the configuration that has a schedule, for one source. */
export interface DrillPlan {
  readonly name: string;
  readonly cron: string;
  /** Recovery target. */
  readonly to: string;
  /** Name pattern of its runs. */
  readonly pattern?: string | undefined;
}

/** A drill that was done, whatever it found. */
export interface DoneDrill {
  /** The plan it was done for; absent: a person did it, for none. */
  readonly plan?: string | undefined;
  readonly at: Date;
}

export interface DueDrill {
  readonly plan: DrillPlan;
  readonly slot: Date;
}

/** How long after its slot a drill may take before it is overdue. */
export const DRILL_GRACE_MS = 86_400_000;

/**
 * The plans whose newest slot, at or before `at`, no drill was done for since. A drill done by hand serves every plan: what it
 * proves is no less proven.
 */
export function drillsDue(plans: readonly DrillPlan[], done: readonly DoneDrill[], at: Date): DueDrill[] {
  return plans.flatMap((plan) => {
    const slot = previousSlot(plan.cron, at);
    if (slot === undefined || done.some((one) => one.at >= slot && (one.plan === undefined || one.plan === plan.name))) return [];
    return [{ plan, slot }];
  });
}

/** The one that has been due for longest, and for longer than the grace. */
export function overdueDrill(plans: readonly DrillPlan[], done: readonly DoneDrill[], now: Date): DueDrill | undefined {
  const late = drillsDue(plans, done, new Date(now.getTime() - DRILL_GRACE_MS));
  return late.reduce<DueDrill | undefined>((first, one) => (first === undefined || one.slot < first.slot ? one : first), undefined);
}

/** Drills done before this instant serve no plan any more. */
export function drillsCountFrom(plans: readonly DrillPlan[], now: Date): Date | undefined {
  const slots = plans.flatMap(({ cron }) => previousSlot(cron, new Date(now.getTime() - DRILL_GRACE_MS)) ?? []);
  return slots.reduce<Date | undefined>((first, slot) => (first === undefined || slot < first ? slot : first), undefined);
}
