// The log of the service: one line per fact, as JSON or as text, without secrets and without control characters.
import { redact } from "../config/redact.ts";
import { visible, visibleJson } from "../core/visible.ts";
import type { Clock } from "../ports/clock.ts";
import type { JobEvent } from "../ports/progress.ts";

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

interface LogOptions {
  readonly format: LogFormat;
  readonly clock: Pick<Clock, "now">;
  write(line: string): void;
  /** No line shows one of these. */
  readonly secrets: Iterable<string>;
}

export function openLog({ format, clock, write, secrets }: LogOptions): Log {
  const lineOf =
    (level: keyof Log) =>
    (message: string, fields: LogFields = {}): void => {
      const at = clock.now().toISOString();
      // A person reads `source=null` as a source of that name.
      const given = Object.entries(fields).filter(([, value]) => value !== undefined && (format === "json" || value !== null));
      const text =
        format === "json"
          ? visibleJson({ at, level, message, ...Object.fromEntries(given) })
          : visible([at, level.padEnd(5), message, ...given.map(([key, value]) => `${key}=${value}`)].join(" "));
      write(`${redact(text, secrets)}\n`);
    };
  return { info: lineOf("info"), warn: lineOf("warn"), error: lineOf("error") };
}

/** Writes a job's event. Bytes and phases are not facts of a log. */
export function logEvent(log: Log, event: JobEvent): void {
  const { type } = event;
  const of = { job: event.job ?? undefined, source: event.source ?? undefined };
  if (type === "begin") log.info(`${event.verb} begins`, of);
  else if (type === "step") log.info(`step ${event.name}`, of);
  else if (type === "note") log.info(event.message, of);
  else if (type === "end" && event.outcome === "done") log.info("the job is done", of);
  else if (type === "end") log.warn("the job failed", { ...of, code: event.code });
}
