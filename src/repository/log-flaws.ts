// What the JSONs of the log archive need so that no window built on them can be wrong silently.
import type { ByteFacts } from "../core/byte-facts.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import type { LogHistory, LogPlace } from "./log-place.ts";

const LSN = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/;
const DIGEST = /^[0-9a-f]{64}$/;

/** What is wrong with a segment's JSON; undefined: nothing. */
export function flawOfSegment(found: Record<string, unknown>, place: LogPlace): string | undefined {
  const { format, source, name, timeline, startLsn, nextLsn, endLsn, partial, plain, stored, previous, systemIdentifier } =
    found as Partial<LogSegment>;
  if (format !== 1) return `its format is ${String(format)}; this version knows format 1`;
  if (source !== place.source || timeline !== place.timeline) return "it belongs to another segment";
  if (typeof name !== "string" || !place.stem.startsWith(name)) return "it belongs to another segment";
  if (typeof partial !== "boolean" || typeof systemIdentifier !== "string") return "it does not say what it is of";
  if (![startLsn, nextLsn, endLsn].every((one) => typeof one === "string" && LSN.test(one))) return "its positions are unreadable";
  if (stemOf({ name, partial, startLsn: String(startLsn), endLsn: String(endLsn) }) !== place.stem) return "it belongs to another segment";
  if (previous !== undefined && (typeof previous?.name !== "string" || !DIGEST.test(previous.sha256 ?? "")))
    return "its link is unreadable";
  return factsFlaw([plain, stored]);
}

/** The same for a history file's. */
export function flawOfHistory(found: Record<string, unknown>, place: LogPlace): string | undefined {
  const { format, source, timeline, entries, plain, stored } = found as Partial<LogHistory>;
  if (format !== 1) return `its format is ${String(format)}; this version knows format 1`;
  if (source !== place.source || timeline !== place.timeline) return "it belongs to another timeline";
  const readable = Array.isArray(entries) && entries.every((entry) => Number.isSafeInteger(entry?.timeline) && LSN.test(entry?.switchedAt));
  if (!readable) return "its timelines are unreadable";
  return factsFlaw([plain, stored]);
}

function factsFlaw(facts: readonly (ByteFacts | undefined)[]): string | undefined {
  const whole = facts.every((one) => Number.isSafeInteger(one?.sizeBytes) && DIGEST.test(one?.sha256 ?? ""));
  return whole ? undefined : "it has no sizes or digests";
}
