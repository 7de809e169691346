// lifeboat find SOURCE --check SQL --good T [--bad T]
import type * as z from "zod/mini";
import { flag, integer, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { inWords } from "../../core/recovery-target.ts";
import { find } from "../../operations/verbs/find.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";

export const findCommand = defineCommand({
  description:
    "Finds the last instant at which a check held, by looking at the history of a source: at states of its log, at seconds of its provider's history, or at restore points where there is neither. The check runs read-only in scratch places, which are removed; production is not touched. It names the transactions or oplog entries between the last instant at which the check held and the first at which it did not, and prints the command that restores the data of that instant. A table or a row that does not exist makes a check not hold. Exit status 3: the check broke more than once, or only restore points could be looked at.",
  arguments: { source: { type: text, required: true, help: "Source of the configuration." } },
  options: {
    check: {
      type: text,
      value: "SQL",
      help: "A query that gives true or false, or the name (of a check without one: the table) of a check of the configuration.",
    },
    collection: { type: text, value: "NAME", help: "The collection of --aggregate." },
    aggregate: {
      type: text,
      value: "PIPELINE",
      help: "MongoDB: a pipeline in extended JSON whose first document has `ok`: true or false.",
    },
    good: { type: text, value: "TIME", required: true, help: "A time at which the check held." },
    bad: { type: text, value: "TIME", help: "A later time at which it did not hold. Default: `latest`." },
    plan: { type: flag, help: "Say how often the check would be run at most, by which route, and what it takes and costs; do nothing." },
    timeoutSeconds: { type: integer(1), value: "N", help: "The time that each run of the check may take. Default: 30." },
  },
  json: true,
  examples: [
    `lifeboat find shop --check "select count(*) > 0 from users" --good 09:00 --bad 14:30`,
    "lifeboat find shop --check users --good 'yesterday 18:00'",
    `lifeboat find sessions --collection users --aggregate '[{"$match":{"plan":"pro"}},{"$count":"n"},{"$project":{"ok":{"$gte":["$n",100]}}}]' --good 2h`,
  ],
  run(call) {
    const { plan, ...options } = call.options;
    const request = { ...options, source: call.args.source };
    if (plan) return performPlan(call, find, request, renderPlan);
    return perform(call, find, request, (result) => human(result, call.paint));
  },
});

function human(result: z.infer<typeof find.result>, paint: Paint): string {
  const { lastTrue, firstFalse, changesBetween, changeCount, flips, looks, restore } = result;
  const facts = renderFacts(
    [
      ["source", result.source],
      ["last held", inWords(lastTrue)],
      ["first broke", inWords(firstFalse)],
      ["looked at", `${result.by}; ${looks.length} runs of the check`],
    ],
    paint,
  );
  const between =
    changesBetween === null
      ? "what changed between the two is not shown: the provider gives no log"
      : [
          `${changeCount} ${changeCount === 1 ? "change" : "changes"} between the two:`,
          ...changesBetween.map(({ at, position, id }) => `  ${at}  ${position}  ${id ?? ""}`.trimEnd()),
        ].join("\n");
  const flapping =
    flips.length < 2
      ? []
      : [
          [
            "the check broke more than once; this is the last time:",
            ...flips.map(({ afterAt, untilAt, isTrue }) => `  ${isTrue ? "held again" : "broke"} between ${afterAt} and ${untilAt}`),
          ].join("\n"),
        ];
  return [facts, between, ...flapping, `next: ${restore}`].join("\n\n");
}
