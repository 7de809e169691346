// lifeboat drill: restores into scratch, compares, measures, files the evidence.
import * as z from "zod/mini";
import { combine } from "../../core/combined.ts";
import { asLifeboatError, EXIT, type ExitStatus, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { askedOf, onTimeline, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { findEvidence } from "../../repository/evidence.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { exitOfFailures, type Failure, type OperationContext, operation } from "../operation.ts";
import { type Finding, heldBy } from "../recovery/conclude.ts";
import { drill as drillSource, planDrill } from "../recovery/drill.ts";
import { dueDrills } from "../recovery/drills-due.ts";
import {
  combined,
  combinedJson,
  exitOfFinding,
  exitOfPlan,
  finding,
  findingJson,
  plan,
  planDigest,
  timelineField,
} from "../recovery/schemas.ts";
import { about, failure, orNull, sourceName } from "../schemas.ts";
import { eachSource, failureOf, sourcesNamed } from "../sources.ts";

const request = z.strictObject({
  source: z.optional(about(sourceName, "Default: every source, one after another.")),
  to: z.optional(about(z.string(), "Recovery target. Default: latest.")),
  timeline: z.optional(timelineField),
  due: z.optional(about(z.boolean(), "Run the drills of the configuration that are due, each to its own target.")),
  unsigned: z.optional(about(z.boolean(), "Restore a point that no trusted key has signed.")),
  planDigest: z.optional(planDigest),
});
type Asked = z.infer<typeof request>;

export const drill = operation({
  name: "drill",
  access: "backup",
  local: { fields: ["unsigned"] },
  oneJob: ({ source, due }) => source !== undefined && !due,
  request,
  result: z.strictObject({
    drills: z.array(finding),
    combined: about(orNull(combined), "All sources together. Null for one source and for drills that were due."),
    failures: z.readonly(z.array(failure)),
  }),

  plan: {
    result: z.strictObject({ plans: z.array(plan), failures: z.readonly(z.array(failure)) }),
    async run(context, asked) {
      const { source, to, timeline, due, unsigned } = asked;
      refuseBeside(asked, sourcesNamed(context, source));
      const planned = await eachSource(sourcesNamed(context, source), context, async (one) => {
        const targets = due ? (await dueDrills(context, one, context)).map(({ plan: schedule }) => schedule.to) : [to ?? "latest"];
        const read = (words: string) => onTimeline(parseRecoveryTarget(words, presentOf(context)), timeline);
        return Promise.all(targets.map((words) => planDrill(context, one, read(words), context, { unsigned })));
      });
      return { plans: planned.results.flat(), failures: planned.failures };
    },
    exit: ({ plans, failures }) => exitOfFailures(failures) ?? exitOfPlan({ refusals: plans.flatMap(({ refusals }) => refusals) }),
  },

  async run(context, asked) {
    const { source, to, timeline, due, unsigned, planDigest: digest } = asked;
    const sources = sourcesNamed(context, source);
    refuseBeside(asked, sources);
    const target = onTimeline(parseRecoveryTarget(to ?? "latest", presentOf(context)), timeline);
    const late: Failure[] = [];
    const { results, failures: away } = await eachSource(sources, context, async (one) =>
      due ? drillDue(context, one, unsigned, late) : [await drillSource(context, one, target, context, { unsigned, planDigest: digest })],
    );
    const found = results.flat();
    const failures = [...away, ...late];
    return {
      drills: found.map((one) => findingJson(context, one)),
      combined: source === undefined && due !== true ? combinedOf(context, found, failures) : null,
      failures,
    };
  },

  async found(context, { source = "", to, timeline }, job) {
    for (const place of await placesOf(context)) {
      const filed = await findEvidence(place, source, job, context.signal);
      if (filed === undefined) continue;
      const { startedAt, endedAt, checks, point } = filed.evidence;
      const at = (instant: string) => ({ ...presentOf(context), now: new Date(instant) });
      const target = onTimeline(parseRecoveryTarget(to ?? "latest", at(startedAt)), timeline);
      const present = at(endedAt);
      const aside = place === context.repository ? undefined : context.aside;
      const found = { ...filed, to: askedOf(target, present), holds: heldBy({ asked: target, checks, point }, present), aside };
      return { drills: [findingJson(context, found)], combined: null, failures: [] };
    }
    return undefined;
  },

  exit({ drills, combined: together, failures }) {
    const statuses: ExitStatus[] = drills.map(exitOfFinding);
    const failed = exitOfFailures(failures);
    if (failed !== undefined) return failed;
    const worst = statuses.includes(EXIT.failed) ? EXIT.failed : (statuses.find((status) => status !== EXIT.done) ?? EXIT.done);
    // Each in its own time, and all of them not in theirs.
    return worst === EXIT.done && drills.length > 1 && together?.verdict === "fail" ? EXIT.unhealthy : worst;
  },
});

/** Options that mean nothing together are refused, not ignored. */
function refuseBeside({ due, to, timeline, planDigest: digest }: Asked, sources: readonly Source[]): void {
  const given = [to !== undefined && "--to", timeline !== undefined && "--timeline", digest !== undefined && "--plan-digest"].find(Boolean);
  if (due && given) throw new LifeboatError("USAGE", `${given} has no meaning beside --due: each drill has its own target`);
  if (digest !== undefined && sources.length > 1)
    throw new LifeboatError("USAGE", "--plan-digest is of the plan of one source", {
      hint: "run `lifeboat drill NAME --plan-digest DIGEST`",
    });
}

/** A drill that cannot be done keeps no other from its turn, and loses no finding. */
async function drillDue(context: OperationContext, source: Source, unsigned: boolean | undefined, late: Failure[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const { plan } of await dueDrills(context, source, context)) {
    // Another process may have done it before this one got the lease.
    const confirm = async (): Promise<void> => {
      if ((await dueDrills(context, source, context)).some((due) => due.plan.name === plan.name)) return;
      throw new LifeboatError("NOT_DUE", `another process did the drill ${plan.name} of ${source.name}`);
    };
    try {
      const to = parseRecoveryTarget(plan.to, presentOf(context));
      found.push(await drillSource(context, source, to, context, { unsigned, plan, confirm }));
    } catch (error) {
      context.signal.throwIfAborted();
      if (isLifeboatError(error, "NOT_DUE")) continue;
      late.push(failureOf(source.name, error));
      context.progress.note(`${source.name}: drill ${plan.name}: ${asLifeboatError(error).message}`);
    }
  }
  return found;
}

function combinedOf(context: Context, found: readonly Finding[], failures: readonly { readonly source: string }[]) {
  const parts = found.map(({ evidence: { source, verdict, achieved } }) => ({ source, verdict, achieved }));
  const missing = failures.map(({ source }) => source);
  return combinedJson(combine(parts, context.combinedObjective, { order: "one after another", missing }));
}
