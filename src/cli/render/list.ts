// The restore points of `list` as a table, with what can be reached between them.
import type * as z from "zod/mini";
import { formatBytes } from "../../core/duration.ts";
import type { list } from "../../operations/verbs/list.ts";
import type { Output } from "../output.ts";
import type { Paint } from "./paint.ts";
import { renderTable } from "./table.ts";

type List = z.infer<typeof list.result>;
type Point = List["points"][number];

export function renderList(
  { points, nextCursor, windows, gaps, flaws, unasked, repository }: List,
  call: { paint: Paint; stdout: Output },
): string {
  return [
    ...flaws.map(({ code, message }) => `${call.paint.red(code)}: ${message}`),
    ...unasked.map(({ message }) => `${call.paint.yellow("incomplete")}: ${message}`),
    points.length === 0 ? `no restore points in ${repository}` : table(points, call),
    ...windows.map(({ source, earliest, latest }) =>
      earliest === latest ? `${source}: exactly ${earliest}` : `${source}: any instant from ${earliest} to ${latest}`,
    ),
    ...gaps.map(({ source, message }) => `${source}: ${message}`),
    ...(nextCursor === null ? [] : [`there are more restore points`, `  next: \`lifeboat list --cursor ${nextCursor}\``]),
  ].join("\n");
}

export const renderProven = ({ signed, incomplete, damagedAt, verifiedAt }: Point, paint: Paint): string => {
  if (!signed) return paint.red("unsigned");
  if (incomplete !== null) return paint.red("incomplete");
  if (damagedAt !== null && (verifiedAt === null || verifiedAt <= damagedAt)) return paint.red("damaged");
  return verifiedAt === null ? paint.yellow("never") : paint.green(day(verifiedAt));
};

/** To the minute. Instants of results are ISO 8601, in UTC. */
const day = (instant: string): string => `${instant.slice(0, 10)} ${instant.slice(11, 16)} UTC`;

function table(points: readonly Point[], { paint, stdout }: { paint: Paint; stdout: Output }): string {
  const rows = points.map((point) => [
    point.id,
    point.source,
    point.name,
    point.kind,
    day(point.time),
    point.kind === "snapshot" && point.sizeBytes === 0 ? "" : formatBytes(point.sizeBytes), // not every provider tells
    point.storageClass ?? "",
    renderProven(point, paint),
    point.hold === null ? (point.expiresAt === null ? "never" : day(point.expiresAt)) : `held by ${point.hold.by}`,
  ]);
  const titles = ["id", "source", "name", "kind", "data of", "size", "class", "verified", "expires"];
  const columns = titles.map((title) => ({ title, align: title === "size" ? ("right" as const) : ("left" as const) }));
  return renderTable(columns, rows, { paint, columns: stdout.isTerminal ? stdout.columns : undefined });
}
