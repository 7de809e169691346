// Scratch places that no job is responsible for any more: found at the providers by their names, and removed by the proof that they carry.
import { asLifeboatError } from "../core/errors.ts";
import type { Maker, Resource } from "../ports/resource.ts";
import { holdersOf, placesOf } from "./holders.ts";
import { makerOf } from "./maker.ts";
import type { Source, Watch, Workshop } from "./workshop.ts";

export interface Stray {
  readonly source: string;
  readonly job: string;
  readonly resource: Resource;
  /** It carries the proof of its job: this writer made it for this repository. */
  readonly known: boolean;
}

/** A scratch place as people call it. */
export const nameOfStray = ({ resource: { kind, locator } }: Stray): string => locator.name ?? `${kind} ${JSON.stringify(locator)}`;

/** Those of a source whose job is not running, nor waits to be cleaned up. None where the provider makes no scratch places. */
export async function straysOf(workshop: Workshop, source: Source, watch: Pick<Watch, "signal">): Promise<Stray[]> {
  const list = source.managed === true ? source.provider.strays?.bind(source.provider) : undefined;
  if (list === undefined) return [];
  // The places first: a job holds its lease before it makes one, so that whatever is listed here has its lease there.
  const makerFor = await makers(workshop);
  const found = await list(makerFor, { signal: watch.signal });
  if (found.length === 0) return [];
  const alive = new Set((await holdersOf(workshop, watch.signal)).holders.map(({ record }) => record.job));
  return found
    .filter(({ jobId }) => !alive.has(jobId))
    .map(({ jobId, resource, own }) => ({ source: source.name, job: jobId, resource, known: own }));
}

/** Jobs as makers, by the key that this machine signs with. One that has none proves nothing, and takes nothing for its own. */
async function makers(workshop: Workshop): Promise<(jobId: string) => Maker> {
  const place = (await placesOf(workshop)).find(({ trust }) => trust.writer !== undefined);
  return (jobId) => (place === undefined ? { jobId, prove: () => "unproven", unended: false } : makerOf(() => place, jobId));
}

export interface StrayOutcome extends Stray {
  readonly outcome: "removed" | "unknown" | "left";
  readonly message: string;
}

/** Removes what jobs of this writer left at any provider. What does not carry their proof is only named. */
export async function recoverStrays(workshop: Workshop, watch: Watch): Promise<StrayOutcome[]> {
  const seen = new Set<string>();
  const outcomes: StrayOutcome[] = [];
  for (const source of workshop.sources.values()) {
    for (const stray of await straysOrNote(workshop, source, watch)) {
      const key = `${stray.resource.kind} ${stray.job} ${nameOfStray(stray)}`;
      if (seen.has(key)) continue; // several sources can live in one account
      seen.add(key);
      outcomes.push(await settle(workshop, source, stray, watch));
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

async function settle(workshop: Workshop, source: Source, stray: Stray, watch: Watch): Promise<StrayOutcome> {
  const name = nameOfStray(stray);
  if (!stray.known) {
    const message = `${name} does not carry the proof of job ${stray.job} of this writer: if no other Lifeboat uses it, remove it at the provider`;
    return { ...stray, outcome: "unknown", message };
  }
  try {
    watch.progress.step(`removing ${name}`);
    const undone = await source.provider.undo(stray.resource, (await makers(workshop))(stray.job), {
      signal: watch.signal,
      progress: watch.progress,
    });
    if (undone !== "elsewhere") return { ...stray, outcome: "removed", message: `${name} of job ${stray.job} is removed` };
    return { ...stray, outcome: "left", message: `${name} of job ${stray.job} can only be removed from where it was made` };
  } catch (error) {
    watch.signal.throwIfAborted();
    return { ...stray, outcome: "left", message: `${name} of job ${stray.job} is still there: ${asLifeboatError(error).message}` };
  }
}
