// lifeboat drill [SOURCE], lifeboat drill --due
import type * as z from "zod/mini";
import { flag, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { drill } from "../../operations/verbs/drill.ts";
import { defineCommand } from "../command.ts";
import { renderFailures } from "../render/failures.ts";
import { renderCombined, renderFinding } from "../render/finding.ts";
import type { Paint } from "../render/paint.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions, recoveryTarget, timeline } from "../target-option.ts";

export const drillCommand = defineCommand({
  description:
    "Restores into scratch, compares fingerprints, asks the configured checks, measures recovery time and loss against the objectives, removes the scratch, and files the evidence. It never writes to the source. Without a source, every one is drilled, one after another, and what was achieved together (the times added up, the greatest loss) is judged against the combined objective.",
  arguments: { source: { type: text, help: "Name of the source. Default: every source, one after the other." } },
  options: {
    to: recoveryTarget,
    timeline,
    due: {
      type: flag,
      help: "Run what `drills` of the configuration says is due, of this source or of all, each to its own target. Nothing due is success.",
    },
    ...planOptions,
    unsigned: {
      type: flag,
      help: "Restore a point that no trusted key has signed: you know who made it. Its verdict is inconclusive at best.",
    },
  },
  json: true,
  examples: ["lifeboat drill shop", "lifeboat drill shop --to 7d", "lifeboat drill shop --plan", "lifeboat drill --due"],
  run(call) {
    const { plan, ...options } = call.options;
    const request = { ...call.args, ...options };
    if (plan) return performPlan(call, drill, request, ({ plans }) => plans.map(renderPlan).join("\n"));
    return perform(call, drill, request, (result) => renderDrills(result, call.paint));
  },
});

function renderDrills({ drills, combined, failures }: z.infer<typeof drill.result>, paint: Paint): string {
  const failed = renderFailures(failures, paint);
  if (drills.length + failed.length === 0) return "no drill is due";
  // Of one source alone the combined line says nothing new.
  const together = combined !== null && drills.length + failures.length > 1 ? [renderCombined(combined, paint)] : [];
  return [...drills.map((one) => renderFinding("drill", one, paint)), ...failed, ...together].join("\n\n");
}
