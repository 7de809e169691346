// Tiers of a retention policy and their slots: which backups are due, which are missing, and which substitute for a missing one.
//
// A slot begins at an instant of the tier's schedule and lasts until the next one. A backup belongs to the slot of its snapshot,
// even when it is late: a Sunday's weekly backup that succeeded on Monday is the weekly backup of that Sunday.
import { nextSlot, previousSlot } from "./cron.ts";
import type { Keep } from "./duration.ts";
import { byTime, isDamaged, isWhole, type RestorePoint } from "./restore-point.ts";

export interface Tier {
  readonly tier: string;
  readonly cron: string;
  /** How long after its snapshot the tier keeps a backup. */
  readonly keepMs: Keep;
  /** Default: the warmest class of the storage. */
  readonly storageClass?: string | undefined;
  /** The name pattern of its backups. */
  readonly name?: string | undefined;
}

/**
 * A snapshot taken this shortly before a slot belongs to the slot, because the server's clock may be behind the scheduler's. Only for
 * points that do not record which slots they serve.
 */
export const SLOT_TOLERANCE_MS = 60_000;

/** How long after its slot a backup counts as missing (daily: the 25 hours of R36). */
export const OVERDUE_GRACE_MS = 3_600_000;

/** Returns the instant up to which the point serves the slots of its tiers. */
export const servedTo = ({ servesTo, time }: Pick<RestorePoint, "servesTo" | "time">): Date =>
  servesTo ?? new Date(time.getTime() + SLOT_TOLERANCE_MS);

/** Returns the slot of the tier that the point belongs to, or would belong to. */
const slotOf = (tier: Tier, point: RestorePoint): Date | undefined => previousSlot(tier.cron, servedTo(point));

/** Returns the tiers without an intact backup for their present slot, which are the tiers of a backup made now. */
export function tiersDue(tiers: readonly Tier[], points: readonly RestorePoint[], now: Date): string[] {
  return tiers
    .filter((tier) => {
      const slot = previousSlot(tier.cron, now);
      if (slot === undefined) return false;
      return !points.some((point) => point.tiers.includes(tier.tier) && !isDamaged(point) && servedTo(point) >= slot);
    })
    .map((tier) => tier.tier);
}

export interface MissedSlot {
  readonly tier: string;
  readonly slot: Date;
}

/** Returns the earliest slot after the newest backup that should have a backup by now, grace included. Undefined: none is late. */
export function missedSlot(tiers: readonly Tier[], newestAt: Date, now: Date, graceMs = OVERDUE_GRACE_MS): MissedSlot | undefined {
  let missed: MissedSlot | undefined;
  for (const { tier, cron } of tiers) {
    const slot = nextSlot(cron, new Date(newestAt.getTime() + SLOT_TOLERANCE_MS));
    if (slot === undefined || slot.getTime() + graceMs >= now.getTime()) continue;
    if (missed === undefined || slot < missed.slot) missed = { tier, slot };
  }
  return missed;
}

/** A point that substitutes for the missing backup of a tier's slot. */
export interface StandIn {
  readonly tier: Tier;
  readonly slot: Date;
}

/**
 * Returns the points that substitute for a tier's backup, by id: in every slot without an intact backup, the newest intact one made for
 * another tier. This covers a missed weekly backup, a tier added to the policy later, and a renamed tier. Manual backups never
 * substitute: they have only their own expiry.
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
