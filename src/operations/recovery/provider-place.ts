// A restore within the provider: a past instant becomes a place of its own, replaces one that is there, or production itself is set back.
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { NAME_PATTERNS } from "../../core/names.ts";
import type { PlanStep } from "../../core/plan.ts";
import type { Check } from "../../core/verdict.ts";
import { wordsOf } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import { listSnapshotRecords } from "../../repository/snapshots.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { isUnwritable } from "../jobs/records.ts";
import { recoverJobs } from "../jobs/recover.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { recordKept } from "../jobs/undo-provider.ts";
import { historyControl } from "../points/look.ts";
import type { Made, ReadyRestore } from "./destination.ts";
import { eraseAgain, eraseInUse } from "./erase.ts";
import { type PlanPart, roundings } from "./plan.ts";
import { prove } from "./prove.ts";
import { expectedOf, type ProviderTarget } from "./provider.ts";
import { freeBranchName, isToBeReplaced, type PlaceRequest } from "./provider-names.ts";

/**
 * Cleans up after dead jobs before a restore in place. CONFIRMATION_NEEDED when one of them had set production back already: a command
 * that is repeated after a crash means one restore, not two.
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

/** What holds production's state from before a restore in place: a branch, where the provider makes such, else a snapshot. */
const keptWord = ({ provider }: Source): "branch" | "snapshot" =>
  (provider.snapshots?.forms ?? ["branch"]).includes("branch") ? "branch" : "snapshot";

/** Names, refusals and steps. USAGE for a name that cannot be had. */
export async function preparePlace(
  context: Context,
  source: Source,
  target: ProviderTarget,
  request: PlaceRequest,
  watch: Watch,
): Promise<ReadyRestore> {
  const history = historyControl(source);
  const { inPlace = false, keepAs, taken } = request;
  const at = context.clock.now();
  const over = !inPlace && request.into !== undefined && (await isToBeReplaced(context, source, request.into, request, watch));
  const kept = inPlace ? await freeBranchName(source, NAME_PATTERNS.rollback, keepAs, at, watch, keptWord(source)) : "";
  const into =
    inPlace || over ? (request.into ?? "") : await freeBranchName(source, NAME_PATTERNS.restore, request.into, at, watch, "branch", taken);
  const refusals = (await history.obstacles({ target: target.history, inPlace }, watch)).map(refusalBy);
  const { interruption } = history;
  const lost = inPlace
    ? `production of ${source.name} would be set back to ${target.point.name}${interruption === undefined ? "" : `; ${interruption}`}`
    : over
      ? `all that ${history.place} ${into} holds would be lost: ${target.point.name} of ${source.name} would be restored over it`
      : undefined;
  if (lost !== undefined && request.yes !== source.name) refusals.push(confirmation(source, lost));
  const carry = inPlace ? setBack : over ? overwrite : branchOff;
  return {
    into: inPlace ? "production" : "place",
    request: { into: request.into, inPlace, keepAs, replace: request.replace },
    parts: [placePart(source, target, { inPlace, over, into, kept })],
    refusals,
    exclusive: true, // two at once would each take the other's work for the state to keep
    async carryOut(job) {
      for (const remark of target.remarks) watch.progress.note(remark);
      const made = await carry(context, source, target, inPlace ? kept : into, job, watch);
      const { settle, warnings, ...rest } = made;
      const checks = await job
        .step("verify", async () => {
          const expected = await expectedOf(context, target, watch);
          return prove(source, made.connection, { expected, asOf: target.at }, job, watch);
        })
        // Production was set back already: what could not be read is told, and the restore stays recorded.
        .catch((error: unknown) => {
          if (!inPlace || job.signal.aborted) throw error;
          return [unproven(error)];
        });
      // Only a new place can still be withheld.
      const apply = inPlace || over ? eraseInUse : eraseAgain;
      const { checks: found, remarks, erasures } = await apply(context, source, () => made.connection, job, watch);
      await settle();
      const all = [...warnings, ...adviceOf(source, target, inPlace)];
      const reached = { kind: "provider", target } as const;
      return {
        ...rest,
        reached,
        target: made.connection.label,
        checks: [...checks, ...found],
        remarks: [...all, ...remarks],
        erasures,
        warnings: [...target.remarks, ...all],
      };
    },
  };
}

function placePart(
  source: Source,
  target: ProviderTarget,
  { inPlace, over, into, kept }: { readonly inPlace: boolean; readonly over: boolean; readonly into: string; readonly kept: string },
): PlanPart {
  const { place, interruption, cost } = historyControl(source);
  const holds = `it holds the data of ${target.point.snapshotAt}`;
  const object = target.point.name;
  const act: PlanStep[] = inPlace
    ? [
        {
          action: "keep",
          subject: "production's present state",
          name: `${keptWord(source)} ${kept}`,
          effect: "create",
          reason: "until the restore is accepted",
        },
        {
          action: "set-back",
          subject: "production",
          object,
          effect: "change",
          reason: [
            holds,
            "the connection string stays the same, so no cut-over is required",
            ...((interruption ?? "") ? [interruption] : []),
          ].join("; "),
        },
      ]
    : over
      ? [{ action: "overwrite", subject: `${place} ${into}`, object, effect: "remove", reason: `all that it holds is lost; ${holds}` }]
      : [{ action: "create-place", subject: place, name: into, object, effect: "create", reason: holds }];
  const proof: PlanStep = {
    action: "prove",
    subject: wordsOf(source.engine.name).table,
    effect: "none",
    reason: "a restore counts when it is proven",
  };
  return {
    steps: [...roundings(target), ...act, proof],
    timed: [{ name: inPlace ? "set back" : over ? "restore" : "create" }, { name: "verify" }],
    facts: { history: target.history.kind === "time" ? { kind: "time", at: target.history.at.toISOString() } : { ...target.history } },
    cost: inPlace || over ? undefined : cost,
  };
}

/** The port tells obstacles in sentences; want of room is the one that scripts must tell from the others. */
export const refusalBy = (message: string): LifeboatError =>
  new LifeboatError(/\b(room|limit)\b/i.test(message) ? "PROVIDER_LIMIT" : "PROVIDER_REFUSED", message);

export const confirmation = (source: Source, message: string): LifeboatError =>
  new LifeboatError("CONFIRMATION_NEEDED", message, { hint: `repeat the command with --yes ${source.name} when you are sure` });

interface MadePlace extends Pick<Made, "branch" | "kept"> {
  readonly connection: Connection;
  readonly warnings: readonly string[];
  /** From here on it stays. */
  settle(): Promise<void>;
}

async function branchOff(_: Context, source: Source, target: ProviderTarget, into: string, job: Job, watch: Watch): Promise<MadePlace> {
  const work = { signal: job.signal, progress: watch.progress };
  const history = historyControl(source);
  const branch = await job.step("create", () =>
    history.branch({
      name: into,
      target: target.history,
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
async function overwrite(_: Context, source: Source, target: ProviderTarget, into: string, job: Job, watch: Watch): Promise<MadePlace> {
  const history = historyControl(source);
  if (history.over === undefined)
    throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} restores into new places only`);
  const over = history.over.bind(history);
  await job.assertAlive();
  const place = await job.step("restore", () => over({ name: into, target: target.history, signal: job.signal, progress: watch.progress }));
  const { connection, warnings, id, name } = place;
  return { connection, warnings, branch: { id, name }, settle: async () => undefined };
}

async function setBack(
  context: Context,
  source: Source,
  target: ProviderTarget,
  keepAs: string,
  job: Job,
  watch: Watch,
): Promise<MadePlace> {
  const work = { signal: job.signal, progress: watch.progress };
  const former = (await source.provider.settings?.read(work))?.settings.branch_id;
  const resource = RESOURCE.kept(source.name, job.id, keepAs, typeof former === "string" ? former : "");
  await job.declare(resource);
  await job.assertAlive();
  const back = await job.step("set back", () => historyControl(source).inPlace({ target: target.history, keepAs, ...work }));
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
  return { name: "verify", kind: "data", outcome: "inconclusive", message: `the restore is done, and could not be read: ${message}` };
}

/** After a snapshot has been restored in place, a provider whose history belongs to the branch has none for what is production now. */
function adviceOf(source: Source, { history }: ProviderTarget, inPlace: boolean): string[] {
  const isOfBranch = keptWord(source) === "branch";
  if (history.kind !== "snapshot" || history.form !== "snapshot" || !inPlace || !isOfBranch) return [];
  return [`protection now rests on snapshots: take one with \`lifeboat backup ${source.name} --kind snapshot --reason "after a restore"\``];
}
