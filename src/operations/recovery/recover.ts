// Every source brought back to one instant, beside production: nothing that is there is touched. The restores are those of `restore`.
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import { askedOf, type RecoveryTarget } from "../../core/recovery-target.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Progress } from "../../ports/progress.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import type { Finding } from "./conclude.ts";
import { planDatabaseRestore } from "./database-plan.ts";
import { databaseRestore } from "./database-restore.ts";
import { planBranchRestore } from "./provider-plan.ts";
import { branchRestore } from "./provider-restore.ts";
import { resolve } from "./resolve.ts";

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

/** `latest`, or one instant for all. USAGE for anything else. */
export function assertForAll({ kind }: RecoveryTarget): void {
  if (kind === "latest" || kind === "time") return;
  throw new LifeboatError("USAGE", "a position and a restore point are one source's own: every source is brought back to one instant", {
    hint: "give a time, how long ago (--to 5m), or latest",
  });
}

export interface RecoverRequest {
  readonly to: RecoveryTarget;
  /** Where the instant cannot be reached exactly, the nearest before it will do. */
  readonly nearest?: boolean | undefined;
}

/** What it would do, source by source. */
export async function planRecoverAll(context: Context, request: RecoverRequest, watch: Watch): Promise<Plan[]> {
  assertForAll(request.to);
  const plans: Plan[] = [];
  const taken = chosenNames();
  for (const source of context.sources.values()) {
    try {
      const resolved = await resolve(context, source, request.to, watch);
      const { route } = resolved;
      if (route.kind === "provider") plans.push(await planBranchRestore(context, source, route.past, { taken: taken(source) }, watch));
      else {
        const into = await besides(source, watch);
        plans.push(await planDatabaseRestore(context, source, { into, nearest: request.nearest }, resolved, watch));
      }
    } catch (error) {
      watch.signal.throwIfAborted();
      const { code, message } = asLifeboatError(error);
      const to = askedOf(request.to, presentOf(context));
      plans.push({ verb: "restore", source: source.name, to, steps: [], refusals: [{ code, message }] });
    }
  }
  return plans;
}

/** All at once; one that fails keeps no other from coming back. */
export function recoverAll(context: Context, request: RecoverRequest, watch: Watch): Promise<RecoveredSource[]> {
  assertForAll(request.to);
  const taken = chosenNames();
  return Promise.all(
    [...context.sources.values()].map(async (source): Promise<RecoveredSource> => {
      const own = { signal: watch.signal, progress: named(source.name, watch.progress) };
      try {
        return await recoverOne(context, source, request, taken(source), own);
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

async function recoverOne(
  context: Context,
  source: Source,
  { to, nearest }: RecoverRequest,
  taken: string[],
  watch: Watch,
): Promise<RecoveredSource> {
  const resolved = await resolve(context, source, to, watch);
  const { route } = resolved;
  if (route.kind !== "provider") {
    const into = await besides(source, watch);
    const finding = await databaseRestore(context, source, { into, nearest }, resolved, watch);
    const { connection, evidence } = finding;
    const place = connection && { connection, place: { what: "database", name: into } }; // one that failed never takes the name
    return { source: source.name, finding, ...place, warnings: evidence.remarks };
  }
  const finding = await branchRestore(context, source, route.past, { taken }, watch);
  const { connection, branch, warnings } = finding;
  const what = source.provider.history?.place ?? "branch";
  return { source: source.name, finding, connection, place: branch && { what, name: branch.name }, warnings };
}

/** A name beside the source's own that no database has: a recovery can be run again, and again. */
async function besides(source: Source, watch: Watch): Promise<string> {
  const own = await source.provider.connection(watch);
  const { database } = await source.engine.inspect(own, watch);
  for (let count = 1; ; count++) {
    const name = `${database}_recovered${count === 1 ? "" : `_${count}`}`;
    const { exists } = await source.engine.stateOf(source.engine.resolveTarget(own, name), watch);
    if (!exists) return name;
  }
}

/** Several at once share one line of progress: each says whose it is. */
const named = (source: string, progress: Progress): Progress => ({
  step: (name, options) => progress.step(`${source}: ${name}`, options),
  advance: (sizeBytes) => progress.advance(sizeBytes),
  phase: (name) => progress.phase?.(name),
  note: (message) => progress.note(`${source}: ${message}`),
});
