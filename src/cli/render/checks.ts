// Checks and findings as text: failures and doubts one by one, what passed in short.
import { formatDuration } from "../../core/duration.ts";
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import { askedInWords, inWords } from "../../core/recovery-target.ts";
import { type Check, exitOfVerdict, isSoundCopy, judge } from "../../core/verdict.ts";
import { shown } from "../../core/visible.ts";
import type { Finding } from "../../operations/recovery/drill.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

const PASSES_SHOWN = 12;

export function renderChecks(found: readonly Check[], paint: Paint): string {
  const checks = shown(found);
  const bad = checks.filter((check) => check.outcome !== "pass");
  const good = checks.filter((check) => check.outcome === "pass");
  const lines = [...bad, ...good.slice(0, PASSES_SHOWN)].map(
    ({ outcome, name, message }) => `  ${paint.verdict(outcome)}  ${name}: ${message}`,
  );
  if (good.length > PASSES_SHOWN) lines.push(`  ${paint.verdict("pass")}  and ${good.length - PASSES_SHOWN} more`);
  return lines.join("\n");
}

const seconds = (value: number | undefined): string => (value === undefined ? "not measured" : formatDuration(value * 1000));

export function renderFinding(finding: Finding, place: string, paint: Paint): string {
  const { evidence, filed, aside, to, holds } = shown(finding);
  const { objective, achieved, steps, point, checks } = evidence;
  const promise = (value: number | undefined): string => (value === undefined ? "" : ` (objective ${formatDuration(value * 1000)})`);
  return [
    `${paint.verdict(evidence.verdict)}  ${evidence.verb} of ${paint.bold(evidence.source)}`,
    renderFacts(
      [
        ["asked for", askedInWords(to)],
        ["restore point", `${point.name} (${point.id})${isSoundCopy(checks) ? "" : ", whose data was not proven"}`],
        ["data of", holds && inWords(holds)],
        ["into", evidence.target],
        ["steps", steps.map(({ name, ms }) => `${name} ${ms === undefined ? "not ended" : formatDuration(ms)}`).join(", ")],
        ["RTO achieved", `${seconds(achieved.rtoSeconds)}${promise(objective.rtoSeconds)}`],
        ["RPO achieved", `${seconds(achieved.rpoSeconds)}${promise(objective.rpoSeconds)}`],
        ["evidence", `${aside?.directory ?? place}/${filed}`],
        ["remarks", evidence.remarks.join("\n")],
      ],
      paint,
    ),
    renderChecks(evidence.checks, paint),
  ].join("\n");
}

/** The JSON of `drill` and `restore`. */
export const findingJson = ({ evidence, filed, aside, to, holds }: Finding) => ({
  id: evidence.id,
  source: evidence.source,
  to,
  point: evidence.point,
  holds: holds ?? null,
  target: evidence.target,
  verdict: evidence.verdict,
  reasons: evidence.reasons,
  checks: evidence.checks,
  steps: evidence.steps.map(({ name, ms }) => ({ name, ms: ms ?? null })),
  achieved: evidence.achieved,
  objective: evidence.objective,
  remarks: evidence.remarks,
  plan: evidence.plan ?? null,
  evidence: filed,
  aside: aside ?? null,
});

/** The verdict's status; when everything but an objective held, the status says just that. */
export function exitOfFinding({ evidence }: Finding): ExitStatus {
  if (evidence.verdict !== "fail") return exitOfVerdict(evidence.verdict);
  const others = judge(evidence.checks.filter((check) => check.kind !== "objective"));
  return others.verdict === "pass" ? EXIT.unhealthy : exitOfVerdict("fail");
}
