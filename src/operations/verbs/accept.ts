// lifeboat accept: what a restore or promotion did is good, and what it replaced may go.
import * as z from "zod/mini";
import { operation } from "../operation.ts";
import { accept as acceptJob } from "../recovery/accept.ts";
import { kept } from "../recovery/schemas.ts";
import { about, instant, iso, jobId, orNull, sourceName } from "../schemas.ts";

export const accept = operation({
  name: "accept",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({
    job: about(z.string(), "Id of the job that restored or promoted, or its beginning."),
    yes: z.optional(about(z.string(), "The source's name: the operator is sure.")),
  }),
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    kept: about(kept, "What was replaced."),
    acceptedAt: instant,
    expiresAt: about(orNull(instant), "When it is removed. Null: it is removed already."),
  }),
  async run(context, request) {
    const { job, source, kept: replaced, acceptedAt, expiresAt } = await acceptJob(context, request, context);
    return { job, source, kept: replaced, acceptedAt: acceptedAt.toISOString(), expiresAt: iso(expiresAt) };
  },
});
