// What an alert says, before a channel escapes it for its own markup.
import { createHash } from "node:crypto";
import { visible } from "../core/visible.ts";
import type { Alert } from "../ports/notifier.ts";

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
