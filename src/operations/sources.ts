// Sources by name, and an operation on each of several: one that fails keeps no other from its turn.
import { createHash } from "node:crypto";
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import { nextOf } from "../core/hints.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Context, Source, Watch } from "./context.ts";
import type { Failure } from "./operation.ts";

/** The source of that name; SOURCE_UNKNOWN with the nearest one. */
export function sourceNamed({ sources }: Pick<Context, "sources">, name: string): Source {
  const source = sources.get(name);
  if (source !== undefined) return source;
  const names = [...sources.keys()];
  throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${name}" (there are ${names.join(", ")})${didYouMean(name, names)}`);
}

/** The source named, or all of them. */
export const sourcesNamed = (context: Pick<Context, "sources">, name: string | undefined): Source[] =>
  name === undefined ? [...context.sources.values()] : [sourceNamed(context, name)];

/** The instant whose slots of the source are due at an instant: each begins at the source's own delay after the slot. */
export const slotsDueAt = (source: Pick<Source, "name" | "jitterMs">, at: Date): Date => new Date(at.getTime() - delayOf(source));

/** How long after each slot a source begins, in milliseconds: always the same, so that the times between its backups stay equal. */
export function delayOf({ name, jitterMs = 0 }: Pick<Source, "name" | "jitterMs">): number {
  if (jitterMs === 0) return 0;
  const share = createHash("sha256").update(name).digest().readUInt32BE() / 2 ** 32;
  return Math.floor((share * jitterMs) / 1000) * 1000;
}

export interface Outcomes<T> {
  readonly results: readonly T[];
  readonly failures: readonly Failure[];
}

/** Acts on each source in turn. The failure of one among several is noted when it happens; that of a single one is thrown. */
export async function eachSource<T>(sources: readonly Source[], watch: Watch, act: (source: Source) => Promise<T>): Promise<Outcomes<T>> {
  const results: T[] = [];
  const failures: Failure[] = [];
  for (const source of sources) {
    try {
      results.push(await act(source));
    } catch (error) {
      if (watch.signal.aborted || sources.length === 1) throw error;
      failures.push(failureOf(source.name, error));
      watch.progress.note(`${source.name}: ${asLifeboatError(error).message}`);
    }
  }
  return { results, failures };
}

/** Why it failed for a source, as data. */
export function failureOf(source: string, error: unknown): Failure {
  const { code, message, hint } = asLifeboatError(error);
  return { source, code, message, next: nextOf(hint, { source }) };
}
