// What an alert says, before a channel escapes it for its own markup.
import { createHash } from "node:crypto";
import { SEVERITIES } from "../core/routes.ts";
import { visible } from "../core/visible.ts";
import type { Alert, AlertGroup } from "../ports/notifier.ts";

export interface AlertText {
  /** One line: `CRITICAL shop: Backup overdue`. */
  readonly headline: string;
  /** What happened, to what, in one line, for a screen that shows no more: `CRITICAL shop: no restore point exists (NO_BACKUP)`. */
  readonly summary: string;
  readonly message: string;
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly next: string | undefined;
  /** An http or https address, as URL writes it: without quotes, angle brackets or spaces. */
  readonly link: string | undefined;
}

const EVENT_WORDS = { opened: undefined, reminder: "STILL", closed: "OVER", test: "TEST" } as const;

export function textOf({ event, severity, source, code, title, message, since, at, next, link, identity }: Alert): AlertText {
  const word = EVENT_WORDS[event];
  const begins = event === "closed" || event === "test" ? word : [word, severity.toUpperCase()].filter(Boolean).join(" ");
  const about = source === null ? "" : `${visible(source)}: `;
  const facts: [string, string][] = [
    ["Source", visible(source ?? "all")],
    ["Severity", severity],
    ["Code", visible(code)],
    ["Since", secondsOf(since)],
    [event === "closed" ? "Over at" : "At", secondsOf(at)],
    ["Alert", visible(identity)],
  ];
  return {
    headline: `${begins} ${about}${visible(title)}`,
    summary:
      message === ""
        ? `${begins} ${about}${visible(title)}`
        : `${begins} ${visible(message)}${message.includes(title) ? "" : ` (${visible(title)})`}`,
    message: visible(message),
    facts,
    next: next === undefined || event === "closed" ? undefined : visible(next),
    link: linkOf(link),
  };
}

/** How many sources a line names, and the longest line. */
const NAMED = 10;
const LINE_MAX = 400;

/** What a group of alerts says. `most`: characters that its list may have; what does not fit is counted. */
export function groupTextOf({ event, alerts, at, next }: AlertGroup, most: number): AlertText {
  const word = EVENT_WORDS[event];
  const begins = event === "closed" ? word : [word, severityOf(alerts).toUpperCase()].filter(Boolean).join(" ");
  const codes = [...Map.groupBy(alerts, ({ severity, code }) => `${severity} ${code}`).values()].sort(([a], [b]) => rankOf(a) - rankOf(b));
  const headline = `${begins} ${counted(alerts.length, "alert")} of ${subjectsOf(alerts)}`;
  const facts = SEVERITIES.map((severity): [string, number] => [severity, alerts.filter((alert) => alert.severity === severity).length]);
  return {
    headline,
    summary: `${headline}: ${codes.map((one) => `${visible(one[0]?.code ?? "")} (${one.length})`).join(", ")}`,
    message: listOf(codes, event, most),
    facts: [
      ["Alerts", `${alerts.length}`],
      ...facts.flatMap(([severity, count]): [string, string][] =>
        count === 0 ? [] : [[`${severity[0]?.toUpperCase()}${severity.slice(1)}`, `${count}`]],
      ),
      ["At", secondsOf(at)],
    ],
    next: next === undefined || event === "closed" ? undefined : visible(next),
    link: undefined,
  };
}

/** The most severe of them. */
export const severityOf = ([first]: readonly Alert[]): Alert["severity"] => first?.severity ?? "critical";

const rankOf = (alert: Alert | undefined): number => SEVERITIES.indexOf(alert?.severity ?? "info");

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** `12 sources`, `shop`, or `3 sources and the repository`. */
function subjectsOf(alerts: readonly Alert[]): string {
  const names = [...new Set(alerts.map(({ source }) => source))];
  const sources = names.filter((name) => name !== null);
  const [only = ""] = sources;
  const some = sources.length === 0 ? [] : [sources.length === 1 ? visible(only) : `${sources.length} sources`];
  return [...some, ...(sources.length < names.length ? ["the repository"] : [])].join(" and ");
}

/** One entry a code: its sources, and what was found at the first. */
function listOf(codes: readonly (readonly Alert[])[], event: Alert["event"], most: number): string {
  const lines: string[] = [];
  let left = codes.reduce((sum, { length }) => sum + length, 0);
  let room = most;
  for (const alerts of codes) {
    const entry = entryOf(alerts, event);
    const more = `and ${counted(left, "more alert")}`;
    if (entry.length + 1 + more.length > room && lines.length > 0) return [...lines, more].join("\n");
    lines.push(entry);
    room -= entry.length + 1;
    left -= alerts.length;
  }
  return lines.join("\n");
}

function entryOf(alerts: readonly Alert[], event: Alert["event"]): string {
  const [first] = alerts;
  if (first === undefined) return "";
  const begins = event === "closed" ? visible(first.code) : `${first.severity} ${visible(first.code)}`;
  if (alerts.length === 1) return clip(`${begins}: ${visible(first.message)}`, LINE_MAX);
  const names = [...new Set(alerts.map(({ source }) => (source === null ? "the repository" : visible(source))))];
  const named = names.slice(0, NAMED).join(", ");
  const more = names.length <= NAMED ? "" : ` and ${names.length - NAMED} more`;
  const line = `${clip(`${begins}, ${counted(alerts.length, "alert")}: ${named}`, LINE_MAX - more.length)}${more}`;
  return event === "closed" ? line : `${line}\n  ${clip(visible(first.message), LINE_MAX)}`;
}

/** `2026-11-28 14:25:00 UTC`. */
const secondsOf = (at: Date): string => `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;

function linkOf(link: string | undefined): string | undefined {
  const url = link !== undefined && URL.canParse(link) ? new URL(link) : undefined;
  return url !== undefined && ["http:", "https:"].includes(url.protocol) ? url.href.replace(/[|<>"')]/g, encodeURIComponent) : undefined;
}

/** Shortens a text to so many UTF-16 units, never in the middle of a character. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}

/** Joins the parts that exist, as lines of plain text. */
export function plainText({ headline, message, facts, next, link }: AlertText): string {
  const rows = facts.map(([label, value]) => `${label}: ${value}`);
  return [
    headline,
    "",
    message,
    "",
    ...rows,
    ...(next === undefined ? [] : ["", `next: ${next}`]),
    ...(link === undefined ? [] : [link]),
  ].join("\n");
}

/** A short name of an identity, equal for every event of an alert. */
export const digestOf = (identity: string): string => createHash("sha256").update(identity).digest("hex");
