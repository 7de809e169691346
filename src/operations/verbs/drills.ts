// lifeboat drills: the history of drills, against the objectives.
import * as z from "zod/mini";
import { overdueDrill } from "../../core/drill-schedule.ts";
import { type Evidence, evidenceOf } from "../../repository/evidence.ts";
import type { Source } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { type OperationContext, operation } from "../operation.ts";
import { drillsDone } from "../recovery/drills-due.ts";
import { objective } from "../recovery/schemas.ts";
import { about, count, instant, iso, jobId, orNull, seconds, sourceName, verdict } from "../schemas.ts";
import { sourcesNamed } from "../sources.ts";

const pastDrill = z.strictObject({
  id: jobId,
  endedAt: instant,
  verdict,
  drill: about(orNull(z.string()), "Its name in the configuration. Null: a user started it."),
  rtoSeconds: orNull(seconds),
  rpoSeconds: orNull(seconds),
});

const history = z.strictObject({
  source: sourceName,
  objective,
  lastPassAt: about(orNull(instant), "Null: none of the drills listed passed."),
  overdue: about(
    orNull(z.strictObject({ drill: about(z.string(), "Its name in the configuration."), slotAt: instant })),
    "The drill that has been due for the longest time.",
  ),
  doneDrills: about(z.array(pastDrill), "Oldest first."),
});

const DEFAULT_LIMIT = 24;

export const drills = operation({
  name: "drills",
  access: "look",
  request: z.strictObject({
    source: z.optional(about(sourceName, "Default: all.")),
    limit: z.optional(about(count.check(z.minimum(1)), `The most drills of a source, the newest ones. Default: ${DEFAULT_LIMIT}.`)),
  }),
  result: z.strictObject({ histories: z.array(history) }),
  async run(context, { source, limit = DEFAULT_LIMIT }) {
    const sources = sourcesNamed(context, source);
    return { histories: await Promise.all(sources.map((one) => historyOf(context, one, limit))) };
  },
});

async function historyOf(context: OperationContext, source: Source, limit: number): Promise<z.infer<typeof history>> {
  const now = context.clock.now();
  const found: Evidence[] = [];
  for (const place of await placesOf(context)) {
    let left = limit;
    for await (const evidence of evidenceOf(place, source.name, "drill", now, context.signal)) {
      found.push(evidence);
      if (--left === 0) break;
    }
  }
  const past = found.sort((a, b) => (a.endedAt < b.endedAt ? -1 : 1)).slice(-limit);
  const overdue = overdueDrill(source.drills ?? [], await drillsDone(context, source, context), now);
  return {
    source: source.name,
    objective: source.objective,
    lastPassAt: past.findLast((one) => one.verdict === "pass")?.endedAt ?? null,
    overdue: overdue === undefined ? null : { drill: overdue.plan.name, slotAt: iso(overdue.slot) ?? "" },
    doneDrills: past.map(({ id, endedAt, verdict: outcome, plan, achieved }) => ({
      ...{ id, endedAt, verdict: outcome },
      drill: plan?.name ?? null,
      rtoSeconds: achieved.rtoSeconds ?? null,
      rpoSeconds: achieved.rpoSeconds ?? null,
    })),
  };
}
