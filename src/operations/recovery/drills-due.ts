// The drills of the configuration that are due: safe to ask as often as one likes, from a line of cron.
import { type DoneDrill, type DueDrill, drillsCountFrom, drillsDue } from "../../core/drill-schedule.ts";
import { evidenceOf } from "../../repository/evidence.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";

/** `at`: only slots up to here. Default: now. */
export async function dueDrills(
  context: Context,
  source: Source,
  watch: Pick<Watch, "signal">,
  at = context.clock.now(),
): Promise<DueDrill[]> {
  return drillsDue(source.drills ?? [], await drillsDone(context, source, watch), at);
}

/** The drills of the source that its plans may count: those since the oldest slot that is still to be served. */
export async function drillsDone(context: Context, source: Source, { signal }: Pick<Watch, "signal">): Promise<DoneDrill[]> {
  const now = context.clock.now();
  const plans = source.drills ?? [];
  const since = drillsCountFrom(plans, now);
  if (since === undefined) return [];
  const all: DoneDrill[] = [];
  for (const place of await placesOf(context)) {
    const done: DoneDrill[] = [];
    for await (const { plan, startedAt } of evidenceOf(place, source.name, "drill", now, signal)) {
      const at = new Date(startedAt);
      if (at < since) break;
      done.push({ plan: plan?.name, at });
      // A plan that was done since its newest slot was done since every older one.
      if (drillsDue(plans, done, now).length === 0) break;
    }
    all.push(...done);
  }
  return all;
}
