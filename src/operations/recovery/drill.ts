// Drill: a timed restore into scratch, with the checks compulsory and the clean-up guaranteed. It never touches its source.
import type { DrillPlan } from "../../core/drill-schedule.ts";
import { belongsInEvidence, isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import { type RecoveryTarget, targetInWords } from "../../core/recovery-target.ts";
import type { Check } from "../../core/verdict.ts";
import { wordsOf } from "../../core/words.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import type { JobOrder } from "../jobs/records.ts";
import { requireDigest } from "../plan-digest.ts";
import { historyControl } from "../points/look.ts";
import { conclude, type Finding, measuredSeconds, READING_SOURCE } from "./conclude.ts";
import { completePlan, routeParts } from "./plan.ts";
import type { ProviderTarget } from "./provider.ts";
import { evidencePoint, jobPoint, notReached, type Resolved, type Route, recordRoute, resolve } from "./resolve.ts";
import { withRestoredCopy } from "./restored-copy.ts";

export type { Finding } from "./conclude.ts";

export interface DrillOptions {
  /** A restore point that no trusted key has signed will do, when it is named. */
  readonly unsigned?: boolean | undefined;
  /** The drill of the configuration that this one is done for. */
  readonly plan?: DrillPlan | undefined;
  /** As of the job's order: asked once the lease is held. */
  readonly confirm?: JobOrder["confirm"];
  /** The digest that the plan must have: PLAN_CHANGED otherwise. */
  readonly planDigest?: string | undefined;
}

/** What a drill to the recovery target would do. Nothing is touched. */
export async function planDrill(
  context: Context,
  source: Source,
  to: RecoveryTarget,
  watch: Watch,
  { unsigned }: DrillOptions = {},
): Promise<Plan> {
  return planOf(context, source, await resolve(context, source, to, watch, { unsigned, every: true }), watch);
}

function planOf(context: Context, source: Source, resolved: Resolved, watch: Watch): Promise<Plan> {
  const { before, after } = routeParts(context, source, resolved.route);
  const loaded = resolved.route.kind === "copy";
  const scratch = {
    action: "create-scratch",
    subject: "a scratch database, and load into it",
    effect: "create",
    reason: "a drill",
  } as const;
  const proof = [
    { action: "prove", subject: wordsOf(source.engine.name).table, effect: "none", reason: "a drill passes when the data is proven" },
    { action: "remove-scratch", subject: "the scratch place", effect: "none", reason: "a drill leaves nothing" },
  ] as const;
  const sizeBytes = before.timed.find(({ name }) => name === "fetch")?.sizeBytes;
  const load = loaded ? { steps: [scratch], timed: [{ name: "create" }, { name: "load", sizeBytes }] } : { steps: [], timed: [] };
  const parts = [before, load, { ...after, timed: [] }, { steps: proof, timed: [{ name: "verify", sizeBytes }] }];
  return completePlan(
    context,
    {
      verb: "drill",
      source,
      resolved,
      into: "scratch",
      request: { to: targetInWords(resolved.asked) },
      parts: [...parts, { steps: [], timed: after.timed }],
    },
    watch,
  );
}

/**
 * Runs a drill to the recovery target. Its verdict is in the evidence. A drill that could not be finished files evidence too, and throws:
 * damaged bytes and failed loads as fail, anything else (a missing tool, a full disk) as inconclusive.
 */
export async function drill(
  context: Context,
  source: Source,
  to: RecoveryTarget,
  watch: Watch,
  { unsigned, plan: schedule, planDigest, confirm }: DrillOptions = {},
): Promise<Finding> {
  // A target that is reached less exactly is drilled too: a drill measures how much would be lost.
  const resolved = await resolve(context, source, to, watch, { unsigned });
  const { estimate: estimated, digest } = await planOf(context, source, resolved, watch);
  requireDigest(digest, planDigest);
  return runJob(
    context,
    { verb: "drill", source: source.name, exclusive: schedule !== undefined, point: jobPoint(resolved.route), aside: true, confirm },
    watch,
    async (job) => {
      recordRoute(job, resolved, "scratch");
      const route = await measuredAtSource(source, resolved.route, job, watch);
      const common = { verb: "drill", job, asked: to, into: "scratch", estimated, schedule, whole: true } as const;
      const proven = await withRestoredCopy(context, source, route, job, watch, true, async (copy) => ({
        ...copy,
        rtoSeconds: measuredSeconds(job),
      })).catch(async (error: unknown) => {
        if (!job.signal.aborted && isLifeboatError(error) && belongsInEvidence(error)) {
          const target = route.kind === "provider" ? `scratch ${historyControl(source).place}` : "scratch";
          const broken = { ...common, reached: notReached(route), checks: [brokenBy(error)], target, failed: true };
          await conclude(context, source, broken);
        }
        throw error;
      });
      const { reached, checks, place: target, rtoSeconds, erasures } = proven;
      const remarks = [...proven.notRestored.map(({ object, reason }) => `${object} was not restored: ${reason}`), ...proven.remarks];
      // Evidence of a proof is filed once: no failure after it replaces it.
      return conclude(context, source, { ...common, reached, checks, target, rtoSeconds, remarks, erasures });
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: evidencePoint(resolved.route).id }),
  );
}

/**
 * For a drill of the present, where source and provider can both be told one position of the log: the source's own fingerprint there
 * becomes what the restored data must equal. Where it cannot be taken, the drill continues without it, and says why.
 */
async function measuredAtSource(source: Source, route: Route, job: Job, watch: Watch): Promise<Route> {
  if (route.kind !== "provider") return route;
  const { engine, provider } = source;
  const { target } = route;
  if (target.history.kind !== "latest" || !historyControl(source).positions || engine.fingerprintAt === undefined) return route;
  const take = engine.fingerprintAt.bind(engine);
  const without = (why: string): Route => ({
    ...route,
    target: { ...target, remarks: [...target.remarks, `the source was not read for comparison: ${why}`] },
  });
  try {
    const taken = await job.step(READING_SOURCE, async () => {
      const work = { signal: job.signal, progress: watch.progress };
      return take(await provider.connection(work), { kind: "full" }, work);
    });
    if (taken === undefined) return without("its server gives no view of one instant");
    const { fingerprint: expected, position, at } = taken;
    const point = { id: "history", name: `history at position ${position}`, snapshotAt: at.toISOString() };
    const measured: ProviderTarget = { ...target, history: { kind: "lsn", lsn: position }, point, at, expected };
    return { kind: "provider", target: measured };
  } catch (error) {
    // The drill does not depend on a source that is down, or too large to be read as of one instant.
    if (job.signal.aborted || !isLifeboatError(error) || error.code === "BUG") throw error;
    return without(error.message);
  }
}

const DAMAGE: ReadonlySet<string> = new Set(["INTEGRITY", "OBJECT_MISSING"]);
const FAILED: ReadonlySet<string> = new Set(["LOAD_FAILED", "LOG_INVALID", "RECOVERY_SHORT"]);

/** What the error says of what is stored: damaged bytes are its fault, a failed load fails the drill, all else leaves it unproven. */
const brokenBy = ({ code, message }: LifeboatError): Check => ({
  name: "restore",
  kind: DAMAGE.has(code) ? "integrity" : code === "RECOVERY_SHORT" ? "data" : "schema",
  outcome: DAMAGE.has(code) || FAILED.has(code) ? "fail" : "inconclusive",
  message: `${code}: ${message}`,
});
