// Evidence as a page for people: Markdown, complete, readable without Lifeboat.
import { formatDuration } from "../core/duration.ts";
import type { Check } from "../core/verdict.ts";
import type { Evidence } from "../repository/evidence.ts";

const SECTIONS: readonly { readonly kind: Check["kind"]; readonly title: string }[] = [
  { kind: "objective", title: "Objectives" },
  { kind: "integrity", title: "Stored bytes" },
  { kind: "data", title: "Data" },
  { kind: "schema", title: "Definitions" },
  { kind: "probe", title: "Probes" },
];

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const seconds = (value: number | undefined): string => (value === undefined ? "not measured" : formatDuration(value * 1000));
const promised = (value: number | undefined): string => (value === undefined ? "none" : formatDuration(value * 1000));

export function renderReport(evidence: Evidence): string {
  const { verb, source, verdict, point, who, objective, achieved } = evidence;
  const title = `${verb === "drill" ? "Drill" : "Restore"} of ${source}: ${verdict}`;
  const lines = [
    `# ${title}`,
    "",
    ...evidence.reasons.map((reason) => `- ${reason}`),
    "",
    "| | |",
    "|---|---|",
    `| evidence | ${evidence.id} |`,
    `| restore point | ${cell(point.name)} (${point.id}), data of ${point.snapshotAt} |`,
    `| restored into | ${cell(evidence.target)} |`,
    `| begun, ended | ${evidence.startedAt}, ${evidence.endedAt} |`,
    `| by | ${who.user}@${who.host}, Lifeboat ${who.lifeboat} |`,
    `| RTO: achieved, objective | ${seconds(achieved.rtoSeconds)}, ${promised(objective.rtoSeconds)} |`,
    `| RPO: achieved, objective | ${seconds(achieved.rpoSeconds)}, ${promised(objective.rpoSeconds)} |`,
    "",
    "## Steps",
    "",
    "| step | time |",
    "|---|---:|",
    ...evidence.steps.map(({ name, ms }) => `| ${name} | ${ms === undefined ? "not ended" : formatDuration(ms)} |`),
  ];
  for (const { kind, title } of SECTIONS) {
    const checks = evidence.checks.filter((check) => check.kind === kind);
    if (checks.length === 0) continue;
    lines.push("", `## ${title}`, "", "| check | outcome | found |", "|---|---|---|");
    for (const { name, outcome, message } of checks) lines.push(`| ${cell(name)} | ${outcome} | ${cell(message)} |`);
  }
  if (evidence.remarks.length > 0) lines.push("", "## Remarks", "", ...evidence.remarks.map((remark) => `- ${remark}`));
  return `${lines.join("\n")}\n`;
}
