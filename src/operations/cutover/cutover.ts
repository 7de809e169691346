// Cut-over: the application is pointed at another database of its source. The present value is read first; when the application does not
// come up, it is pointed back.
import { pointedAt } from "../../core/cutover-address.ts";
import { asLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { CutOverTarget } from "../../ports/cutover.ts";
import type { Resource } from "../../ports/resource.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { type Change, changeResource, goBackFrom } from "./back.ts";
import { awaitHealth, healthInWords } from "./health.ts";

export interface CutOverRequest {
  /** A database on the source's server, or a place at its provider. */
  readonly to?: string | undefined;
  /** The whole connection string instead. */
  readonly url?: string | undefined;
  /** Only these cut-overs of the configuration. Default: all of the source. */
  readonly only?: readonly string[] | undefined;
  /** The source's name, as confirmation. */
  readonly yes?: string | undefined;
  readonly planDigest?: string | undefined;
}

export interface CutOverDone {
  readonly job: string;
  readonly to: string;
  readonly targets: readonly { readonly name: string; readonly kind: string; readonly variable: string; readonly changed: boolean }[];
  readonly verdict: Verdict;
  readonly message: string;
}

/** One place, its present value, and the one that it gets. Undefined: it has that already. */
interface Step {
  readonly target: CutOverTarget;
  readonly former: string;
  readonly value: string | undefined;
}

interface Prepared {
  readonly label: string;
  readonly steps: readonly Step[];
  readonly refusals: readonly LifeboatError[];
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
  const own = await source.provider.connection(watch);
  const destination = await destinationOf(source, own, request, watch);
  const refusals: LifeboatError[] = [];
  const steps: Step[] = [];
  for (const target of targets) {
    const read = await (await target.cutOver()).read(watch);
    const former = read.value ?? target.previous?.read();
    if (former === undefined) {
      refusals.push(
        new LifeboatError("CUTOVER_REFUSED", `${target.name} does not reveal ${target.variable}, so nothing could be set back`, {
          hint: `set cutover.${target.name}.previous to the present value, such as \${${target.variable}}`,
        }),
      );
      continue;
    }
    const value = request.url ?? pointedAt(former, own.url, destination.url);
    if (value === undefined) refusals.push(notOfSource(source, target, own));
    else steps.push({ target, former, value: value === null || value === former ? undefined : value });
  }
  const isChange = steps.some(({ value }) => value !== undefined);
  if (isChange && request.yes !== source.name) {
    const names = steps.map(({ target }) => target.name).join(", ");
    const message = `the application of ${source.name} would be pointed at ${destination.label} (${names})`;
    refusals.push(
      new LifeboatError("CONFIRMATION_NEEDED", message, { hint: `repeat the command with --yes ${source.name} when you are sure` }),
    );
  }
  const facts = { to: destination.label, targets: steps.map(({ target, value }) => ({ name: target.name, changes: value !== undefined })) };
  const draft: Plan = {
    verb: "cutover",
    source: source.name,
    steps: isChange ? planSteps(source, steps, destination.label) : [],
    refusals: refusals.map(({ code, message }) => ({ code, message })),
    facts,
  };
  return {
    label: destination.label,
    steps,
    refusals,
    plan: withDigest(draft, { to: request.to ?? destination.label, only: request.only }),
  };
}

function targetsOf({ cutOvers }: Context, source: Source, only: readonly string[] | undefined): CutOverTarget[] {
  const own = [...(cutOvers?.values() ?? [])].filter((target) => target.source === source.name);
  const unknown = only?.find((name) => !own.some((target) => target.name === name));
  if (unknown !== undefined || own.length === 0) {
    const known = own.map(({ name }) => name).join(", ") || "none";
    throw new LifeboatError(
      "CUTOVER_UNKNOWN",
      `${source.name} has no cut-over${unknown === undefined ? "" : ` called ${unknown}`} (it has: ${known})`,
    );
  }
  return only === undefined ? own : own.filter(({ name }) => only.includes(name));
}

/** RESTORE_TARGET_INVALID for a database that is not there or empty. */
async function destinationOf(source: Source, own: Connection, { to, url }: CutOverRequest, watch: Watch): Promise<Connection> {
  if ((to === undefined) === (url === undefined))
    throw new LifeboatError("USAGE", "say where the application is pointed: the name of a database or place, or a connection string", {
      hint: `add --to NAME, or --url-file FILE`,
    });
  const { engine } = source;
  const connection = url !== undefined ? engine.resolveTarget(undefined, url).connection : await placeNamed(source, own, to ?? "", watch);
  const { exists, occupants } = await engine.stateOf(engine.resolveTarget(undefined, connection.url), watch);
  if (exists && occupants.length > 0) return connection;
  throw new LifeboatError("RESTORE_TARGET_INVALID", `${connection.label} ${exists ? "holds nothing" : "does not exist"}`, {
    hint: `give --to a database that holds the restored data of ${source.name}`,
  });
}

async function placeNamed(source: Source, own: Connection, name: string, watch: Watch): Promise<Connection> {
  const { engine, provider } = source;
  if (source.managed !== true || provider.history === undefined) return engine.resolveTarget(own, name).connection;
  const found = await provider.history.find(name, watch);
  if (found === undefined || found.form === "snapshot")
    throw new LifeboatError("BRANCH_UNKNOWN", `${source.name} has no ${provider.history.place} named ${name}`);
  return found.production ? own : provider.history.connection(found.id, watch);
}

const notOfSource = (source: Source, target: CutOverTarget, own: Connection): LifeboatError =>
  new LifeboatError(
    "CUTOVER_REFUSED",
    `${target.variable} at ${target.name} does not point at ${own.label}, the database of ${source.name}`,
    {
      hint: "correct the entry, or give the whole connection string with --url-file FILE",
    },
  );

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
    return { ...done, ...seen };
  } catch (error) {
    if (job.signal.aborted || changes.length === 0) throw error;
    const first = asLifeboatError(error);
    const says = await job.step("go back", () => goBackFrom(context, source, changes, settle));
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
