// Alerts as email, in text and HTML. Reminders and the end of an alert refer to its first message, so that a mailbox shows one thread.
import { readFileSync } from "node:fs";
import { createTransport, type NodemailerError } from "nodemailer";
import { LifeboatError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import type { Alert, AlertGroup, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { type Deliverer, deliver, delivererOf, Trouble } from "../attempts.ts";
import { type AlertText, clip, digestOf, groupTextOf, plainText, severityOf, textOf } from "../text.ts";

const SUBJECT_MAX = 200;
/** Of a group's list. */
const LIST_MAX = 100_000;
/** Mail servers may delay their greeting on purpose. */
const TIMEOUTS = { requestMs: 30_000, totalMs: 120_000, pauseMs: 2000, attempts: 4 };

interface Options {
  readonly host: string;
  readonly port?: number | undefined;
  readonly tls: "starttls" | "implicit" | "none";
  readonly caFile?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
  readonly from: string;
  readonly to: readonly string[];
}

export function makeNotifier({ options, timeouts = TIMEOUTS, ...wiring }: NotifierWiring<Options>): Notifier {
  const password = options.password?.read();
  const deliverer = delivererOf({ ...wiring, timeouts }, [password]);
  const ca = options.caFile === undefined ? undefined : readCertificate(options.caFile);
  return {
    async send(alert, work) {
      await deliver(deliverer, (signal) => sendOnce(deliverer, options, { password, ca }, mailOf(alert, options.from), signal), work);
    },
    async sendGroup(group, work) {
      const mail = groupMailOf(group, options.from);
      await deliver(deliverer, (signal) => sendOnce(deliverer, options, { password, ca }, mail, signal), work);
    },
  };
}

async function sendOnce(
  { timeouts }: Deliverer,
  { host, port, tls, user, to }: Options,
  { password, ca }: { readonly password: string | undefined; readonly ca: string | undefined },
  mail: ReturnType<typeof mailOf>,
  signal: AbortSignal,
): Promise<void> {
  const transport = createTransport({
    host,
    port: port ?? (tls === "implicit" ? 465 : 587),
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    ...(user !== undefined && password !== undefined && { auth: { user, pass: password } }),
    tls: { minVersion: "TLSv1.2", ...(ca !== undefined && { ca }) },
    connectionTimeout: timeouts.requestMs,
    greetingTimeout: timeouts.requestMs,
    socketTimeout: timeouts.requestMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({ ...mail, to: [...to], signal });
    if (rejected.length > 0) throw new Trouble(`refused ${rejected.length} of ${to.length} recipients`, { permanent: true });
  } catch (error) {
    throw signal.aborted || error instanceof Trouble ? error : troubleOf(error);
  } finally {
    transport.close();
  }
}

function idOf(from: string, parts: readonly string[]): string {
  const domain = /@([^\s<>]+?)>?$/.exec(from)?.[1] ?? "lifeboat.invalid";
  return `<${digestOf(parts.join("\n")).slice(0, 32)}@${domain}>`;
}

function mailOf(alert: Alert, from: string) {
  const first = idOf(from, [alert.identity, alert.since.toISOString()]);
  const begins = alert.event === "opened" || alert.event === "test";
  return {
    ...bodyOf(textOf(alert), alert, from),
    messageId: begins ? first : idOf(from, [alert.identity, alert.event, alert.at.toISOString()]),
    ...(begins ? {} : { inReplyTo: first, references: first }),
  };
}

/** A message of its own: it answers none. */
function groupMailOf(group: AlertGroup, from: string): ReturnType<typeof mailOf> {
  const { event, alerts, at } = group;
  const text = groupTextOf(group, LIST_MAX);
  return {
    ...bodyOf(text, { severity: severityOf(alerts), at }, from, text.summary),
    messageId: idOf(from, [event, at.toISOString(), ...alerts.map(({ identity }) => identity)]),
  };
}

const bodyOf = (text: AlertText, { severity, at }: Pick<Alert, "severity" | "at">, from: string, subject = text.headline) => ({
  from,
  subject: clip(`[Lifeboat] ${subject}`, SUBJECT_MAX),
  text: plainText(text),
  html: htmlOf(text),
  date: at,
  headers: { "Auto-Submitted": "auto-generated", ...(severity === "critical" && { Importance: "high" }) },
});

function htmlOf({ headline, message, facts, next, link }: AlertText): string {
  const rows = facts.map(([label, value]) => `<tr><th align="left">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`);
  return [
    '<!doctype html><html><body style="font-family: sans-serif">',
    `<h2>${escapeHtml(headline)}</h2>`,
    `<p>${escapeHtml(message).replaceAll("\n", "<br>\n")}</p>`,
    `<table cellpadding="4">${rows.join("")}</table>`,
    ...(next === undefined ? [] : [`<p>next: <code>${escapeHtml(next)}</code></p>`]),
    ...(link === undefined ? [] : [`<p><a href="${escapeHtml(link)}">Open</a></p>`]),
    "</body></html>",
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

/** Codes that say that the server or the configuration will not change by itself. */
const PERMANENT: readonly string[] = ["ETLS", "EENVELOPE", "EMESSAGE", "EAUTH"];

function troubleOf(error: unknown): Trouble {
  const { code = "", responseCode, response, message } = error as Partial<NodemailerError>;
  // A status of the server decides: 4xx asks for another attempt later.
  const permanent = responseCode === undefined ? PERMANENT.includes(code) : responseCode >= 500;
  const why = response ?? message ?? String(error);
  return new Trouble(responseCode === undefined ? `could not be reached: ${why}` : `answered ${why}`, { permanent });
}

function readCertificate(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new LifeboatError("CONFIG_INVALID", `the file of caFile cannot be read: ${file}`, { cause });
  }
}
