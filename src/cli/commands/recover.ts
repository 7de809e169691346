// lifeboat recover --to TIME
import type * as z from "zod/mini";
import { flag, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { recover } from "../../operations/verbs/recover.ts";
import { defineCommand } from "../command.ts";
import { renderFailures } from "../render/failures.ts";
import { renderCombined, renderFinding } from "../render/finding.ts";
import type { Paint } from "../render/paint.ts";
import { renderNext } from "../render/restore.ts";
import { renderFacts } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions } from "../target-option.ts";

export const recoverCommand = defineCommand({
  description:
    "Restores every source to one instant, all at once and beside production, which is not touched: a new branch at Neon, a new cluster at Atlas, a database named after the source's with `_recovered` elsewhere. Each is proven as by `restore`; what was achieved together (the time of the slowest, the greatest loss) is judged against the combined objective. One that fails keeps no other from coming back. One signed report holds the verdict, what became of each source, references that dangle, and one timeline.",
  arguments: {},
  options: {
    to: {
      type: text,
      required: true,
      value: "TIME",
      help: 'The instant, the same for all: a time (2026-11-28T14:25:00Z, 14:25, "yesterday 14:25"), how long ago (5m, "5 minutes ago"), or `latest`.',
    },
    nearest: {
      type: flag,
      help: "Where the instant cannot be reached exactly, restore the nearest backup before it. Without it, that source is refused.",
    },
    ...planOptions,
    showPassword: { type: flag, help: "Print the connection strings with their passwords." },
  },
  json: true,
  examples: ["lifeboat recover --to 2026-11-20T14:29:59Z --plan", "lifeboat recover --to 5m"],
  run(call) {
    const { plan, showPassword, ...options } = call.options;
    if (plan)
      return performPlan(call, recover, options, ({ plans, digest }) => [...plans.map(renderPlan), `digest of all ${digest}`].join("\n"));
    return perform(call, recover, { ...options, credentials: showPassword }, (result) => human(result, call.paint));
  },
});

type Recovered = z.infer<typeof recover.result>;

function human({ sources, references, combined, report, failures, next }: Recovered, paint: Paint): string {
  const ofSource = (found: Recovered["sources"][number]): string => {
    const { place, connection } = found;
    const where = renderFacts(
      [
        [place?.what ?? "place", place?.name],
        ["connection", connection?.url],
      ],
      paint,
    );
    return `${renderFinding("restore", found, paint)}\n${where}`;
  };
  const between = references.map(({ reference, outcome, message }) => `${paint.verdict(outcome)}  ${reference}: ${message}`);
  return [
    ...sources.map(ofSource),
    ...renderFailures(failures, paint),
    ...(between.length > 0 ? [between.join("\n")] : []),
    renderCombined(combined, paint),
    report === null
      ? "no report was stored: the repository cannot be written"
      : `report of all: ${report.object.replace(/[^/]+$/, "report.md")}`,
    ...(next.length === 0 ? [] : [renderNext(next, paint).join("\n")]),
  ].join("\n\n");
}
