// lifeboat undo JOB
import { flag, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { undo } from "../../operations/verbs/undo.ts";
import { approvalOptions, askApproval } from "../approval-options.ts";
import { defineCommand } from "../command.ts";
import { mergedInWords, renderNext } from "../render/restore.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions } from "../target-option.ts";

export const undoCommand = defineCommand({
  description:
    "Brings back the state before a merge (`restore --merge`), or before tables or rows were loaded into a database in use (`restore --tables --replace`, `restore --data-only`), from the undo set that the job stored. Rows that were changed after a merge are named and left alone; tables that were changed are refused. What an undo changes can itself be undone.",
  arguments: { job: { type: text, required: true, help: "Id of the job that merged or replaced tables, or its beginning." } },
  options: {
    into: { type: text, value: "URL", help: "The database, where the job went to an address." },
    overwriteChanged: { type: flag, help: "Overwrite what was changed after the job too." },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    ...planOptions,
    ...approvalOptions,
  },
  json: true,
  examples: ["lifeboat undo 01kahd3m0q7zv2 --plan", "lifeboat undo 01kahd3m0q7zv2 --yes shop"],
  run(call) {
    const { plan, requestApproval, ...options } = call.options;
    const request = { ...call.args, ...options };
    if (plan) return performPlan(call, undo, request, renderPlan);
    if (requestApproval) return askApproval(call, "undo", request);
    return perform(call, undo, request, ({ target, undone, tables, next }) => {
      const changed = tables.some(({ inserted, updated, deleted }) => inserted + updated + deleted > 0);
      const isLeft = tables.some(({ changedSince }) => changedSince > 0);
      const why = isLeft ? `no row of ${target} is as job ${undone} left it` : `${target} is as it was before job ${undone}`;
      const done = changed ? `job ${undone} is undone in ${target}` : `nothing was changed: ${why}`;
      return [done, ...tables.map((one) => `  ${mergedInWords(one)}`), ...renderNext(next, call.paint)].join("\n");
    });
  },
});
