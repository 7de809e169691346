// lifeboat recover: every source restored to one instant, beside production.
import * as z from "zod/mini";
import { combine } from "../../core/combined.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import { askedOf, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { type Context, presentOf } from "../context.ts";
import { exitOfFailures, operation } from "../operation.ts";
import { digestOfAll } from "../plan-digest.ts";
import { planRecoverAll, type RecoveredSource, recoverAll } from "../recovery/recover.ts";
import { fileRecoveryReport } from "../recovery/recovery-report.ts";
import { checkReferences } from "../recovery/references.ts";
import {
  asked,
  combined,
  combinedJson,
  connection,
  connectionJson,
  exitOfFinding,
  findingFields,
  findingJson,
  plan,
  planDigest,
  restoredPlace,
} from "../recovery/schemas.ts";
import { about, count, failure, nextAction, orNull, verdict } from "../schemas.ts";
import { failureOf } from "../sources.ts";

const recovered = z.strictObject({
  ...findingFields,
  place: orNull(restoredPlace),
  connection: orNull(connection),
  warnings: z.readonly(z.array(z.string())),
});

export const recover = operation({
  name: "recover",
  access: "restore",
  local: { fields: ["credentials"] },
  request: z.strictObject({
    to: about(z.string(), "The instant, the same for all: a time, how long ago, or latest."),
    nearest: z.optional(about(z.boolean(), "Where the instant cannot be reached exactly, the nearest backup before it is restored.")),
    planDigest: z.optional(planDigest),
    credentials: z.optional(about(z.boolean(), "Addresses in the result have their passwords.")),
  }),
  result: z.strictObject({
    to: asked,
    sources: z.array(recovered),
    references: about(
      z.array(
        z.strictObject({
          reference: about(z.string(), "As in the configuration."),
          outcome: verdict,
          checked: about(count, "Values that were looked up."),
          dangling: about(count, "Values that point at nothing."),
          sample: about(z.readonly(z.array(z.string())), "Some of these."),
          message: z.string(),
        }),
      ),
      "References between the restored databases.",
    ),
    combined,
    report: about(
      orNull(
        z.strictObject({
          recovery: about(z.string(), "Id of the report, another for each run."),
          object: about(z.string(), "Name in the repository; `report.md` is beside it."),
        }),
      ),
      "The one report of all sources: verdict, places, references, and one timeline. Null: the repository cannot be written.",
    ),
    failures: z.readonly(z.array(failure)),
    next: z.array(nextAction),
  }),
  plan: {
    result: z.strictObject({ to: asked, plans: z.readonly(z.array(plan)), digest: about(z.string(), "Of all plans together.") }),
    async run(context, request) {
      const to = parseRecoveryTarget(request.to, presentOf(context));
      const plans = await planRecoverAll(context, { to, nearest: request.nearest }, context);
      return { to: askedOf(to, presentOf(context)), plans, digest: digestOfAll(plans) };
    },
    exit: ({ plans }) => (plans.some(({ refusals }) => refusals.length > 0) ? EXIT.usage : EXIT.done),
  },

  async run(context, { to: words, nearest, planDigest: digest, credentials }) {
    const to = parseRecoveryTarget(words, presentOf(context));
    const startedAt = context.clock.now();
    const all = await recoverAll(context, { to, nearest, planDigest: digest }, context);
    const sources = all.flatMap((one) => sourceJson(context, one, credentials));
    const failures = all.flatMap(({ source, error }) => (error === undefined ? [] : [failureOf(source, error)]));
    const parts = all.flatMap(({ finding: found }) => (found === undefined ? [] : [found.evidence]));
    const missing = failures.map(({ source }) => source);
    const connections = new Map(all.flatMap(({ source, connection: at }) => (at === undefined ? [] : [[source, at] as const])));
    const found = await checkReferences(context, connections, context);
    const checks = found.map(({ check }) => check);
    const ids = parts.map(({ id }) => id);
    const together = combine(parts, context.combinedObjective, { order: "at once", missing, checks });
    const understood = askedOf(to, presentOf(context));
    const recovery = makeId(startedAt, context.clock.randomBytes(ID_RANDOM_BYTES));
    const facts = { id: recovery, startedAt, to: understood, sources: all, references: found, combined: together };
    const object = await fileRecoveryReport(context, facts, context);
    return {
      to: understood,
      sources,
      references: found.map(({ check: { outcome, message }, reference, checked, dangling, sample }) => ({
        ...{ reference, outcome, checked, dangling, sample, message },
      })),
      combined: combinedJson(together),
      report: object === undefined ? null : { recovery, object },
      failures,
      next: ids.length === 0 ? [] : [{ text: "the timeline of all", commands: [`lifeboat jobs show ${ids.join(" ")}`] }],
    };
  },

  /** The worst of them; each in its own time and all of them not in theirs is an objective missed. */
  exit({ sources, failures, combined: { verdict: whole } }): ExitStatus {
    const failed = exitOfFailures(failures);
    if (failed !== undefined) return failed;
    const exits = sources.map(exitOfFinding);
    const bad = exits.find((exit) => exit === EXIT.failed) ?? exits.find((exit) => exit !== EXIT.done);
    return bad ?? (whole === "fail" ? EXIT.unhealthy : whole === "inconclusive" ? EXIT.inconclusive : EXIT.done);
  },
});

function sourceJson(
  context: Context,
  { finding, place, connection: reached, warnings }: RecoveredSource,
  credentials: boolean | undefined,
) {
  if (finding === undefined) return [];
  return [
    {
      ...findingJson(context, finding),
      place: place === undefined ? null : { ...place, id: null },
      connection: reached === undefined ? null : connectionJson(reached, credentials),
      warnings,
    },
  ];
}
