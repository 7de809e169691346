// lifeboat compare SOURCE --to TARGET [--with TARGET]
import type * as z from "zod/mini";
import { listOf } from "../../core/option.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { askedInWords } from "../../core/recovery-target.ts";
import { compare } from "../../operations/verbs/compare.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts, renderTable } from "../render/table.ts";
import { perform } from "../session.ts";
import { recoveryTarget } from "../target-option.ts";

export const compareCommand = defineCommand({
  description:
    "Says what differs between a recovery target and the live database, or between two recovery targets: definitions, the number of rows and the content of each table (or collection), sequences, and with --tables the rows, by primary key. A recorded fingerprint is read where there is one; otherwise the data is restored into a scratch place, which is removed. Nothing is changed. Exit status 0: equal; 1: something differs; 3: nothing differs, and something could not be compared.",
  arguments: { source: { type: text, required: true, help: "Source of the configuration." } },
  options: {
    to: { ...recoveryTarget, required: true },
    with: { type: text, value: "TARGET", help: "A second recovery target, in place of the live database." },
    tables: { type: listOf(text), value: "A,B", help: "Tables whose rows are compared: names or patterns." },
    where: { type: text, value: "CONDITION", help: "With --tables: only rows for which this condition holds." },
    limit: { type: integer(1), value: "N", help: "With --tables: differing rows to list, for each table. Default: 100." },
    nearest: { type: flag, help: "Compare the nearest backup before a target that cannot be reached exactly." },
    unsigned: { type: flag, help: "Compare a point that no trusted key has signed." },
  },
  json: true,
  examples: [
    "lifeboat compare shop --to 14:25",
    "lifeboat compare shop --to 'yesterday 18:00' --with 09:00",
    "lifeboat compare shop --to 14:25 --tables users,orders --where 'tenant_id = 42'",
  ],
  run(call) {
    return perform(call, compare, { ...call.options, source: call.args.source }, (result) => human(result, call.paint));
  },
});

function human(result: z.infer<typeof compare.result>, paint: Paint): string {
  const { source, earlier, later, definitions, tables, sequencesThatDiffer, tableRows, unclear, equal } = result;
  const facts = renderFacts(
    [
      ["source", source],
      ["then", `${askedInWords(earlier.to)}, ${earlier.route.what}`],
      ["now", later === null ? "the live database" : `${askedInWords(later.to)}, ${later.route.what}`],
    ],
    paint,
  );
  const number = (rows: number | null): string => (rows === null ? "-" : `${rows}`);
  const differing = tables.filter((one) => one.equal !== true);
  const counts = renderTable(
    [{ title: "table" }, { title: "then", align: "right" }, { title: "now", align: "right" }, { title: "content" }],
    differing.map((one) => [one.name, number(one.earlierRows), number(one.laterRows), one.equal === null ? "not compared" : "differs"]),
    { paint },
  );
  const section = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [[title, ...lines].join("\n")]);
  const rows = (tableRows ?? []).flatMap(({ table, count, firstRows }) => [
    `  ${table}: ${count}`,
    ...firstRows.map(({ keyValues, change }) => {
      const key = Object.entries(keyValues).map(([column, value]) => `${column}=${value}`);
      return `    ${change.padEnd(9)}  ${key.join(" ")}`;
    }),
  ]);
  const verdict = { true: "nothing differs", false: "they differ", null: "nothing differs of what could be compared" }[`${equal}`];
  return [
    facts,
    ...(differing.length === 0 ? [] : [counts]),
    ...section(
      "definitions that differ:",
      definitions.map(({ object, change }) => `  ${change.padEnd(9)}  ${object}`),
    ),
    ...section(
      "sequences that differ:",
      sequencesThatDiffer.map(({ name, earlierValue, laterValue }) => `  ${name}: ${earlierValue ?? "-"} → ${laterValue ?? "-"}`),
    ),
    ...section("rows that differ:", rows),
    ...section(
      "not compared:",
      unclear.map((line) => `  ${line}`),
    ),
    verdict,
  ].join("\n\n");
}
