// lifeboat undo JOB: the state before a merge, or before tables were replaced.
import * as z from "zod/mini";
import { formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { gated, gateFields } from "../approval/gated.ts";
import { productionOf } from "../approval/production.ts";
import { mergedTables } from "../recovery/merge-schemas.ts";
import { exitOfPlan, plan } from "../recovery/schemas.ts";
import { planUndo, undoJob, undoTarget } from "../recovery/undo.ts";
import { about, jobId, nextAction, sourceName } from "../schemas.ts";

const request = z.strictObject({
  job: about(z.string(), "Id of the job that merged or replaced tables, or its beginning."),
  into: z.optional(about(z.string(), "The database, where the job went to an address.")),
  overwriteChanged: z.optional(about(z.boolean(), "Rows that were changed since are overwritten too.")),
  ...gateFields,
  yes: z.optional(about(z.string(), "The source's name: the operator is sure.")),
});

const result = z.strictObject({
  job: jobId,
  source: sourceName,
  target: about(z.string(), "The database."),
  undone: about(jobId, "The job whose changes were undone."),
  tables: mergedTables,
  next: z.array(nextAction),
});

export const undo = gated({
  name: "undo",
  access: "restore",
  local: { fields: ["into"] },
  oneJob: () => true,
  request,
  result,
  plan: { result: plan, run: (context, asked) => planUndo(context, asked, context), exit: exitOfPlan },
  async production(context, asked) {
    const { source, into } = await undoTarget(context, asked, context);
    return productionOf(context, source, { into, merge: true });
  },
  async run(context, asked) {
    const { undo: again, ...done } = await undoJob(context, asked, context);
    const text = again && `to bring it back again, until ${formatInstant(new Date(again.expiresAt))}`;
    return { ...done, next: text === undefined ? [] : [{ text, commands: [`lifeboat undo ${done.job} --yes ${done.source}`] }] };
  },
  /** Rows that were left alone are not undone. */
  exit: ({ tables }) => (tables.some(({ changedSince }) => changedSince > 0) ? EXIT.inconclusive : EXIT.done),
});
