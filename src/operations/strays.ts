// Scratch places that nobody is responsible for any more: found at the providers by their names, whatever became of a journal.
import { asLifeboatError } from "../core/errors.ts";
import { isId, timeOfId } from "../core/ids.ts";
import type { Resource } from "../ports/resource.ts";
import { findJob } from "../repository/journal.ts";
import { holdersOf } from "./holders.ts";
import type { Source, Watch, Workshop } from "./workshop.ts";

export interface Stray {
  readonly source: string;
  readonly job: string;
  readonly resource: Resource;
  /** The job is one of this repository's: what it made is ours to remove. */
  readonly known: boolean;
}

/** A scratch place as people call it. */
export const nameOfStray = ({ resource: { kind, locator } }: Stray): string => locator.name ?? `${kind} ${JSON.stringify(locator)}`;

/** Those of a source whose job is not running, nor waits to be cleaned up. None where the provider makes no scratch places. */
export async function straysOf(workshop: Workshop, source: Source, watch: Pick<Watch, "signal">): Promise<Stray[]> {
  const list = source.managed === true ? source.provider.strays?.bind(source.provider) : undefined;
  if (list === undefined) return [];
  // The places first: a job holds its lease before it makes one, so that whatever is listed here has its lease there.
  const found = await list({ signal: watch.signal });
  if (found.length === 0) return [];
  const alive = new Set((await holdersOf(workshop, watch.signal)).holders.map(({ record }) => record.job));
  const left = found.filter(({ jobId }) => !alive.has(jobId));
  return Promise.all(
    left.map(async ({ jobId, resource }) => {
      const journal = isId(jobId) ? await findJob(workshop.repository, jobId, timeOfId(jobId), watch.signal) : undefined;
      return { source: source.name, job: jobId, resource, known: journal !== undefined };
    }),
  );
}

export interface StrayOutcome extends Stray {
  readonly outcome: "removed" | "unknown" | "left";
  readonly message: string;
}

/** Removes what jobs of ours left at any provider. What other repositories' jobs may have made is only named. */
export async function recoverStrays(workshop: Workshop, watch: Watch): Promise<StrayOutcome[]> {
  const seen = new Set<string>();
  const outcomes: StrayOutcome[] = [];
  for (const source of workshop.sources.values()) {
    for (const stray of await straysOrNote(workshop, source, watch)) {
      const key = `${stray.resource.kind} ${stray.job} ${nameOfStray(stray)}`;
      if (seen.has(key)) continue; // several sources can live in one account
      seen.add(key);
      outcomes.push(await settle(source, stray, watch));
    }
  }
  return outcomes;
}

async function straysOrNote(workshop: Workshop, source: Source, watch: Watch): Promise<Stray[]> {
  try {
    return await straysOf(workshop, source, watch);
  } catch (error) {
    watch.signal.throwIfAborted();
    watch.progress.note(`whether scratch of ${source.name} was left at its provider is not known: ${asLifeboatError(error).message}`);
    return [];
  }
}

async function settle(source: Source, stray: Stray, watch: Watch): Promise<StrayOutcome> {
  const name = nameOfStray(stray);
  if (!stray.known) {
    const message = `${name} was made by job ${stray.job}, which this repository does not know: if no other Lifeboat uses it, remove it at the provider`;
    return { ...stray, outcome: "unknown", message };
  }
  try {
    watch.progress.step(`removing ${name}`);
    const gone = await source.provider.undo(stray.resource, { signal: watch.signal, progress: watch.progress });
    if (gone) return { ...stray, outcome: "removed", message: `${name} of job ${stray.job} is removed` };
    return { ...stray, outcome: "left", message: `${name} of job ${stray.job} can only be removed from where it was made` };
  } catch (error) {
    watch.signal.throwIfAborted();
    return { ...stray, outcome: "left", message: `${name} of job ${stray.job} is still there: ${asLifeboatError(error).message}` };
  }
}
