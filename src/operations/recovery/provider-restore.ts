// A restore within the provider: a past instant becomes a place of its own, goes over one that is there, or production itself goes back.
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { judgeObjective } from "../../core/objectives.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import { listSnapshotRecords } from "../../repository/snapshots.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { isUnwritable } from "../jobs/records.ts";
import { recoverJobs, tidy } from "../jobs/recover.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { recordKept } from "../jobs/undo-provider.ts";
import { historyControl } from "../points/look.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { expectedOf, type PastTarget } from "./history.ts";
import { prove } from "./prove.ts";
import { type BranchRestoreRequest, type Course, keptWord, plot } from "./provider-plan.ts";

export interface BranchRestored extends Finding {
  readonly connection: Connection;
  readonly branch?: { readonly id: string; readonly name: string } | undefined;
  /** What production was before; it goes some days after `accept` of this job. */
  readonly kept?: { readonly id: string; readonly name: string } | undefined;
  /** What a user should know and do now. */
  readonly warnings: readonly string[];
}

/**
 * Ends what died, before a restore in place is even thought of. CONFIRMATION_NEEDED when one of them had set production back
 * already: whoever repeats the command after a crash wishes for one restore, not for two.
 */
export async function assertNotDoneAlready(context: Context, source: Source, watch: Watch): Promise<void> {
  const cleaned = await recoverJobs(context, watch.progress).catch((error: unknown) => {
    watch.progress.note(`could not clean up after jobs that ended: ${asLifeboatError(error).message}`);
    return [];
  });
  const dead = cleaned.filter((one) => one.verb === "restore" && one.source === source.name);
  if (dead.length === 0) return;
  const records = await listSnapshotRecords(context.repository, source.name, watch.signal);
  for (const { job } of dead) {
    const found = [...records.values()].find(({ kept }) => kept?.job === job);
    if (found === undefined) continue;
    // A branch is what production was; a snapshot is taken first, and what came after it is not known.
    const had = found.form === "branch" ? "had set" : "may have set";
    throw new LifeboatError(
      "CONFIRMATION_NEEDED",
      `job ${job} ${had} production of ${source.name} back before its process ended; the state before is kept as ${found.name}`,
      { hint: `look at production, then run \`lifeboat accept ${job}\`; or repeat the command to restore once more` },
    );
  }
}

/** Restores, proves what came back, and files evidence. What stands against it is refused beforehand. */
export async function branchRestore(
  context: Context,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  watch: Watch,
): Promise<BranchRestored> {
  await tidy(context, watch); // before names are chosen and room is looked for: a dead job's remains take both
  const course = await plot(context, source, past, request, watch);
  const [refusal] = course.refusals;
  if (refusal !== undefined) {
    const hint = `repeat the command with --yes ${source.name} when you are sure`;
    throw new LifeboatError(refusal.code, refusal.message, refusal.code === "CONFIRMATION_NEEDED" ? { hint } : {});
  }
  for (const remark of past.remarks) watch.progress.note(remark);
  return runJob(
    context,
    // One at a time: two at once would each take the other's work for the state to keep.
    { verb: "restore", source: source.name, exclusive: true, point: past.entry?.point.id, aside: true },
    watch,
    async (job) => {
      const made = await carryOut(context, source, past, request, course, job, watch);
      const asOf = past.at;
      const checks = await job
        .step("verify", async () => prove(source, made.connection, { expected: await expectedOf(context, past, watch), asOf }, job, watch))
        // Production has gone back already: what could not be looked at is told, and is no reason to forget what happened.
        .catch((error: unknown) => {
          if (!request.inPlace || job.signal.aborted) throw error;
          return [unproven(error)];
        });
      await made.settle();
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const achieved = { rtoSeconds: measuredSeconds(job), rpoSeconds: past.instant && isSoundCopy(checks) ? 0 : undefined };
      const warnings = [...past.remarks, ...made.warnings, ...adviceOf(source, past, request)];
      const finding = await conclude(context, source, {
        verb: "restore",
        job,
        asked: past.asked,
        point: past.point,
        target: made.connection.label,
        checks: [...checks, ...judgeObjective(objective, achieved)],
        objective,
        achieved,
        remarks: warnings,
      });
      const { connection, branch, kept } = made;
      return { ...finding, connection, branch, kept, warnings };
    },
    ({ evidence, branch, kept }) => ({
      verdict: evidence.verdict,
      point: past.point.id,
      ...(branch && { [historyControl(source).place]: branch.name }),
      ...(kept && { kept: kept.name }),
    }),
  );
}

interface Made {
  readonly connection: Connection;
  readonly branch?: { readonly id: string; readonly name: string } | undefined;
  readonly kept?: { readonly id: string; readonly name: string } | undefined;
  readonly warnings: readonly string[];
  /** From here on it stays. */
  settle(): Promise<void>;
}

async function carryOut(
  context: Context,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  course: Course,
  job: Job,
  watch: Watch,
): Promise<Made> {
  if (request.inPlace) return setBack(context, source, past, course, job, watch);
  return course.over ? goOver(source, past, course, job, watch) : branchOff(source, past, course, job, watch);
}

async function branchOff(source: Source, past: PastTarget, { into }: Course, job: Job, watch: Watch): Promise<Made> {
  const work = { signal: job.signal, progress: watch.progress };
  const history = historyControl(source);
  const branch = await job.step("create", () =>
    history.branch({
      name: into,
      target: past.target,
      maker: job.maker,
      declare: (resource) => job.declare(resource),
      withdraw: (resource) => job.withdraw(resource),
      ...work,
    }),
  );
  const { connection, warnings, id, name } = branch;
  return { connection, warnings, branch: { id, name }, settle: () => job.withdraw(branch.resource) };
}

/** What was there is lost from the first moment on: there is nothing to undo. */
async function goOver(source: Source, past: PastTarget, { into }: Course, job: Job, watch: Watch): Promise<Made> {
  const history = historyControl(source);
  if (history.over === undefined)
    throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} restores into new places only`);
  const over = history.over.bind(history);
  await job.assertAlive();
  const place = await job.step("restore", () => over({ name: into, target: past.target, signal: job.signal, progress: watch.progress }));
  const { connection, warnings, id, name } = place;
  return { connection, warnings, branch: { id, name }, settle: async () => undefined };
}

async function setBack(context: Context, source: Source, past: PastTarget, { keepAs }: Course, job: Job, watch: Watch): Promise<Made> {
  const work = { signal: job.signal, progress: watch.progress };
  const former = (await source.provider.settings?.read(work))?.settings.branch_id;
  const resource = RESOURCE.kept(source.name, job.id, keepAs, typeof former === "string" ? former : "");
  await job.declare(resource);
  await job.assertAlive();
  const back = await job.step("set back", () => historyControl(source).inPlace({ target: past.target, keepAs, ...work }));
  try {
    await recordKept(context, source.name, back.kept, { job: job.id, verb: "restore" });
  } catch (error) {
    // Production is back. What it was is still listed in the journal: the next start that can write records it.
    if (!isUnwritable(error)) throw error;
    const later = `that ${back.kept.name} is kept could not be recorded (${error.message}): run \`lifeboat jobs recover\` when the repository can be written`;
    return { ...back, warnings: [...back.warnings, later], settle: async () => undefined };
  }
  await job.withdraw(resource);
  return { ...back, settle: async () => undefined };
}

function unproven(error: unknown): Check {
  const message = isLifeboatError(error) ? `${error.code}: ${error.message}` : String(error);
  return { name: "verify", kind: "data", outcome: "inconclusive", message: `the restore is done, and could not be looked at: ${message}` };
}

/** After a snapshot has been restored in place, a provider whose history hangs on the branch has none for what is production now. */
function adviceOf(source: Source, past: PastTarget, request: BranchRestoreRequest): string[] {
  const hangsOnBranch = keptWord(source) === "branch";
  if (past.target.kind !== "snapshot" || past.target.form !== "snapshot" || !request.inPlace || !hangsOnBranch) return [];
  return [`protection now rests on snapshots: take one with \`lifeboat backup ${source.name} --kind snapshot --reason "after a restore"\``];
}
