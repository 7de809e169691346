// The newest attempt at a backup of a source, for those who judge whether it is protected.
import { isOfRequest } from "../../core/errors.ts";
import type { LastAttempt } from "../../core/health.ts";
import { isInFuture, newest, type RestorePoint, untilNow } from "../../core/restore-point.ts";
import type { Context } from "../context.ts";
import type { Shared } from "./shared.ts";

/** How far back to look for an attempt when there is no backup. */
const LOOK_BACK_MS = 7 * 86_400_000;

/**
 * How the newest attempt at a backup ended, when it was after the newest backup; a job whose process died has failed. A job that
 * the user cancelled or asked wrongly does not count as an attempt.
 */
export async function lastAttempt(
  context: Context,
  source: string,
  points: readonly RestorePoint[],
  { holders, jobsSince }: Shared,
): Promise<LastAttempt | undefined> {
  const now = context.clock.now();
  for (const { record, abandoned } of holders.holders) {
    if (record.verb !== "backup" || record.source !== source || !abandoned) continue;
    return { outcome: "failed", endedAt: now, message: `the process of job ${record.job} ended before it did` };
  }
  // One that is dated in the future does not prove that no later attempt failed.
  const latest = newest(untilNow(points, now));
  const since = new Date(Math.max(latest?.endedAt.getTime() ?? 0, now.getTime() - LOOK_BACK_MS));
  for await (const job of jobsSince({ verb: "backup", source }, since)) {
    if (job.state === "running") continue;
    if (isInFuture(new Date(job.startedAt), now) || (job.error !== undefined && isOfRequest(job.error.code))) continue;
    const outcome = job.state === "done" ? "done" : "failed";
    return { outcome, endedAt: new Date(job.endedAt ?? job.startedAt), message: job.error?.message, code: job.error?.code };
  }
  return latest && { outcome: "done", endedAt: latest.endedAt };
}
