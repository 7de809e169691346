// What one look at several sources reads only once: leases, journals, and what earlier beats observed.
import { isLifeboatError } from "../../core/errors.ts";
import type { Observed } from "../../core/protection.ts";
import { readAlerts } from "../../repository/alerts.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { type Pause, readPauses } from "../../repository/pauses.ts";
import type { Context } from "../context.ts";
import { type Holders, holdersOf } from "../jobs/holders.ts";

export type JobsSince = (since: Date) => AsyncIterable<JobRecord>;

export interface Shared {
  readonly holders: Holders;
  readonly observed: readonly Observed[];
  /** By source. */
  readonly pauses: ReadonlyMap<string, Pause>;
  /** Yields the journals of jobs begun at or after the instant, newest first. */
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

/** Reads each journal once, and only as far back as one of the readers asks. */
export function jobsReadOnce({ catalog }: Pick<Context, "catalog">, signal: AbortSignal): JobsSince {
  const journals = catalog.jobsSince(new Date(0), signal)[Symbol.asyncIterator]();
  const read: JobRecord[] = [];
  let reading: Promise<unknown> = Promise.resolve();
  let isOver = false;
  const readTo = (index: number): Promise<unknown> => {
    reading = reading.then(async () => {
      if (isOver || read.length > index) return;
      const next = await journals.next();
      if (next.done === true) isOver = true;
      else read.push(next.value);
    });
    return reading;
  };
  return async function* (since) {
    for (let index = 0; ; index++) {
      if (read.length <= index) await readTo(index);
      const job = read[index];
      if (job === undefined || new Date(job.startedAt) < since) return;
      yield job;
    }
  };
}
