// Scratch that no job is responsible for: found at the providers by their names, and removed by the proof that they carry.
import { asLifeboatError } from "../../core/errors.ts";
import type { Maker, Resource } from "../../ports/resource.ts";
import type { Context, Source, Watch } from "../context.ts";
import { holdersOf, placesOf } from "./holders.ts";
import { makerOf } from "./maker.ts";

export interface Orphan {
  readonly source: string;
  readonly job: string;
  readonly resource: Resource;
  /** It carries the proof of its job: this writer made it for this repository. */
  readonly known: boolean;
}

/** The name of a scratch place in messages. */
export const nameOfOrphan = ({ resource: { kind, locator } }: Orphan): string => locator.name ?? `${kind} ${JSON.stringify(locator)}`;

/** Scratch of a source whose job neither runs nor waits to be cleaned up. Empty where the provider makes no scratch. */
export async function orphansOf(context: Context, source: Source, watch: Pick<Watch, "signal">): Promise<Orphan[]> {
  const list = source.managed === true ? source.provider.orphans?.bind(source.provider) : undefined;
  if (list === undefined) return [];
  // Places first, leases second: a job holds its lease before it makes a place, so that the lease of each place listed here is seen.
  const makerFor = await makers(context);
  const found = await list(makerFor, { signal: watch.signal });
  if (found.length === 0) return [];
  const alive = new Set((await holdersOf(context, watch.signal)).holders.map(({ record }) => record.job));
  return found
    .filter(({ jobId }) => !alive.has(jobId))
    .map(({ jobId, resource, own }) => ({ source: source.name, job: jobId, resource, known: own }));
}

/** Jobs as makers, by this machine's signing key. A machine without one cannot prove anything and owns nothing here. */
async function makers(context: Context): Promise<(jobId: string) => Maker> {
  const place = (await placesOf(context)).find(({ trust }) => trust.writer !== undefined);
  return (jobId) => (place === undefined ? { jobId, prove: () => "unproven", unended: false } : makerOf(() => place, jobId));
}

export interface OrphanOutcome extends Orphan {
  readonly outcome: "removed" | "unknown" | "left";
  readonly message: string;
}

/** Removes what jobs of this writer left at any provider. What does not carry their proof is only named. */
export async function recoverOrphans(context: Context, watch: Watch): Promise<OrphanOutcome[]> {
  const seen = new Set<string>();
  const outcomes: OrphanOutcome[] = [];
  for (const source of context.sources.values()) {
    for (const orphan of await orphansOrNote(context, source, watch)) {
      const key = `${orphan.resource.kind} ${orphan.job} ${nameOfOrphan(orphan)}`;
      if (seen.has(key)) continue; // several sources can share one account
      seen.add(key);
      outcomes.push(await settle(context, source, orphan, watch));
    }
  }
  return outcomes;
}

async function orphansOrNote(context: Context, source: Source, watch: Watch): Promise<Orphan[]> {
  try {
    return await orphansOf(context, source, watch);
  } catch (error) {
    watch.signal.throwIfAborted();
    watch.progress.note(`whether scratch of ${source.name} was left at its provider is not known: ${asLifeboatError(error).message}`);
    return [];
  }
}

async function settle(context: Context, source: Source, orphan: Orphan, watch: Watch): Promise<OrphanOutcome> {
  const name = nameOfOrphan(orphan);
  if (!orphan.known) {
    const message = `${name} does not carry the proof of job ${orphan.job} of this writer: if no other Lifeboat uses it, remove it at the provider`;
    return { ...orphan, outcome: "unknown", message };
  }
  try {
    watch.progress.step(`removing ${name}`);
    const undone = await source.provider.undo(orphan.resource, (await makers(context))(orphan.job), {
      signal: watch.signal,
      progress: watch.progress,
    });
    if (undone !== "elsewhere") return { ...orphan, outcome: "removed", message: `${name} of job ${orphan.job} is removed` };
    return { ...orphan, outcome: "left", message: `${name} of job ${orphan.job} can only be removed from where it was made` };
  } catch (error) {
    watch.signal.throwIfAborted();
    return { ...orphan, outcome: "left", message: `${name} of job ${orphan.job} is still there: ${asLifeboatError(error).message}` };
  }
}
