// Acknowledge: a person says that what is missing, or older than it was, is lost for good. From then on it is no longer missed:
// neither here, nor by another machine that comes to look.
import type { HealthReason } from "../../core/health.ts";
import { acknowledgeLog, acknowledgeMarks, acknowledgePoints } from "../../repository/acknowledge.ts";
import { changeAlerts, readAlerts } from "../../repository/alerts.ts";
import { acknowledgeErasures, readErasures } from "../../repository/erasures.ts";
import { mark } from "../../repository/marks.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { comparedOf, contentReasonsOf } from "../points/content.ts";
import { providerStatus } from "../watch/provider-status.ts";

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
  "ERASURES_LOST",
]);

/** Writes down, signed, what is missed of the source now. Nothing missed: an empty list, and nothing is written. */
export async function acknowledge(context: Context, of: Source, reason: string, watch: Watch): Promise<Acknowledged> {
  const { repository, catalog, clock } = context;
  const source = of.name;
  const look = async () => {
    const entries = await catalog.entries(source, watch.signal);
    const log = await catalog.log(source, watch.signal);
    const { flaws } = await readErasures(repository, source, watch.signal);
    const missed = [...catalog.flaws(source), ...log.doubts, ...flaws].filter(({ code }) => ACKNOWLEDGED.has(code));
    const signed = entries.filter(({ point }) => point.unsigned === undefined);
    const emptied = contentReasonsOf(of, signed);
    const newest = emptied.length === 0 ? undefined : comparedOf(signed).at(-1)?.point;
    const loss = repository.memory.loss(source);
    const lost = loss === undefined ? [] : [{ code: "MEMORY_LOST", message: loss } as const];
    return { entries, log, missed, newest, reasons: [...missed, ...emptied, ...lost, ...(await loweredAt(context, of, watch))] };
  };
  if ((await look()).reasons.length === 0) return { source, reasons: [] };
  return runJob(
    context,
    { verb: "acknowledge", source, exclusive: true },
    watch,
    async (job) => {
      const { entries, log, missed, newest, reasons } = await job.step("look", look);
      await job.step("acknowledge", async () => {
        if (missed.length > 0) {
          await acknowledgePoints(repository, source, entries, reason, clock);
          await acknowledgeMarks(repository, source);
          await acknowledgeLog(repository, source, log.segments, clock);
          await acknowledgeErasures(repository, source);
        }
        if (newest !== undefined) await mark(repository, source, newest.id, { acceptedAt: clock.now() });
        repository.memory.acceptLoss(source);
        await forgetObserved(repository, source);
      });
      return { source, reasons };
    },
    ({ reasons }) => ({ acknowledged: reasons.length }),
  );
}

/** Protection at the provider that is less than what earlier beats observed. */
async function loweredAt(context: Context, source: Source, watch: Watch): Promise<readonly HealthReason[]> {
  const { observed } = await readAlerts(context.repository, watch.signal);
  const before = observed.filter((one) => one.source === source.name);
  if (before.length === 0) return [];
  return (await providerStatus(context, source, watch, before))?.lowered ?? [];
}

/** The next beat observes anew. */
const forgetObserved = (repository: Repository, source: string): Promise<void> =>
  changeAlerts(repository, (state) => {
    const observed = state.observed.filter((one) => one.source !== source);
    return observed.length === state.observed.length ? undefined : { ...state, observed };
  });
