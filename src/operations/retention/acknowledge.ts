// Acknowledge: a person says that what is missing, or older than it was, is lost for good. From then on it is no longer missed:
// neither here, nor by another machine that comes to look.
import type { HealthReason } from "../../core/health.ts";
import { acknowledgeLog, acknowledgeMarks, acknowledgePoints } from "../../repository/acknowledge.ts";
import type { Context, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";

export interface Acknowledged {
  readonly source: string;
  /** What was missed until now. */
  readonly reasons: readonly HealthReason[];
}

const ACKNOWLEDGED: ReadonlySet<HealthReason["code"]> = new Set<HealthReason["code"]>([
  "POINT_MISSING",
  "POINT_CHANGED",
  "MARKS_ROLLED_BACK",
  "LOG_MISSING",
]);

/** Writes down, signed, what is missed of the source now. Nothing missed: an empty list, and nothing is written. */
export async function acknowledge(context: Context, source: string, reason: string, watch: Watch): Promise<Acknowledged> {
  const { repository, catalog, clock } = context;
  const look = async () => {
    const entries = await catalog.entries(source, watch.signal);
    const log = await catalog.log(source, watch.signal);
    const reasons = [...catalog.flaws(source), ...log.doubts].filter(({ code }) => ACKNOWLEDGED.has(code));
    return { entries, log, reasons };
  };
  if ((await look()).reasons.length === 0) return { source, reasons: [] };
  return runJob(
    context,
    { verb: "acknowledge", source, exclusive: true },
    watch,
    async (job) => {
      const { entries, log, reasons } = await job.step("look", look);
      await job.step("acknowledge", async () => {
        await acknowledgePoints(repository, source, entries, reason, clock);
        await acknowledgeMarks(repository, source);
        await acknowledgeLog(repository, source, log.segments, clock);
      });
      return { source, reasons };
    },
    ({ reasons }) => ({ acknowledged: reasons.length }),
  );
}
