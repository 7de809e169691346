// Where the log of each timeline begins and ends: log that this machine remembers and that is gone without a signed removal is named.
import type { HealthReason } from "../core/health.ts";
import type { LogSegment } from "../core/log.ts";
import { compareLsn } from "../core/lsn.ts";
import type { SeenLog } from "./memory.ts";
import { readRemovals } from "./removals.ts";
import type { Repository } from "./repository.ts";

/** Returns the first and last position of each timeline. */
export function endsOf(segments: readonly LogSegment[]): ReadonlyMap<number, SeenLog> {
  const ends = new Map<number, { timeline: number; firstLsn: string; lastLsn: string }>();
  for (const { timeline, startLsn, endLsn } of segments) {
    const end = ends.get(timeline);
    if (end === undefined) ends.set(timeline, { timeline, firstLsn: startLsn, lastLsn: endLsn });
    else {
      if (compareLsn(startLsn, end.firstLsn) < 0) end.firstLsn = startLsn;
      if (compareLsn(endLsn, end.lastLsn) > 0) end.lastLsn = endLsn;
    }
  }
  return ends;
}

/** Both ends of the log are remembered. A gap in between is detected without memory. */
export async function missingLog(
  repository: Repository,
  source: string,
  segments: readonly LogSegment[],
  signal: AbortSignal | undefined,
): Promise<HealthReason[]> {
  const { memory } = repository;
  const ends = endsOf(segments);
  const reasons: HealthReason[] = [];
  const seen = new Map(memory.log(source).map((one) => [one.timeline, one]));
  if (seen.size > 0) {
    const removals = await readRemovals(repository, source, signal).catch(() => undefined);
    const removed = new Map(
      (removals?.signedBy === undefined ? [] : removals.value.log).map(({ timeline, throughLsn }) => [timeline, throughLsn]),
    );
    for (const { timeline, firstLsn, lastLsn } of seen.values()) {
      const now = ends.get(timeline);
      const through = removed.get(timeline);
      const allowed = (lsn: string): boolean => through !== undefined && compareLsn(lsn, through) <= 0;
      const where = `of timeline ${timeline} of ${source}`;
      if (now === undefined ? !allowed(lastLsn) : compareLsn(now.firstLsn, firstLsn) > 0 && !allowed(now.firstLsn))
        reasons.push({ code: "LOG_MISSING", message: `log ${where} from ${firstLsn} on is missing without a signed removal` });
      if (now !== undefined && compareLsn(now.lastLsn, lastLsn) < 0)
        reasons.push({ code: "LOG_MISSING", message: `log ${where} reached ${lastLsn}, and now ends at ${now.lastLsn}` });
    }
  }
  // Missing log stays remembered: only ends that grew, or that a removal moved, are written.
  if (reasons.length === 0) {
    const changed = [...ends.values()].filter((end) => {
      const before = seen.get(end.timeline);
      return before?.firstLsn !== end.firstLsn || before.lastLsn !== end.lastLsn;
    });
    memory.seeLog(source, changed);
  }
  return reasons;
}
