// lifeboat promote: a restored branch becomes production.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { gated, gateFields } from "../approval/gated.ts";
import { whenGuarded } from "../approval/production.ts";
import type { Context, Source } from "../context.ts";
import { planPromote, promote as promoteBranch } from "../recovery/promote.ts";
import { connection, connectionJson, exitOfPlan, kept, plan, restoredPlace } from "../recovery/schemas.ts";
import { about, jobId, nextAction, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const request = z.strictObject({
  branch: about(z.string(), "The branch, by name or id."),
  source: z.optional(about(sourceName, "Default: the one in `yes`, or the only one whose provider has branches.")),
  name: z.optional(about(z.string(), "Its new name. Default: the configured name of the production branch, or production-YYYYMMDD.")),
  keepAs: z.optional(about(z.string(), "Name under which the present production is kept. Default: rollback-YYYYMMDD.")),
  ...gateFields,
  yes: z.optional(about(z.string(), "The source's name: the operator is sure.")),
  credentials: z.optional(about(z.boolean(), "The address in the result has its password.")),
});

export const promote = gated({
  name: "promote",
  access: "restore",
  local: { fields: ["credentials"] },
  oneJob: () => true,
  request,
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    place: about(restoredPlace, "Production now."),
    kept: about(kept, "What was production."),
    connection,
    warnings: z.readonly(z.array(z.string())),
    next: z.array(nextAction),
  }),
  plan: { result: plan, run: (context, asked) => planPromote(context, sourceOf(context, asked), asked, context), exit: exitOfPlan },
  production: async (context, asked) => whenGuarded(sourceOf(context, asked)),

  async run(context, asked) {
    const source = sourceOf(context, asked);
    const { job, name, kept: former, warnings, connection: reached } = await promoteBranch(context, source, asked, context);
    return {
      job,
      source: source.name,
      place: { what: "branch", name, id: null },
      kept: former,
      connection: connectionJson(reached, asked.credentials),
      warnings,
      next: [{ commands: [`lifeboat accept ${job}`], text: `when it is good; ${former.name} expires 7 days later` }],
    };
  },
});

function sourceOf(context: Context, { source, yes }: z.infer<typeof request>): Source {
  const managed = [...context.sources.values()].filter((one) => one.managed === true).map(({ name }) => name);
  const wanted = source ?? yes ?? (managed.length === 1 ? managed[0] : undefined);
  if (wanted === undefined) throw new LifeboatError("USAGE", "the source of the branch is missing: give --source or --yes");
  return sourceNamed(context, wanted);
}
