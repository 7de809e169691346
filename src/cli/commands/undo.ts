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
    "Brings back the state before a merge (`restore --merge`), from the undo set that its job stored. Rows that were changed after the merge are named and left alone. What an undo changes can itself be undone.",
  arguments: { job: { type: text, required: true, help: "Id of the job that merged, or its beginning." } },
  options: {
    into: { type: text, value: "URL", help: "The database, where the merge went to an address." },
    overwriteChanged: { type: flag, help: "Overwrite rows too that were changed after the merge." },
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
      const done = changed
        ? `job ${undone} is undone in ${target}`
        : `nothing was changed: no row of ${target} is as job ${undone} left it`;
      return [done, ...tables.map((one) => `  ${mergedInWords(one)}`), ...renderNext(next, call.paint)].join("\n");
    });
  },
});
