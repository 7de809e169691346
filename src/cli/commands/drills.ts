// lifeboat drills [SOURCE]
import type * as z from "zod/mini";
import { formatDuration, formatInstant } from "../../core/duration.ts";
import { integer, text } from "../../core/option-types.ts";
import { drills } from "../../operations/verbs/drills.ts";
import { defineCommand } from "../command.ts";
import { renderPromise } from "../render/finding.ts";
import type { Paint } from "../render/paint.ts";
import { renderTable } from "../render/table.ts";
import { trendOf } from "../render/trend.ts";
import { perform } from "../session.ts";

export const drillsCommand = defineCommand({
  description:
    "The drills that were done, oldest first: verdict, achieved RTO and RPO against the objectives with their trend, the last pass of each source, and what is overdue. It reads the signed evidence in the repository; `lifeboat drill` does one.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: { limit: { type: integer(1), value: "N", help: "The most drills of a source, the newest ones. Default: 24." } },
  json: true,
  examples: ["lifeboat drills", "lifeboat drills shop --limit 6"],
  run: (call) =>
    perform(call, drills, { ...call.args, ...call.options }, ({ histories }) =>
      histories.map((one) => renderHistory(one, call.paint)).join("\n\n"),
    ),
});

type History = z.infer<typeof drills.result>["histories"][number];

function renderHistory({ source, objective, lastPassAt, overdue, doneDrills: past }: History, paint: Paint): string {
  const last = lastPassAt === null ? "no drill has passed" : `last pass ${formatInstant(new Date(lastPassAt))}`;
  const late =
    overdue === null ? [] : [`  ${paint.yellow("overdue")}: ${overdue.drill}, due on ${formatInstant(new Date(overdue.slotAt))}`];
  const rows = past.map(({ endedAt, verdict, drill, rtoSeconds, rpoSeconds }) => [
    ...[formatInstant(new Date(endedAt)), paint.verdict(verdict), drill ?? "by hand"],
    ...[rtoSeconds, rpoSeconds].map(wordsOf),
  ]);
  const trend = (name: string, values: readonly (number | null)[], promised: number | null): string[] => {
    const newest = values.findLast((value) => value !== null);
    return newest === undefined
      ? []
      : [`  ${name}  ${trendOf(values, promised ?? undefined)}  ${wordsOf(newest)}${renderPromise(promised)}`];
  };
  return [
    `${paint.bold(source)}  ${last}`,
    ...late,
    ...trend(
      "RTO",
      past.map(({ rtoSeconds }) => rtoSeconds),
      objective.rtoSeconds ?? null,
    ),
    ...trend(
      "RPO",
      past.map(({ rpoSeconds }) => rpoSeconds),
      objective.rpoSeconds ?? null,
    ),
    rows.length === 0
      ? `  no drill was done\n  next: lifeboat drill ${source}`
      : renderTable(
          ["ended", "verdict", "drill", "RTO", "RPO"].map((title) => ({ title })),
          rows,
          { paint },
        ),
  ].join("\n");
}

const wordsOf = (inSeconds: number | null): string => (inSeconds === null ? "-" : formatDuration(inSeconds * 1000));
