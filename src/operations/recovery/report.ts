// Evidence as a page for people: Markdown, complete, readable without Lifeboat.
import { type ChronologyEvent, chronologyOf, timeOfDay, tookInWords } from "../../core/chronology.ts";
import { formatDuration } from "../../core/duration.ts";
import type { Present } from "../../core/recovery-target.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import { visible } from "../../core/visible.ts";
import type { Evidence } from "../../repository/evidence.ts";

const SECTIONS: readonly { readonly kind: Check["kind"]; readonly title: string }[] = [
  { kind: "objective", title: "Objectives" },
  { kind: "integrity", title: "Stored bytes" },
  { kind: "data", title: "Data" },
  { kind: "schema", title: "Definitions" },
  { kind: "probe", title: "Probes" },
];

/** Text that others wrote, as Markdown that says just that: no markup, no HTML, no link, no line or cell of its own. */
export function plain(text: string): string {
  return visible(text.replaceAll("\n", " "))
    .replace(/[\\`*[\]<>|~$]/g, "\\$&")
    .replaceAll("&", "&amp;")
    .replaceAll("\\<", "&lt;")
    .replaceAll("\\>", "&gt;")
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, "\\_") // within a word it has no meaning
    .replaceAll("://", "&#58;//")
    .replace(/\b(www)\./gi, "$1&#46;")
    .replace(/^(\s*)([#+=-])/, "$1\\$2")
    .replace(/^(\s*\d+)([.)])/, "$1\\$2");
}

export const seconds = (value: number | undefined): string => (value === undefined ? "not measured" : formatDuration(value * 1000));
export const promised = (value: number | undefined): string => (value === undefined ? "none" : formatDuration(value * 1000));

/** What happened, in order of time. */
export const eventsOf = (evidence: Omit<Evidence, "report">, present: Present): ChronologyEvent[] => {
  const { id, source, verb, command, startedAt, endedAt, steps, decisions, verdict, reasons } = evidence;
  const end = { at: endedAt, what: `verdict: ${verdict}`, why: reasons.join("; ") };
  return chronologyOf([{ id, source, startedAt, asked: command ?? verb, steps, decisions, end }], present);
};

/** As a section. `sources`: each event says whose it is. */
export function timelineOf(events: readonly ChronologyEvent[], present: Present, { sources = false } = {}): string[] {
  return [
    "## Timeline",
    "",
    `Times are UTC, and in ${plain(present.timeZone)}.`,
    "",
    sources ? "| UTC | local | source | event | why | took |" : "| UTC | local | event | why | took |",
    sources ? "|---|---|---|---|---|---:|" : "|---|---|---|---|---:|",
    ...events.map((event) => {
      const { at, local, source, what, why } = event;
      const cells = [plain(at), timeOfDay(local), ...(sources ? [plain(source)] : []), plain(what), why === null ? "" : plain(why)];
      return `| ${cells.join(" | ")} | ${tookInWords(event) ?? ""} |`;
    }),
  ];
}

export function renderReport(evidence: Omit<Evidence, "report">, present: Present): string {
  const { verb, source, verdict, point, who, objective, achieved } = evidence;
  const title = `${verb === "drill" ? "Drill" : "Restore"} of ${plain(source)}: ${verdict}`;
  const lines = [
    `# ${title}`,
    "",
    ...evidence.reasons.map((reason) => `- ${plain(reason)}`),
    "",
    "| | |",
    "|---|---|",
    `| evidence | ${plain(evidence.id)} |`,
    `| restore point | ${plain(point.name)} (${plain(point.id)}), ${isSoundCopy(evidence.checks) ? `data of ${plain(point.snapshotAt)}` : "whose data was not proven"} |`,
    `| restored into | ${plain(evidence.target)} |`,
    `| begun, ended | ${plain(evidence.startedAt)}, ${plain(evidence.endedAt)} |`,
    `| by | ${plain(`${who.user}@${who.host}`)}, Lifeboat ${plain(who.lifeboat)} |`,
    `| RTO: achieved, objective | ${seconds(achieved.rtoSeconds)}, ${promised(objective.rtoSeconds)} |`,
    `| RPO: achieved, objective | ${seconds(achieved.rpoSeconds)}, ${promised(objective.rpoSeconds)} |`,
    "",
    ...timelineOf(eventsOf(evidence, present), present),
  ];
  for (const { kind, title } of SECTIONS) {
    const checks = evidence.checks.filter((check) => check.kind === kind);
    if (checks.length === 0) continue;
    lines.push("", `## ${title}`, "", "| check | outcome | found |", "|---|---|---|");
    for (const { name, outcome, message } of checks) lines.push(`| ${plain(name)} | ${outcome} | ${plain(message)} |`);
  }
  if (evidence.remarks.length > 0) lines.push("", "## Remarks", "", ...evidence.remarks.map((remark) => `- ${plain(remark)}`));
  return `${lines.join("\n")}\n`;
}
