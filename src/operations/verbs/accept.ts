// lifeboat accept: what a restore or promotion did is good, and what it replaced may go.
import * as z from "zod/mini";
import { gated, gateFields } from "../approval/gated.ts";
import { whenGuarded } from "../approval/production.ts";
import { accept as acceptJob, planAccept } from "../recovery/accept.ts";
import { exitOfPlan, kept, plan } from "../recovery/schemas.ts";
import { about, instant, iso, jobId, orNull, sourceName } from "../schemas.ts";

export const accept = gated({
  name: "accept",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({
    job: about(z.string(), "Id of the job that restored or promoted, or its beginning."),
    ...gateFields,
    yes: z.optional(about(z.string(), "The source's name: the operator is sure.")),
  }),
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    kept: about(kept, "What was replaced."),
    acceptedAt: instant,
    expiresAt: about(orNull(instant), "When it is removed. Null: it is removed already."),
  }),
  plan: { result: plan, run: (context, request) => planAccept(context, request, context), exit: exitOfPlan },
  async production(context, request) {
    const source = context.sources.get((await planAccept(context, request, context)).source);
    return source === undefined ? [] : whenGuarded(source);
  },
  async run(context, request) {
    const { job, source, kept: replaced, acceptedAt, expiresAt } = await acceptJob(context, request, context);
    return { job, source, kept: replaced, acceptedAt: acceptedAt.toISOString(), expiresAt: iso(expiresAt) };
  },
});
