// Tiers of a retention policy and their slots: which backups are due, which are missing, which stand in for one that is.
//
// A slot is an instant of the tier's schedule and lasts until the next one. A backup serves the slot that its snapshot
// lies in, however late it was made: a Sunday's weekly backup that succeeded on Monday is the weekly one of that Sunday.
import { nextSlot, previousSlot } from "./cron.ts";
import type { Keep } from "./duration.ts";
import { byTime, isDamaged, isWhole, type RestorePoint } from "./restore-point.ts";

export interface Tier {
  readonly tier: string;
  readonly cron: string;
  /** How long after its snapshot the tier holds a backup. */
  readonly keepMs: Keep;
  /** Absent: the storage's default class, its warmest. */
  readonly storageClass?: string | undefined;
  /** Name pattern of its backups. */
  readonly name?: string | undefined;
}

/** A snapshot taken this shortly before a slot belongs to it: the server's clock may be behind the scheduler's. */
export const SLOT_TOLERANCE_MS = 60_000;

/** How long after its slot a backup may take before it is missing (daily: R36's 25 hours). */
export const OVERDUE_GRACE_MS = 3_600_000;

/** The slot of the tier that the point serves, or would serve. */
function slotOf(tier: Tier, point: RestorePoint): Date | undefined {
  return previousSlot(tier.cron, new Date(point.time.getTime() + SLOT_TOLERANCE_MS));
}

/** Tiers whose present slot no sound backup was recorded for: the ones that a backup made now is made for. */
export function tiersDue(tiers: readonly Tier[], points: readonly RestorePoint[], now: Date): string[] {
  return tiers
    .filter((tier) => {
      const slot = previousSlot(tier.cron, now);
      if (slot === undefined) return false;
      const from = slot.getTime() - SLOT_TOLERANCE_MS;
      return !points.some((point) => point.tiers.includes(tier.tier) && !isDamaged(point) && point.time.getTime() >= from);
    })
    .map((tier) => tier.tier);
}

export interface MissedSlot {
  readonly tier: string;
  readonly slot: Date;
}

/** The earliest slot after the newest backup that should have one by now, grace included; undefined when nothing is late. */
export function missedSlot(tiers: readonly Tier[], newestAt: Date, now: Date, graceMs = OVERDUE_GRACE_MS): MissedSlot | undefined {
  let missed: MissedSlot | undefined;
  for (const { tier, cron } of tiers) {
    const slot = nextSlot(cron, new Date(newestAt.getTime() + SLOT_TOLERANCE_MS));
    if (slot === undefined || slot.getTime() + graceMs >= now.getTime()) continue;
    if (missed === undefined || slot < missed.slot) missed = { tier, slot };
  }
  return missed;
}

/** A point that does the duty of a backup which a tier's slot should have had. */
export interface StandIn {
  readonly tier: Tier;
  readonly slot: Date;
}

/**
 * Points that stand in for a tier, by id: in every slot that no sound backup was recorded for, the newest sound one
 * among those made for other tiers. So a missed weekly backup, a tier that joined the policy later and a tier that was
 * renamed are served by what there is. Manual backups never stand in: they follow their own expiry and nothing else.
 */
export function standIns(tiers: readonly Tier[], points: readonly RestorePoint[]): ReadonlyMap<string, readonly StandIn[]> {
  const sound = points.filter((point) => point.tiers.length > 0 && !isDamaged(point)).sort(byTime);
  const found = new Map<string, StandIn[]>();
  for (const tier of tiers) {
    const recorded = new Set<number>();
    const newestOf = new Map<number, RestorePoint>();
    for (const point of sound) {
      const slotMs = slotOf(tier, point)?.getTime();
      if (slotMs === undefined) continue;
      if (point.tiers.includes(tier.tier)) recorded.add(slotMs);
      else if (isWhole(point)) newestOf.set(slotMs, point);
    }
    for (const [slotMs, point] of newestOf) {
      if (recorded.has(slotMs)) continue;
      found.set(point.id, [...(found.get(point.id) ?? []), { tier, slot: new Date(slotMs) }]);
    }
  }
  return found;
}
