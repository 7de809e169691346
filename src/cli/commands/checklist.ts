// lifeboat checklist weekly|monthly
import type * as z from "zod/mini";
import { formatInstant } from "../../core/duration.ts";
import { oneOf, text } from "../../core/option-types.ts";
import { checklist } from "../../operations/verbs/checklist.ts";
import { CHECKLISTS } from "../../operations/watch/checklist.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

export const checklistCommand = defineCommand({
  description:
    "The weekly or monthly checklist of a team, filled in, as Markdown: whether the latest backup exists, the window can be reached, size and branches are within their limits, the repository has room, and drills pass. A box is ticked only where a check has shown it; anything else says why not, or why it is not known.",
  arguments: { checklist: { type: oneOf(CHECKLISTS), required: true, help: "Which checklist." } },
  options: { source: { type: text, value: "NAME", help: "Name of the source. Default: all." } },
  json: true,
  examples: ["lifeboat checklist weekly", "lifeboat checklist monthly --source shop"],
  run: (call) => perform(call, checklist, { ...call.args, ...call.options }, renderChecklist),
});

function renderChecklist({ checklist: kind, checkedAt, lists }: z.infer<typeof checklist.result>): string {
  const sections = lists.map(({ source, lines }) =>
    [
      `## ${source}`,
      "",
      ...lines.map(({ question, outcome, said }) => {
        const answer = { pass: said, fail: `no: ${said}`, inconclusive: `not known: ${said}` }[outcome];
        return `- [${outcome === "pass" ? "x" : " "}] ${question}: ${answer}`;
      }),
    ].join("\n"),
  );
  return [`# ${kind === "weekly" ? "Weekly" : "Monthly"} checklist, ${formatInstant(new Date(checkedAt))}`, ...sections].join("\n\n");
}
