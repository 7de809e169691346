// lifeboat checklist: the weekly or monthly checklist, each item answered by a check.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { operation, worstOf } from "../operation.ts";
import { about, exitOf, instant, sourceName, verdict } from "../schemas.ts";
import { sourcesNamed } from "../sources.ts";
import { CHECKLISTS, checklistsOf } from "../watch/checklist.ts";

const checklistKind = about(z.enum(CHECKLISTS), "Which checklist.");

const item = z.strictObject({
  item: about(z.string(), "Stable name of the item."),
  question: about(z.string(), "What is checked."),
  outcome: about(verdict, "`pass`: a check has shown it. `inconclusive`: it is not known."),
  said: about(z.string(), "The figure, or the reason."),
});

export const checklist = operation({
  name: "checklist",
  access: "look",
  request: z.strictObject({ checklist: checklistKind, source: z.optional(about(sourceName, "Default: all.")) }),
  result: z.strictObject({
    checklist: checklistKind,
    verdict: about(verdict, "Of all items together."),
    checkedAt: instant,
    lists: z.array(z.strictObject({ source: sourceName, lines: z.array(item) })),
  }),
  async run(context, { checklist: kind, source }) {
    const lists = await checklistsOf(context, sourcesNamed(context, source), kind, context);
    const outcomes = lists.flatMap(({ lines }) => lines.map(({ outcome }) => outcome));
    return { checklist: kind, verdict: worstOf(outcomes), checkedAt: context.clock.now().toISOString(), lists };
  },
  exit: ({ verdict: found }) => exitOf(found, EXIT.unhealthy),
});
