// Every source restored to one instant, beside production, which is not touched. The restores are those of `restore`.

import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import type { Plan } from "../../core/plan.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Progress } from "../../ports/progress.ts";
import type { Context, Source, Watch } from "../context.ts";
import { digestOfAll, requireDigest } from "../plan-digest.ts";
import type { Finding } from "./conclude.ts";
import { refusedPlan } from "./plan.ts";
import { planRestore, restore } from "./restore.ts";

export interface RecoveredSource {
  readonly source: string;
  /** The id of its job, which a refusal may have kept from beginning. */
  readonly job: string;
  readonly finding?: Finding | undefined;
  /** Where it is now. */
  readonly connection?: Connection | undefined;
  readonly place?: { readonly what: string; readonly name: string } | undefined;
  readonly warnings: readonly string[];
  /** Why it was not restored; the others were. */
  readonly error?: LifeboatError | undefined;
}

/** `latest`, or one instant for all. USAGE for anything else. */
export function assertForAll({ kind }: RecoveryTarget): void {
  if (kind === "latest" || kind === "time") return;
  throw new LifeboatError("USAGE", "a position and a restore point are one source's own: every source is restored to one instant", {
    hint: "give a time, how long ago (--to 5m), or latest",
  });
}

export interface RecoverRequest {
  readonly to: RecoveryTarget;
  /** Where the instant cannot be reached exactly, the nearest before it will do. */
  readonly nearest?: boolean | undefined;
  /** The digest that all plans together must have: PLAN_CHANGED otherwise. */
  readonly planDigest?: string | undefined;
}

/** What it would do, source by source. */
export async function planRecoverAll(context: Context, { to, nearest }: RecoverRequest, watch: Watch): Promise<Plan[]> {
  assertForAll(to);
  const plans: Plan[] = [];
  const taken = chosenNames();
  for (const source of context.sources.values()) {
    try {
      plans.push(await planRestore(context, source, { to, nearest, beside: true, taken: taken(source) }, watch));
    } catch (error) {
      watch.signal.throwIfAborted();
      plans.push(refusedPlan(context, "restore", source, to, asLifeboatError(error)));
    }
  }
  return plans;
}

/** All at once; one that fails keeps no other from being restored. */
export async function recoverAll(context: Context, request: RecoverRequest, watch: Watch): Promise<RecoveredSource[]> {
  assertForAll(request.to);
  if (request.planDigest !== undefined) requireDigest(digestOfAll(await planRecoverAll(context, request, watch)), request.planDigest);
  const taken = chosenNames();
  return Promise.all(
    [...context.sources.values()].map(async (source): Promise<RecoveredSource> => {
      const { signal, actor, command } = watch;
      const job = makeId(context.clock.now(), context.clock.randomBytes(ID_RANDOM_BYTES));
      const own = { signal, actor, command, progress: named(source.name, watch.progress), jobId: once(job) };
      try {
        return { job, ...(await recoverOne(context, source, request, taken(source), own)) };
      } catch (error) {
        watch.signal.throwIfAborted();
        return { source: source.name, job, warnings: [], error: asLifeboatError(error) };
      }
    }),
  );
}

/** Gives the id to the first job that asks. */
function once(id: string): () => string | undefined {
  let given: string | undefined = id;
  return () => {
    const next = given;
    given = undefined;
    return next;
  };
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
): Promise<Omit<RecoveredSource, "job">> {
  const finding = await restore(context, source, { to, nearest, beside: true, taken }, watch);
  const { connection, branch, database, warnings, evidence } = finding;
  const what = source.provider.history?.place ?? "branch";
  if (branch !== undefined) return { source: source.name, finding, connection, place: { what, name: branch.name }, warnings };
  // One that failed never takes the name.
  const place = connection && database && { connection, place: { what: "database", name: database } };
  return { source: source.name, finding, ...(place || {}), warnings: evidence.remarks };
}

/** Several at once, each with events of its own. They share one line of a terminal, so each step says whose it is. */
function named(source: string, shared: Progress): Progress {
  const progress = shared.fork?.() ?? shared;
  return {
    step: (name, options) => progress.step(`${source}: ${name}`, options),
    advance: (sizeBytes) => progress.advance(sizeBytes),
    phase: (name) => progress.phase?.(name),
    note: (message) => progress.note(`${source}: ${message}`),
    begin: (job) => progress.begin?.(job),
    end: (code) => progress.end?.(code),
  };
}
