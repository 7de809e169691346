// lifeboat preview POINT, lifeboat preview SOURCE --to TARGET
import type * as z from "zod/mini";
import { flag, integer, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { askedInWords, inWords } from "../../core/recovery-target.ts";
import { preview } from "../../operations/verbs/preview.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";
import { recoveryTarget, timeline } from "../target-option.ts";

export const previewCommand = defineCommand({
  description:
    "Shows tables (or collections) with their counts and the definitions that differ from now, as of a restore point or any instant that can be reached, and runs a read-only query there. Nothing is restored over. Counts come from the stored fingerprint where there is one; otherwise, and for a query, the data is restored into a scratch place, which is removed at the end. A query runs in a read-only transaction, as a role that may only read, for at most 30 s.",
  arguments: { what: { type: text, help: "Restore point: its name or id; with --to, the source. Default: the only source." } },
  options: {
    to: recoveryTarget,
    timeline,
    source: { type: text, value: "SOURCE", help: "The source, where several have a point of that name." },
    query: { type: text, value: "SQL", help: "A query to run on the data of that instant." },
    collection: { type: text, value: "NAME", help: "The collection of --aggregate." },
    aggregate: {
      type: text,
      value: "PIPELINE",
      help: "A MongoDB aggregation pipeline in extended JSON, to run on the data of that instant.",
    },
    rows: { type: integer(1), value: "N", help: "Most rows that the query gives. Default: 1000." },
    unsigned: { type: flag, help: "Look at a point that no trusted key has signed." },
    plan: { type: flag, help: "Say what would be done, and do nothing." },
  },
  json: true,
  examples: [
    "lifeboat preview 01kahd3m0q7zv2",
    "lifeboat preview shop --to '10m before 14:30' --query 'select count(*) from orders'",
    `lifeboat preview sessions --to 5m --collection users --aggregate '[{"$match":{"active":true}}]'`,
  ],
  run(call) {
    const { plan, ...options } = call.options;
    const { what } = call.args;
    const request = options.to === undefined ? { ...options, point: what } : { ...options, source: what ?? options.source };
    if (plan) return performPlan(call, preview, request, renderPlan);
    return perform(call, preview, request, (result) => human(result, call.paint));
  },
});

function human(result: z.infer<typeof preview.result>, paint: Paint): string {
  const { to, route, holds, tables, differences, notCompared, answer, warnings } = result;
  const facts = renderFacts(
    [
      ["source", result.source],
      ["asked for", askedInWords(to)],
      ["by", route.what],
      ["data of", holds === null ? undefined : inWords(holds)],
      ["read from", result.readFrom === "fingerprint" ? "the stored fingerprint" : "a restored copy, removed again"],
      ["remarks", warnings.join("\n")],
    ],
    paint,
  );
  const rows = tables.map(({ name, rows: number }) => [name, `${number}`]);
  const counts = renderTable([{ title: "name" }, { title: "rows", align: "right" }], rows, { paint });
  const changed = differences?.map(({ object, change }) => `  ${change.padEnd(9)}  ${object}`) ?? [];
  const definitions =
    differences === null
      ? `definitions were not compared with now: ${notCompared}`
      : changed.length === 0
        ? "no definition differs from now"
        : ["definitions that differ from now:", ...changed].join("\n");
  return [facts, counts, definitions, ...(answer === null ? [] : [answered(answer, paint)])].join("\n\n");
}

function answered({ columns, rows, truncated }: NonNullable<z.infer<typeof preview.result>["answer"]>, paint: Paint): string {
  const cell = (value: unknown): string => (value === null ? "null" : typeof value === "string" ? value : JSON.stringify(value));
  const table = renderTable(
    columns.map((title) => ({ title })),
    rows.map((row) => row.map(cell)),
    { paint },
  );
  return truncated ? `${table}\nmore rows were left out: raise --rows, or ask for less` : table;
}
