// Cut-over: the application is pointed at another database of its source. The present value is read first; when the application does not
// come up, it is pointed back.
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { CutOverTarget } from "../../ports/cutover.ts";
import type { Resource } from "../../ports/resource.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { type Change, changeResource, goBackFrom } from "./back.ts";
import { awaitHealth, healthInWords } from "./health.ts";
import { backSteps, type CutOverRequest, newSteps, type Step, targetsOf, type Wanted } from "./values.ts";

export interface CutOverDone {
  readonly job: string;
  readonly to: string;
  readonly targets: readonly { readonly name: string; readonly kind: string; readonly variable: string; readonly changed: boolean }[];
  readonly verdict: Verdict;
  readonly message: string;
}

interface Prepared extends Wanted {
  readonly plan: Plan;
}

export async function planCutOver(context: Context, source: Source, request: CutOverRequest, watch: Watch): Promise<Plan> {
  return (await prepare(context, source, request, watch)).plan;
}

/** CUTOVER_UNKNOWN, CONFIRMATION_NEEDED, UNHEALTHY (it went back), and what the places throw. */
export async function cutOver(context: Context, source: Source, request: CutOverRequest, watch: Watch): Promise<CutOverDone> {
  // Without a job: the command was only tried.
  if (request.yes !== source.name) {
    const [refusal] = (await prepare(context, source, request, watch)).refusals;
    if (refusal !== undefined) throw refusal;
  }
  return runJob(
    context,
    { verb: "cutover", source: source.name, exclusive: true },
    watch,
    async (job) => {
      // Within the job: a cut-over that died is cleaned up by now, so the present value is not half of it.
      const { label, steps, refusals, plan } = await job.step("read", () =>
        prepare(context, source, request, { signal: job.signal, progress: watch.progress }),
      );
      requireDigest(plan.digest, request.planDigest);
      const [refusal] = refusals;
      if (refusal !== undefined) throw refusal;
      return change(context, source, label, steps, job, watch);
    },
    ({ to, verdict }) => ({ to, verdict }),
  );
}

async function prepare(context: Context, source: Source, request: CutOverRequest, watch: Watch): Promise<Prepared> {
  const targets = targetsOf(context, source, request.only);
  const {
    label,
    steps,
    refusals: unsettable,
  } = await (request.back === true ? backSteps : newSteps)(context, source, targets, request, watch);
  const refusals = [...unsettable];
  const isChange = steps.some(({ value }) => value !== undefined);
  if (isChange && request.yes !== source.name) {
    const names = steps.map(({ target }) => target.name).join(", ");
    const message = `the application of ${source.name} would be pointed at ${label} (${names})`;
    refusals.push(
      new LifeboatError("CONFIRMATION_NEEDED", message, { hint: `repeat the command with --yes ${source.name} when you are sure` }),
    );
  }
  const facts = { to: label, targets: steps.map(({ target, value }) => ({ name: target.name, changes: value !== undefined })) };
  const draft: Plan = {
    verb: "cutover",
    source: source.name,
    steps: isChange ? planSteps(source, steps, label) : [],
    refusals: refusals.map(({ code, message }) => ({ code, message })),
    facts,
  };
  return { label, steps, refusals, plan: withDigest(draft, { to: request.to ?? label, only: request.only, back: request.back }) };
}

function planSteps({ health }: Source, steps: readonly Step[], label: string): PlanStep[] {
  const changed = steps.filter(({ value }) => value !== undefined);
  const each = changed.flatMap(({ target }): PlanStep[] => [
    {
      action: "read-variable",
      subject: target.variable,
      object: target.name,
      effect: "none",
      reason: "the way back needs it; it is kept sealed",
    },
    { action: "set-variable", subject: target.variable, object: target.name, effect: "change", reason: `it names ${label}` },
    { action: "redeploy", subject: `${target.kind} ${target.name}`, effect: "change", reason: "it reads the variable when it starts" },
  ]);
  const wait: PlanStep =
    health === undefined
      ? {
          action: "await-health",
          subject: "nothing that",
          effect: "none",
          reason: "no health address is configured: whether it comes up will not be known",
        }
      : {
          action: "await-health",
          subject: healthInWords(health),
          effect: "none",
          reason: `at most ${health.timeoutMs / 1000} s; else it is pointed back`,
        };
  return [...each, wait];
}

async function change(
  context: Context,
  source: Source,
  label: string,
  steps: readonly Step[],
  job: Job,
  watch: Watch,
): Promise<CutOverDone> {
  const work = { signal: job.signal, progress: watch.progress };
  const declared = new Map<CutOverTarget, Resource>();
  const changes: Change[] = [];
  const note = async (one: Change): Promise<void> => {
    const [before, next] = [declared.get(one.target), await changeResource(context, job.maker, one)];
    await job.declare(next);
    if (before !== undefined) await job.withdraw(before);
    declared.set(one.target, next);
    changes.splice(0, changes.length, ...changes.filter(({ target }) => target !== one.target), one);
  };
  const settle = async ({ target }: Change): Promise<void> => {
    const resource = declared.get(target);
    if (resource !== undefined) await job.withdraw(resource);
  };
  const targets = steps.map(({ target: { name, kind, variable }, value }) => ({ name, kind, variable, changed: value !== undefined }));
  const done = { job: job.id, to: label, targets };
  try {
    for (const { target, former, value } of steps) {
      if (value === undefined) continue;
      const one = { target, source: source.name, former, value, deployed: false };
      job.decide(`${target.variable} at ${target.name} will name ${label}`, "its present value is kept, sealed");
      await note(one);
      await job.assertAlive();
      await job.step(`set ${target.name}`, async () => (await target.cutOver()).set(value, work));
    }
    for (const one of [...changes]) {
      await note({ ...one, deployed: true });
      await job.step(`deploy ${one.target.name}`, async () => (await one.target.cutOver()).deploy?.(work));
    }
    if (changes.length === 0) return { ...done, verdict: "pass", message: `the application reads ${label} already` };
    const seen = await job.step("health", () => requireHealth(context, source, job, watch));
    for (const one of changes) await settle(one);
    job.decide(`verdict: ${seen.verdict}`, seen.message);
    return { ...done, ...seen };
  } catch (error) {
    if (job.signal.aborted || changes.length === 0) throw error;
    const first = asLifeboatError(error);
    job.decide("the application is pointed back", first.message);
    const says = await job.step("go back", () => goBackFrom(context, source, changes, settle));
    for (const sentence of says) job.decide(sentence);
    throw new LifeboatError(first.code, `${first.message}; ${says.join("; ")}`, {
      cause: first,
      hint: first.hint,
      details: { ...first.details, wentBack: says },
    });
  }
}

/** UNHEALTHY: the application did not come up in time. */
async function requireHealth(
  { clock }: Context,
  { health }: Source,
  { signal }: Job,
  { progress }: Watch,
): Promise<Pick<CutOverDone, "verdict" | "message">> {
  if (health === undefined)
    return { verdict: "inconclusive", message: "no health address is configured, so whether the application is up is not known" };
  const { ok, said, waitedMs } = await awaitHealth(health, clock, { signal, progress });
  const words = healthInWords(health);
  if (ok) return { verdict: "pass", message: `${words} ${said} after ${(waitedMs / 1000).toFixed(1)} s` };
  throw new LifeboatError("UNHEALTHY", `the application did not come up: ${words} ${said} for ${health.timeoutMs / 1000} s`);
}
