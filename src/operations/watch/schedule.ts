// The schedule of a source: what its policy and its drills make when, and what of it is due. Everything is computed from the
// configuration and the repository, so that no process has to remember anything.
import { nextSlot, previousSlot } from "../../core/cron.ts";
import { jobsSince } from "../../repository/journal.ts";
import { dueOf } from "../backup/due.ts";
import type { Context, Source, Watch } from "../context.ts";
import { dueDrills } from "../recovery/drills-due.ts";

export interface Scheduled {
  readonly what: "backup" | "base backup" | "snapshot" | "drill" | "expire";
  /** Tier, rule or drill. */
  readonly name: string;
  /** In UTC. */
  readonly cron: string;
  readonly due: boolean;
  readonly lastSlot: Date | undefined;
  readonly nextSlot: Date | undefined;
}

/** What is scheduled for the source, in the order of the next slots. The provider's own schedule is not part of it. */
export async function scheduleOf(context: Context, source: Source, watch: Watch): Promise<Scheduled[]> {
  const now = context.clock.now();
  const [due, drills] = [await dueOf(context, source, watch), await dueDrills(context, source, watch)];
  const entry = (what: Scheduled["what"], name: string, cron: string, isDue: boolean): Scheduled => ({
    ...{ what, name, cron, due: isDue },
    lastSlot: previousSlot(cron, now),
    nextSlot: nextSlot(cron, now),
  });
  const rules = source.managed === true ? (source.snapshotPolicy?.rules.filter(({ by }) => by !== "provider") ?? []) : [];
  const { baseCron, expireCron, engine } = source;
  return [
    ...source.policy.tiers.map(({ tier, cron }) => entry("backup", tier, cron, due.tiers.includes(tier))),
    ...(baseCron === undefined || engine.physical === undefined ? [] : [entry("base backup", "base", baseCron, due.base)]),
    ...rules.map(({ name, cron }) =>
      entry(
        "snapshot",
        name,
        cron,
        due.rules.some((rule) => rule.name === name),
      ),
    ),
    ...(source.drills ?? []).map(({ name, cron }) =>
      entry(
        "drill",
        name,
        cron,
        drills.some(({ plan }) => plan.name === name),
      ),
    ),
    ...(expireCron === undefined ? [] : [entry("expire", "expire", expireCron, await isExpiryDue(context, source, expireCron, watch))]),
  ].sort((a, b) => (a.nextSlot?.getTime() ?? 0) - (b.nextSlot?.getTime() ?? 0));
}

/** An expiry is due once per slot: one that failed is tried again at the next. */
export async function isExpiryDue({ repository, clock }: Context, source: Source, cron: string, watch: Watch): Promise<boolean> {
  const slot = previousSlot(cron, clock.now());
  if (slot === undefined) return false;
  for await (const job of jobsSince(repository, slot, watch.signal)) {
    if (job.verb === "expire" && job.source === source.name && new Date(job.startedAt) >= slot) return false;
  }
  return true;
}
