// What one look at several sources reads only once: leases, journals, and what earlier beats observed.
import { isLifeboatError } from "../../core/errors.ts";
import type { Observed } from "../../core/protection.ts";
import { readAlerts } from "../../repository/alerts.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { type Pause, readPauses } from "../../repository/pauses.ts";
import type { Context } from "../context.ts";
import { type Holders, holdersOf } from "../jobs/holders.ts";

/** Yields the journals of a source's jobs of one verb that began at or after the instant, newest first. */
export type JobsSince = (of: Pick<JobRecord, "verb" | "source">, since: Date) => AsyncIterable<JobRecord>;

export interface Shared {
  readonly holders: Holders;
  readonly observed: readonly Observed[];
  /** By source. */
  readonly pauses: ReadonlyMap<string, Pause>;
  readonly jobsSince: JobsSince;
}

export async function sharedOf(context: Context, signal: AbortSignal): Promise<Shared> {
  const [holders, observed, pauses] = await Promise.all([
    holdersOf(context, signal),
    observedOf(context, signal),
    readPauses(context.repository, signal),
  ]);
  return { holders, observed, pauses, jobsSince: jobsReadOnce(context, signal) };
}

/** A damaged state counts for nothing, and the next beat replaces it. */
async function observedOf({ repository }: Context, signal: AbortSignal): Promise<readonly Observed[]> {
  try {
    return (await readAlerts(repository, signal)).observed;
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY") || isLifeboatError(error, "FORMAT_UNKNOWN")) return [];
    throw error;
  }
}

/** Reads each journal once for all sources, and only as far back as one of the readers asks. */
export function jobsReadOnce({ catalog }: Pick<Context, "catalog">, signal: AbortSignal): JobsSince {
  const journals = catalog.jobsSince(new Date(0), signal)[Symbol.asyncIterator]();
  const read = new Map<string, JobRecord[]>();
  const jobsOf = ({ verb, source }: Pick<JobRecord, "verb" | "source">): JobRecord[] => {
    const key = `${verb} ${source ?? ""}`;
    const known = read.get(key) ?? [];
    read.set(key, known);
    return known;
  };
  let reading: Promise<unknown> = Promise.resolve();
  /** Every job that began after it has been read. */
  let reachedMs = Number.POSITIVE_INFINITY;
  const readFurther = (untilMs: number): Promise<unknown> => {
    reading = reading.then(async () => {
      if (reachedMs < untilMs) return;
      const next = await journals.next();
      reachedMs = next.done === true ? Number.NEGATIVE_INFINITY : Date.parse(next.value.startedAt);
      if (next.done !== true) jobsOf(next.value).push(next.value);
    });
    return reading;
  };
  return async function* (of, since) {
    const found = jobsOf(of);
    for (let index = 0; ; index++) {
      while (found.length <= index && reachedMs >= since.getTime()) await readFurther(since.getTime());
      const job = found[index];
      if (job === undefined || new Date(job.startedAt) < since) return;
      yield job;
    }
  };
}
