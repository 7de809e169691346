// Checks and findings as text: failures and doubts one by one, what passed in short.
import type * as z from "zod/mini";
import { formatDuration } from "../../core/duration.ts";
import type { EstimateResult } from "../../core/estimate.ts";
import { rangeInWords } from "../../core/plan.ts";
import { askedInWords, inWords } from "../../core/recovery-target.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import { counted } from "../../core/words.ts";
import type { combined, finding } from "../../operations/recovery/schemas.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

const PASSES_SHOWN = 12;

export function renderChecks(checks: readonly Check[], paint: Paint): string {
  const bad = checks.filter((check) => check.outcome !== "pass");
  const good = checks.filter((check) => check.outcome === "pass");
  const lines = [...bad, ...good.slice(0, PASSES_SHOWN)].map(
    ({ outcome, name, message }) => `  ${paint.verdict(outcome)}  ${name}: ${message}`,
  );
  if (good.length > PASSES_SHOWN) lines.push(`  ${paint.verdict("pass")}  and ${good.length - PASSES_SHOWN} more`);
  return lines.join("\n");
}

export const renderSeconds = (value: number | null): string => (value === null ? "not measured" : formatDuration(value * 1000));

/** Text behind a measured value: nothing where nothing is promised. */
export const renderPromise = (value: number | null): string => (value === null ? "" : ` (objective ${formatDuration(value * 1000)})`);

/** How good the plan's estimate was. */
function estimateOf({ seconds, actualSeconds, within }: EstimateResult): string {
  if (seconds === null) return "no estimate: a step had not been measured before";
  return `${rangeInWords(seconds)}: ${within === true ? "correct" : `it took ${formatDuration(actualSeconds * 1000)}`}`;
}

export function renderFinding(verb: "drill" | "restore", found: z.infer<typeof finding>, paint: Paint): string {
  const { objective, achieved, steps, point, checks, to, holds, estimate, erasures } = found;
  return [
    `${paint.verdict(found.verdict)}  ${verb} of ${paint.bold(found.source)}`,
    renderFacts(
      [
        ["asked for", askedInWords(to)],
        ["restore point", `${point.name} (${point.id})${isSoundCopy(checks) ? "" : ", whose data was not proven"}`],
        ["data of", holds === null ? undefined : inWords(holds)],
        ["into", found.target],
        [
          "erased",
          erasures === null
            ? undefined
            : `${counted(erasures.rows, "row")} of the erasure ledger, in ${counted(erasures.tables.length, "table")}`,
        ],
        ["steps", steps.map(({ name, seconds }) => `${name} ${seconds === null ? "not ended" : renderSeconds(seconds)}`).join(", ")],
        ["RTO achieved", `${renderSeconds(achieved.rtoSeconds)}${renderPromise(objective.rtoSeconds)}`],
        ["estimated", estimate === null ? undefined : estimateOf(estimate)],
        ["RPO achieved", `${renderSeconds(achieved.rpoSeconds)}${renderPromise(objective.rpoSeconds)}`],
        ["evidence", `${found.filedIn}/${found.evidence}`],
        ["remarks", found.remarks.join("\n")],
      ],
      paint,
    ),
    renderChecks(checks, paint),
  ].join("\n");
}

/** All sources together. */
export function renderCombined({ objective, achieved, verdict, reasons }: z.infer<typeof combined>, paint: Paint): string {
  const rto = `RTO ${renderSeconds(achieved.rtoSeconds)}${renderPromise(objective.rtoSeconds)}`;
  const rpo = `RPO ${renderSeconds(achieved.rpoSeconds)}${renderPromise(objective.rpoSeconds)}`;
  return [
    `${paint.verdict(verdict)}  ${paint.bold("all sources together")}: ${rto}, ${rpo}`,
    ...reasons.map((reason) => `  ${reason}`),
  ].join("\n");
}
