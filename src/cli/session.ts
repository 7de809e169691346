// What most commands begin with: the configuration wired into a context, and everything closed again at the end.
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { type Composed, compose } from "../compose.ts";
import { asLifeboatError, LifeboatError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Source, Watch } from "../operations/context.ts";
import type { CommandCall } from "./command.ts";
import { readVersion } from "./version.ts";

export async function withContext<T>(
  call: Pick<CommandCall, "config" | "clock" | "env" | "signal" | "progress">,
  run: (context: Composed, watch: Watch) => Promise<T>,
): Promise<T> {
  const context = await compose(call.config(), {
    clock: call.clock,
    lifeboat: readVersion(),
    env: call.env,
    signal: call.signal,
  });
  const over = new AbortController();
  try {
    return await Promise.race([run(context, { signal: call.signal, progress: call.progress }), overdue(call.signal, over.signal)]);
  } finally {
    over.abort();
    await context.close();
  }
}

/** How long a command that was told to stop may take to clean up after itself. */
const ENDING_MS = 8_500;

/**
 * Throws when a command has not ended so long after it was told to: a server or storage that is away must not hold it. Ending now is no
 * worse than a crash: the journal has what was begun, and the next start cleans up.
 */
async function overdue(signal: AbortSignal, over: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, "abort", { signal: over });
  await setTimeout(ENDING_MS, undefined, { signal: over });
  throw new LifeboatError("CANCELLED", `${asLifeboatError(signal.reason).message}, before everything was cleaned up`, {
    hint: "run `lifeboat jobs recover` when its servers answer again; the next start does the same",
  });
}

/** The source of that name; SOURCE_UNKNOWN with the nearest one. */
export function sourceNamed(context: Composed, name: string): Source {
  const source = context.sources.get(name);
  if (source !== undefined) return source;
  const names = [...context.sources.keys()];
  throw new LifeboatError("SOURCE_UNKNOWN", `no source is called "${name}" (there are ${names.join(", ")})${didYouMean(name, names)}`);
}

/** The source named, or all of them. */
export function sourcesNamed(context: Composed, name: string | undefined): Source[] {
  return name === undefined ? [...context.sources.values()] : [sourceNamed(context, name)];
}

export interface Outcomes<T> {
  readonly results: readonly T[];
  /** Sources that it failed for. */
  readonly failed: readonly string[];
  /** Throws the first failure: after the results of the others were told. */
  settle(): void;
}

/** Acts on the source named, or on each: one that fails keeps no other from its turn, and is noted when it happens. */
export async function eachSource<T>(
  context: Composed,
  name: string | undefined,
  watch: Watch,
  act: (source: Source) => Promise<T>,
): Promise<Outcomes<T>> {
  const results: T[] = [];
  const failures: unknown[] = [];
  const failed: string[] = [];
  const sources = sourcesNamed(context, name);
  for (const source of sources) {
    try {
      results.push(await act(source));
    } catch (error) {
      if (watch.signal.aborted || sources.length === 1) throw error;
      failures.push(error);
      failed.push(source.name);
      watch.progress.note(`${source.name}: ${asLifeboatError(error).message}`);
    }
  }
  return {
    results,
    failed,
    settle() {
      if (failures.length > 0) throw failures[0];
    },
  };
}
