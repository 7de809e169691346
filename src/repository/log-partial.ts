// The last segment of a log, stored as far as it is filled: a state that a fuller one replaces.
import { createHash } from "node:crypto";
import type { LogSegment } from "../core/log.ts";
import { parseLsn } from "../core/lsn.ts";
import { maxMicros } from "../core/micros.ts";

type Filled = Pick<LogSegment, "startLsn" | "endLsn">;

/** Clears the bytes after the last complete record, so that the same state always has the same bytes. */
export function filledPart(segment: Filled, bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes.subarray(0, filledBytesOf(segment)));
  return copy;
}

export const filledBytesOf = ({ startLsn, endLsn }: Filled): number => Math.max(0, Number(parseLsn(endLsn) - parseLsn(startLsn)));

/** Whether a stored state of a segment and new bytes of it can be of one log: the emptier one is the beginning of the fuller one. */
export function canBeOneLog(
  known: LogSegment,
  segment: Pick<LogSegment, "partial" | "endLsn" | "maxCommitAt">,
  bytes: Uint8Array,
): boolean {
  if (known.partial && (!segment.partial || parseLsn(known.endLsn) <= parseLsn(segment.endLsn)))
    return createHash("sha256").update(filledPart(known, bytes)).digest("hex") === known.plain.sha256;
  // The bytes of a fuller one cannot be opened here. But a beginning holds no later commit than the whole.
  return !segment.partial || maxMicros(known.maxCommitAt, segment.maxCommitAt) === known.maxCommitAt;
}
