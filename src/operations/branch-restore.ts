// A restore within the provider: a past instant becomes a branch of its own, or production itself goes back. Nothing is copied.
import { type ErrorCode, isLifeboatError, LifeboatError } from "../core/errors.ts";
import { NAME_PATTERNS, renderName, validateName } from "../core/names.ts";
import { judgeObjective } from "../core/objectives.ts";
import type { Plan, PlanRefusal, PlanStep } from "../core/plan.ts";
import type { Check } from "../core/verdict.ts";
import type { Connection } from "../ports/connection.ts";
import { listSnapshotRecords } from "../repository/snapshots.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { expectedOf, type PastTarget } from "./history-target.ts";
import { type Job, runJob } from "./job.ts";
import { historyControl } from "./look.ts";
import { prove } from "./proof.ts";
import { recoverJobs } from "./recover.ts";
import { RESOURCE } from "./undo.ts";
import { recordKept } from "./undo-provider.ts";
import type { Source, Watch, Workshop } from "./workshop.ts";

export interface BranchRestoreRequest {
  /** Name of the new branch. Default: `restore-YYYY-MM-DD-HHMM`. */
  readonly into?: string | undefined;
  /** Production itself goes back; its connection string stays the same. */
  readonly inPlace?: boolean | undefined;
  /** Name under which production's present state is kept. Default: `rollback-YYYYMMDD`. */
  readonly keepAs?: string | undefined;
  readonly yes?: string | undefined;
}

export interface BranchRestored extends Finding {
  readonly connection: Connection;
  readonly branch?: { readonly id: string; readonly name: string } | undefined;
  /** What production was before; it goes some days after `accept` of this job. */
  readonly kept?: { readonly id: string; readonly name: string } | undefined;
  /** What a user should know and do now. */
  readonly warnings: readonly string[];
}

interface Course {
  readonly into: string;
  readonly keepAs: string;
  readonly refusals: readonly PlanRefusal[];
}

/** What it would do, and what stands against it. Nothing is touched. */
export async function planBranchRestore(
  workshop: Workshop,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  watch: Watch,
): Promise<Plan> {
  const { into, keepAs, refusals } = await plot(workshop, source, past, request, watch);
  const reason = `it holds the data of ${past.point.snapshotAt}`;
  const steps: PlanStep[] = request.inPlace
    ? [
        { what: `keep production's present state as branch ${keepAs}`, effect: "create", reason: "until somebody accepts the restore" },
        { what: `set production back to ${past.point.name}`, effect: "change", reason: `${reason}; the connection string stays the same` },
      ]
    : [{ what: `create branch ${into} from ${past.point.name}`, effect: "create", reason }];
  const proof: PlanStep = { what: "read every table, ask the probes", effect: "none", reason: "a restore counts when it is proven" };
  return { verb: "restore", source: source.name, steps: [...steps, proof], refusals };
}

async function plot(workshop: Workshop, source: Source, past: PastTarget, request: BranchRestoreRequest, watch: Watch): Promise<Course> {
  const history = historyControl(source);
  const inPlace = request.inPlace === true;
  const at = workshop.clock.now();
  const refusals: PlanRefusal[] = [];
  const keepAs = await freeBranchName(source, NAME_PATTERNS.rollback, request.keepAs, at, watch);
  const into = await freeBranchName(source, NAME_PATTERNS.restore, request.into, at, watch);
  for (const message of await history.obstacles({ target: past.target, inPlace }, watch)) refusals.push({ code: codeOf(message), message });
  if (inPlace && request.yes !== source.name) {
    refusals.push({
      code: "CONFIRMATION_NEEDED",
      message: `production of ${source.name} would be set back to ${past.point.name}`,
    });
  }
  return { into, keepAs, refusals };
}

/** The port tells obstacles in sentences; want of room is the one that scripts must tell from the others. */
const codeOf = (message: string): ErrorCode => (/\b(room|limit)\b/i.test(message) ? "PROVIDER_LIMIT" : "PROVIDER_REFUSED");

/** The name asked for when it is free (else USAGE), or one by the pattern. */
export async function freeBranchName(source: Source, pattern: string, wanted: string | undefined, at: Date, watch: Watch): Promise<string> {
  const history = historyControl(source);
  if (wanted !== undefined) {
    validateName(wanted);
    if ((await history.find(wanted, watch)) === undefined) return wanted;
    throw new LifeboatError("USAGE", `${source.name} has a branch named ${wanted} already`, { hint: "give another name, or none" });
  }
  const taken: string[] = [];
  for (;;) {
    const name = renderName(pattern, { at, taken });
    if ((await history.find(name, watch)) === undefined) return name;
    taken.push(name);
  }
}

/**
 * Ends what died, before a restore in place is even thought of. CONFIRMATION_NEEDED when one of them had set production back
 * already: whoever repeats the command after a crash wishes for one restore, not for two.
 */
export async function assertNotDoneAlready(workshop: Workshop, source: Source, watch: Watch): Promise<void> {
  const dead = (await recoverJobs(workshop, watch.progress)).filter((one) => one.verb === "restore" && one.source === source.name);
  if (dead.length === 0) return;
  const records = await listSnapshotRecords(workshop.repository.storage, source.name, watch.signal);
  for (const { job } of dead) {
    const found = [...records.values()].find(({ kept }) => kept?.job === job);
    if (found === undefined) continue;
    throw new LifeboatError(
      "CONFIRMATION_NEEDED",
      `job ${job} had set production of ${source.name} back before its process ended; the state before is kept as ${found.name}`,
      { hint: `look at production, then run \`lifeboat accept ${job}\`; or repeat the command to restore once more` },
    );
  }
}

/** Restores, proves what came back, and files evidence. What stands against it is refused beforehand. */
export async function branchRestore(
  workshop: Workshop,
  source: Source,
  past: PastTarget,
  request: BranchRestoreRequest,
  watch: Watch,
): Promise<BranchRestored> {
  await recoverJobs(workshop, watch.progress); // before names are chosen and room is looked for: a dead job's remains take both
  const course = await plot(workshop, source, past, request, watch);
  const [refusal] = course.refusals;
  if (refusal !== undefined) {
    const hint = `repeat the command with --yes ${source.name} when you are sure`;
    throw new LifeboatError(refusal.code, refusal.message, refusal.code === "CONFIRMATION_NEEDED" ? { hint } : {});
  }
  return runJob(
    workshop,
    // One at a time: two at once would each take the other's work for the state to keep.
    { verb: "restore", source: source.name, exclusive: true, point: past.entry?.point.id },
    watch,
    async (job) => {
      const made = request.inPlace
        ? await setBack(workshop, source, past, course, job, watch)
        : await branchOff(source, past, course, job, watch);
      const asOf = past.at;
      const checks = await job
        .step("verify", async () => prove(source, made.connection, { expected: await expectedOf(workshop, past, watch), asOf }, job, watch))
        // Production has gone back already: what could not be looked at is told, and is no reason to forget what happened.
        .catch((error: unknown) => {
          if (!request.inPlace || job.signal.aborted) throw error;
          return [unproven(error)];
        });
      await made.settle();
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const achieved = { rtoSeconds: measuredSeconds(job), rpoSeconds: past.instant ? 0 : undefined };
      const warnings = [...made.warnings, ...adviceOf(source, past, request)];
      const finding = await conclude(workshop, source, {
        verb: "restore",
        job,
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
      ...(branch && { branch: branch.name }),
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

async function branchOff(source: Source, past: PastTarget, { into }: Course, job: Job, watch: Watch): Promise<Made> {
  const work = { signal: job.signal, progress: watch.progress };
  const history = historyControl(source);
  const branch = await job.step("create", () =>
    history.branch({ name: into, target: past.target, declare: (resource) => job.declare(resource), ...work }),
  );
  const { connection, warnings, id, name } = branch;
  return { connection, warnings, branch: { id, name }, settle: () => job.strike(branch.resource) };
}

async function setBack(workshop: Workshop, source: Source, past: PastTarget, { keepAs }: Course, job: Job, watch: Watch): Promise<Made> {
  const work = { signal: job.signal, progress: watch.progress };
  const former = (await source.provider.settings?.read(work))?.settings.branch_id;
  const resource = RESOURCE.kept(source.name, job.id, keepAs, typeof former === "string" ? former : "");
  await job.declare(resource);
  await job.assertAlive();
  const back = await job.step("set back", () => historyControl(source).inPlace({ target: past.target, keepAs, ...work }));
  await recordKept(workshop, source.name, back.kept, { job: job.id, verb: "restore" });
  await job.strike(resource);
  return { ...back, settle: async () => undefined };
}

function unproven(error: unknown): Check {
  const message = isLifeboatError(error) ? `${error.code}: ${error.message}` : String(error);
  return { name: "verify", kind: "data", outcome: "inconclusive", message: `the restore is done, and could not be looked at: ${message}` };
}

function adviceOf(source: Source, past: PastTarget, request: BranchRestoreRequest): string[] {
  if (past.target.kind !== "snapshot" || past.target.form !== "snapshot" || !request.inPlace) return [];
  return [`protection now rests on snapshots: take one with \`lifeboat backup ${source.name} --kind snapshot --reason "after a restore"\``];
}
