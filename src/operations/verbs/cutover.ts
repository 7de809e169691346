// lifeboat cutover: the application is pointed at another database of its source.
import * as z from "zod/mini";
import { gated, gateFields } from "../approval/gated.ts";
import { whenGuarded } from "../approval/production.ts";
import { cutOver as cutOverSource, planCutOver } from "../cutover/cutover.ts";
import { exitOfPlan, plan } from "../recovery/schemas.ts";
import { about, exitOf, jobId, sourceName, verdict } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

export const cutover = gated({
  name: "cutover",
  access: "restore",
  local: { fields: ["url"] },
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    to: z.optional(about(z.string(), "A database on the source's server, or a branch or cluster at its provider.")),
    url: z.optional(about(z.string(), "The whole connection string instead of `to`.")),
    back: z.optional(about(z.boolean(), "Where the application was pointed before the last cut-over, instead of `to`.")),
    only: z.optional(about(z.array(z.string()), "Cut-overs of the configuration, by name. Default: all of the source.")),
    yes: z.optional(about(z.string(), "The source's name: the operator is sure.")),
    ...gateFields,
  }),
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    to: about(z.string(), "What the application reads now."),
    cutovers: z.readonly(
      z.array(
        z.strictObject({
          name: z.string(),
          kind: about(z.string(), "As in the configuration."),
          variable: about(z.string(), "What holds the connection string there."),
          changed: about(z.boolean(), "False: it named that database already."),
        }),
      ),
    ),
    verdict: about(verdict, "`inconclusive`: no health address is configured."),
    message: z.string(),
  }),
  plan: {
    result: plan,
    run: (context, { source, ...request }) => planCutOver(context, sourceNamed(context, source), request, context),
    exit: exitOfPlan,
  },
  production: async (context, { source }) => whenGuarded(sourceNamed(context, source)),
  async run(context, { source, ...request }) {
    const { targets, ...done } = await cutOverSource(context, sourceNamed(context, source), request, context);
    return { source, cutovers: targets, ...done };
  },
  exit: ({ verdict: found }) => exitOf(found),
});
