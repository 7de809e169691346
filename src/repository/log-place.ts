// The locations of log files in the storage, and the record of a history file.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import { historyName, type TimelineHistory } from "../core/lsn.ts";
import { count, digest, facts, format, instant, list, lsn, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { logFolder } from "./layout.ts";

/** A stored history file. Its JSON contains the content in the clear, so that recovery windows are computed without a key. */
export interface LogHistory {
  readonly format: 1;
  readonly source: string;
  /** `00000002.history` */
  readonly name: string;
  readonly timeline: number;
  readonly entries: TimelineHistory;
  readonly archivedAt: string;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
}

/** The damage that a verify found in a file of the log. */
export interface LogDamage {
  readonly format: 1;
  readonly source: string;
  readonly stem: string;
  readonly at: string;
  readonly message: string;
}

export const segmentSchema: Schema<LogSegment> = z.looseObject({
  format,
  source: segment,
  name: z.string().check(z.regex(/^[0-9A-F]{24}$/)),
  timeline: count,
  startLsn: lsn,
  nextLsn: lsn,
  systemIdentifier: word,
  free: maybe(z.literal(true)),
  records: count,
  endLsn: lsn,
  partial: z.boolean(),
  firstCommit: maybe(z.looseObject({ lsn, previousEnd: lsn, at: instant })),
  lastCommit: maybe(z.looseObject({ lsn, previousEnd: lsn, at: instant })),
  maxCommitAt: maybe(instant),
  placesAt: maybe(lsn),
  archivedAt: instant,
  plain: facts,
  stored: facts,
  previous: maybe(z.looseObject({ name: word, sha256: digest })),
  tail: maybe(z.unknown()),
});

export const historySchema: Schema<LogHistory> = z.looseObject({
  format,
  source: segment,
  name: z.string().check(z.regex(/^[0-9A-F]{8}\.history$/)),
  timeline: count,
  entries: list(z.looseObject({ timeline: count, switchedAt: lsn })),
  archivedAt: instant,
  plain: facts,
  stored: facts,
});

export const damageSchema: Schema<LogDamage> = z.looseObject({
  format,
  source: segment,
  stem: segment,
  at: instant,
  message: prose,
});

/** The location of a file of the log. */
export interface LogPlace {
  readonly source: string;
  readonly timeline: number;
  readonly stem: string;
}

export const placeOf = (segment: LogSegment): LogPlace => ({ source: segment.source, timeline: segment.timeline, stem: stemOf(segment) });
export const historyPlace = (source: string, timeline: number): LogPlace => ({ source, timeline, stem: historyName(timeline) });

/** Parses an object name such as `00000001/000000010000000000000042.json`. Undefined: it is not an object of the log. */
export function parseLogName(
  source: string,
  name: string,
): (LogPlace & { readonly suffix: "zst.age" | "json" | "damaged.json"; readonly history: boolean }) | undefined {
  const match =
    /^([0-9A-F]{8})\/((?:[0-9A-F]{24}(?:\.partial-[0-9a-f]{8,9})?)|(?:[0-9A-F]{8}\.history))\.(zst\.age|json|damaged\.json)$/.exec(
      name.slice(logFolder(source).length),
    );
  if (match === null) return undefined;
  const [, folder = "", stem = "", suffix = ""] = match;
  return { source, timeline: Number.parseInt(folder, 16), stem, suffix: suffix as "json", history: stem.endsWith(".history") };
}
