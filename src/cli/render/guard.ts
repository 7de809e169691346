// A guarded change as text for people, and as Markdown for the summary of a CI job.
import type * as z from "zod/mini";
import { formatDuration } from "../../core/duration.ts";
import type { guard } from "../../operations/verbs/guard.ts";
import { renderChecks } from "./finding.ts";
import type { Paint } from "./paint.ts";
import { renderNext } from "./restore.ts";
import { renderFacts } from "./table.ts";

type Result = z.infer<typeof guard.result>;
type Command = NonNullable<Result["command"]>;

const MOST_SHOWN = 20;

const endOf = ({ status, signal, seconds }: Command): string => `${signal ?? `status ${status}`} after ${formatDuration(seconds * 1000)}`;

/** Beside what was written after the command had begun, which setting back always loses. */
function lossOf({ outcome, position, lossSeconds, rollback }: Result): string | undefined {
  if (lossSeconds === null || outcome === "succeeded") return undefined;
  const lost = lossSeconds === 0 ? "nothing" : `the commits of ${formatDuration(lossSeconds * 1000)}`;
  if (rollback !== null) return `${lost} before the command`;
  return `setting back ${position === null ? "to the point " : ""}loses ${lost} before the command`;
}

function factsOf(result: Result): [string, string | undefined][] {
  const { point, expiresAt, command, trial, rollback, continued, reasons, altered } = result;
  const shown = (lines: readonly string[]): string =>
    [...lines.slice(0, MOST_SHOWN), ...(lines.length > MOST_SHOWN ? [`and ${lines.length - MOST_SHOWN} more`] : [])].join("\n");
  return [
    ["point", `${point.name} (${point.id}), ${expiresAt === null ? "on hold" : `until ${expiresAt}`}`],
    ["continued", continued === null ? undefined : `job ${continued}, which was interrupted`],
    ["trial", trial === null ? undefined : endOf(trial.command)],
    ["locks", trial?.tableLocks?.map(({ table, mode, seconds }) => `${table}: ${mode} for ${formatDuration(seconds * 1000)}`).join("\n")],
    ["rehearsed changes", trial === null ? undefined : shown(trial.altered)],
    ["command", command === null ? undefined : endOf(command)],
    ["failed", shown(reasons)],
    ["changed", shown(altered)],
    ["rolled back", rollback === null ? undefined : `to ${rollback.to}: ${rollback.verdict} (job ${rollback.job})`],
    ["data loss", lossOf(result)],
    ["kept", rollback?.kept?.name],
  ];
}

export function renderGuard(result: Result, paint: Paint): string {
  const { source, feature, outcome, checks, next } = result;
  const word = paint.verdict(outcome === "succeeded" ? "pass" : "fail");
  return [
    `${word}  guarded change ${paint.bold(feature)} of ${source}: ${outcome}`,
    renderFacts(
      factsOf(result).filter(([, text]) => text !== ""),
      paint,
    ),
    ...(checks.length > 0 ? [renderChecks(checks, paint)] : []),
    ...renderNext(next, paint),
  ].join("\n");
}

/** GitHub's step summary, and others that read Markdown. */
export function guardSummary(result: Result): string {
  const { source, feature, outcome, checks, next } = result;
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll("\n", "<br>");
  const rows = factsOf(result).flatMap(([name, text]) => (text ? [`| ${name} | ${cell(text)} |`] : []));
  const asked = checks.map(({ name, outcome: found, message }) => `| ${found} | ${cell(name)}: ${cell(message)} |`);
  const commands = next.flatMap(({ commands: lines }) => lines);
  return [
    `### ${outcome === "succeeded" ? "✅" : "❌"} Guarded change \`${feature}\` of \`${source}\`: ${outcome}`,
    "",
    "| | |",
    "|---|---|",
    ...rows,
    ...asked,
    ...(commands.length > 0 ? ["", "```", ...commands, "```"] : []),
    "",
  ].join("\n");
}
