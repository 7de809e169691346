// Every source brought back to one instant, beside production: nothing that is there is touched. The restores are those of `restore`.
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Progress } from "../../ports/progress.ts";
import { parseInstant } from "../points.ts";
import type { Source, Watch, Workshop } from "../workshop.ts";
import type { Finding } from "./conclude.ts";
import { pastTargetOf } from "./history.ts";
import { planBranchRestore } from "./provider-plan.ts";
import { branchRestore } from "./provider-restore.ts";
import { planRestore, restore } from "./restore.ts";

export interface RecoveredSource {
  readonly source: string;
  readonly finding?: Finding | undefined;
  /** Where it is now. */
  readonly connection?: Connection | undefined;
  readonly place?: { readonly what: string; readonly name: string } | undefined;
  readonly warnings: readonly string[];
  /** Why it was not brought back: the others were all the same. */
  readonly error?: LifeboatError | undefined;
}

/** `latest`, or one instant for all: so long ago means the same for each. USAGE for anything else. */
export function instantForAll(workshop: Workshop, to: string): string {
  if (to === "latest") return to;
  const at = parseInstant(to, workshop.clock.now());
  if (at !== undefined) return at.toISOString();
  throw new LifeboatError("USAGE", `${to} is no instant, and a restore point is one source's own`, {
    hint: "give a time, so long ago (--to=-5m), or latest",
  });
}

/** What it would do, source by source. */
export async function planRecoverAll(workshop: Workshop, to: string, watch: Watch): Promise<Plan[]> {
  const plans: Plan[] = [];
  const taken = chosenNames();
  for (const source of workshop.sources.values()) {
    try {
      const past = await pastTargetOf(workshop, source, to, watch);
      plans.push(
        past === undefined
          ? await planRestore(workshop, source, { to, into: await besides(source, watch) }, watch)
          : await planBranchRestore(workshop, source, past, { taken: taken(source) }, watch),
      );
    } catch (error) {
      watch.signal.throwIfAborted();
      const { code, message } = asLifeboatError(error);
      plans.push({ verb: "restore", source: source.name, steps: [], refusals: [{ code, message }] });
    }
  }
  return plans;
}

/** All at once; one that fails keeps no other from coming back. */
export function recoverAll(workshop: Workshop, to: string, watch: Watch): Promise<RecoveredSource[]> {
  const taken = chosenNames();
  return Promise.all(
    [...workshop.sources.values()].map(async (source): Promise<RecoveredSource> => {
      const own = { signal: watch.signal, progress: named(source.name, watch.progress) };
      try {
        return await recoverOne(workshop, source, to, taken(source), own);
      } catch (error) {
        watch.signal.throwIfAborted();
        return { source: source.name, warnings: [], error: asLifeboatError(error) };
      }
    }),
  );
}

/** Sources of one provider may share a project, where names must differ. */
function chosenNames(): (source: Source) => string[] {
  const chosen = new Map<string, string[]>();
  return ({ providerName }) => {
    const names = chosen.get(providerName) ?? [];
    chosen.set(providerName, names);
    return names;
  };
}

async function recoverOne(workshop: Workshop, source: Source, to: string, taken: string[], watch: Watch): Promise<RecoveredSource> {
  const past = await pastTargetOf(workshop, source, to, watch);
  if (past === undefined) {
    const into = await besides(source, watch);
    const finding = await restore(workshop, source, { to, into }, watch);
    const { connection } = source.engine.resolveTarget(await source.provider.connection(watch), into);
    const named = finding.evidence.target === connection.label; // one that failed never takes the name
    const place = named ? { connection, place: { what: "database", name: into } } : {};
    return { source: source.name, finding, ...place, warnings: finding.evidence.remarks };
  }
  const finding = await branchRestore(workshop, source, past, { taken }, watch);
  const { connection, branch, warnings } = finding;
  const what = source.provider.history?.place ?? "branch";
  return { source: source.name, finding, connection, place: branch && { what, name: branch.name }, warnings };
}

/** A name beside the source's own. */
async function besides(source: Source, watch: Watch): Promise<string> {
  const { database } = await source.engine.inspect(await source.provider.connection(watch), watch);
  return `${database}_recovered`;
}

/** Several at once share one line of progress: each says whose it is. */
const named = (source: string, progress: Progress): Progress => ({
  step: (name, options) => progress.step(`${source}: ${name}`, options),
  advance: (sizeBytes) => progress.advance(sizeBytes),
  phase: (name) => progress.phase?.(name),
  note: (message) => progress.note(`${source}: ${message}`),
});
