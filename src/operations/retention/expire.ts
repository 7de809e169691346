// Applies the retention policy. A pure function decides, with reasons; this file carries it out.
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { HealthCode } from "../../core/monitors.ts";
import type { RestorePoint } from "../../core/restore-point.ts";
import { type Decision, expire as decide, type ExpireOptions, type Expiry } from "../../core/retention.ts";
import { isRefusal } from "../../ports/storage.ts";
import { type BackupPlace, removeBackup } from "../../repository/backups.ts";
import { backupsFolder, manifestName, partName } from "../../repository/layout.ts";
import { mark, readMarks, removeMarks } from "../../repository/marks.ts";
import { listUndoSets, removeUndoSet, type UndoRecord } from "../../repository/undo-sets.ts";
import { logOn } from "../archive/log-view.ts";
import type { Context, Source, Watch } from "../context.ts";
import { refuseInUse } from "../jobs/holders.ts";
import { type Job, runJob } from "../jobs/job.ts";
import type { JobOrder } from "../jobs/records.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { contentReasonsOf } from "../points/content.ts";
import { pointsOf, type SummaryEntry, summariesOf } from "../points/points.ts";
import { snapshotsOf } from "../points/snapshots.ts";
import { lastAttempt } from "../watch/attempt.ts";
import { clockDoubts, latestOf, readClocks } from "../watch/clocks.ts";
import { sharedOf } from "../watch/shared.ts";
import { baseKeepReasons, type LogExpiryPlan, planLogExpiry, removeLog } from "./log-expiry.ts";
import { planSnapshotExpiry, removeSnapshot } from "./snapshot-expiry.ts";

export interface ExpireResult extends Expiry {
  readonly source: string;
  /** Whether anything was done: false for a plan. */
  readonly applied: boolean;
  /** Points that should have been removed or moved and were not: a lock or a lease protects them, or the storage refused. */
  readonly refused: readonly { readonly point: RestorePoint; readonly message: string }[];
  /** Why nothing can be removed from here: the credentials may only add, or the storage is read-only. Nothing was tried then. */
  readonly powerless?: string | undefined;
  /** What is kept and removed of the log archive. Absent: there is none. */
  readonly log?: LogExpiryPlan | undefined;
  /** Undo sets of merges: those that are kept, and those whose time is over. */
  readonly undoSets: { readonly keep: readonly UndoRecord[]; readonly remove: readonly UndoRecord[] };
}

/**
 * What may hide a hold, or a better restore point than those that are left. What is merely unsigned counts for nothing and cannot
 * block expiry.
 */
const BLOCKING: ReadonlySet<HealthCode> = new Set<HealthCode>(["OBJECT_UNREADABLE", "POINT_MISSING", "POINT_CHANGED", "MARKS_ROLLED_BACK"]);

/** What is removed only when the user says so. `confirm`: as of the job's order, asked once the lease is held. */
export type ExpireRequest = Pick<ExpireOptions, "most" | "future"> & { readonly confirm?: JobOrder["confirm"] };

/** Plans what `expire` would do now. */
export async function planExpire(context: Context, source: Source, watch: Watch, request: ExpireRequest = {}): Promise<ExpireResult> {
  await context.catalog.forget(source.name); // what is removed is decided by manifests that were read now
  const entries = await pointsOf(context, source.name);
  const flaw = blockingFlaw(context, source);
  if (flaw !== undefined) {
    throw new LifeboatError("INTEGRITY", `nothing of ${source.name} is removed while this stands: ${flaw}`, {
      hint: `put back what is missing; or, when it is lost for good, run \`lifeboat acknowledge ${source.name}\``,
    });
  }
  const { backups, snapshots, blocked, log, now } = await decideOn(context, source, entries, watch, request);
  const removing = new Set(backups.remove.map(({ point }) => point.id));
  const undoSets = await undoSetsOf(context, source, now, backups.blocked, watch);
  const archived = log.log.segments.length + log.log.orphans.length > 0;
  return {
    source: source.name,
    applied: false,
    undoSets,
    log: archived ? await planLogExpiry(context, source, log, { removing, blocked: backups.blocked }) : undefined,
    keep: [...backups.keep, ...snapshots.keep],
    remove: [...backups.remove, ...snapshots.remove],
    withheld: [...(backups.withheld ?? []), ...(snapshots.withheld ?? [])],
    transitions: backups.transitions,
    blocked,
    refused: [],
  };
}

/**
 * Says why nothing of the source would be removed now, judged by what is known without reading every manifest again. Empty: nothing
 * keeps an expiry from its work.
 */
export async function obstaclesNow(context: Context, source: Source, watch: Watch): Promise<readonly string[]> {
  const entries = await summariesOf(context, source.name);
  const flaw = blockingFlaw(context, source);
  return flaw === undefined ? (await decideOn(context, source, entries, watch, {})).blocked : [flaw];
}

const blockingFlaw = ({ catalog }: Context, { name }: Source): string | undefined =>
  catalog.flaws(name).find(({ code }) => BLOCKING.has(code))?.message;

/** Decides about backups and about points at the provider. */
async function decideOn<E extends SummaryEntry>(
  context: Context,
  source: Source,
  entries: readonly E[],
  watch: Watch,
  { most, future }: ExpireRequest,
) {
  const points = entries.map(({ point }) => point);
  const attempt = await lastAttempt(context, source.name, points, await sharedOf(context, watch.signal));
  const { storageClasses } = context.repository.storage.capabilities;
  const log = await logOn(context, source.name, entries, watch.signal);
  const clocks = await readClocks(context, source, watch);
  const now = clocks.here;
  const by = {
    most,
    future,
    doubts: [...clockDoubts(clocks), ...contentReasonsOf(source, entries).map(({ message }) => message)],
    present: latestOf(clocks),
  };
  const keepReasons = baseKeepReasons(log, points, source, now);
  const options = { ...by, lastAttemptFailed: attempt?.outcome === "failed", storageClasses, keepReasons };
  const backups = decide(points, source.policy, now, options);
  const snapshots = await planSnapshotExpiry(context, source, by, watch);
  return { backups, snapshots, blocked: [...new Set([...backups.blocked, ...snapshots.blocked])], log, now };
}

/** Removes and moves what the policy says, oldest first. A point that another job uses stays until the next expiry. */
export async function expire(context: Context, source: Source, watch: Watch, request: ExpireRequest = {}): Promise<ExpireResult> {
  return runJob(
    context,
    { verb: "expire", source: source.name, exclusive: true, aside: true, confirm: request.confirm },
    watch,
    async (job) => {
      const plan = await job.step("decide", () => planExpire(context, source, watch, request));
      // One that a schedule asked for has no reader of its result but the log.
      if (request.confirm !== undefined && plan.blocked.length > 0)
        watch.progress.note(`nothing of ${source.name} is removed while ${plan.blocked.join("; ")}`);
      const folders = new Map((await pointsOf(context, source.name)).map(({ point, folder }) => [point.id, folder]));
      const atProvider = await snapshotsOf(context, source, { signal: job.signal });
      const refused: { point: RestorePoint; message: string }[] = [];
      const withheld: Decision[] = [];
      const attempt = async (point: RestorePoint, act: (place: BackupPlace) => Promise<void>): Promise<void> => {
        try {
          await act({ source: source.name, folder: folders.get(point.id) ?? "" });
          watch.progress.advance(1);
        } catch (error) {
          job.signal.throwIfAborted();
          if (error instanceof Unfinished) throw error.cause;
          if (isForbidden(error)) {
            withheld.push({ point, reasons: [`the provider keeps it: ${error.message}`] });
            return;
          }
          refused.push({ point, message: asLifeboatError(error).message });
        }
      };
      const powerless = await powerlessness(context, source, plan);
      await job.step("remove", async () => {
        for (const { point } of plan.remove) {
          if (powerless !== undefined && point.kind !== "snapshot") {
            refused.push({ point, message: powerless });
            continue;
          }
          const snapshot = atProvider.find((entry) => entry.point.id === point.id);
          if (point.kind !== "snapshot") await attempt(point, (place) => remove(context, job, point, place));
          else if (snapshot !== undefined) await attempt(point, () => removeSnapshot(context, source, job, snapshot));
        }
      });
      // After the bases that require it; planned again, because the removal of one may have been refused.
      const log =
        plan.log === undefined || powerless !== undefined
          ? plan.log && { ...plan.log, refused: powerless }
          : await job.step("remove log", () => removeLog(context, source, plan.blocked, job, watch));
      await job.step("move", async () => {
        for (const { point, to } of plan.transitions) await attempt(point, (place) => move(context, job, point, to, place));
      });
      if (powerless === undefined && plan.undoSets.remove.length > 0)
        await job.step("remove undo sets", async () => {
          for (const record of plan.undoSets.remove) await removeUndoSet(context.repository, record);
        });
      const gone = plan.remove.filter(({ point }) => !withheld.some((one) => one.point.id === point.id));
      return { ...plan, applied: true, keep: [...plan.keep, ...withheld], remove: gone, refused, powerless, log };
    },
    (done) => ({ removed: done.remove.length, refused: done.refused.length, waits: waitsOf(done) }),
  );
}

/** Reasons that a journal holds, and their length. */
const MOST_REASONS = 5;
const LONGEST_REASON = 300;

/** Why it was not done, so that its slot is tried again. What these credentials may never remove does not wait. */
function waitsOf({ blocked, refused, log, powerless }: ExpireResult): string[] {
  if (powerless !== undefined) return [];
  const reasons = new Set([...blocked, ...refused.map(({ message }) => message), ...(log?.refused === undefined ? [] : [log.refused])]);
  return [...reasons].slice(0, MOST_REASONS).map((one) => one.slice(0, LONGEST_REASON));
}

/** A hold keeps an undo set beyond its time, and so does all that keeps restore points from being removed. */
async function undoSetsOf({ repository }: Context, { name }: Source, now: Date, blocked: readonly string[], { signal }: Watch) {
  const all = await listUndoSets(repository, name, signal);
  const isOver = ({ hold, expiresAt }: UndoRecord): boolean => hold === undefined && blocked.length === 0 && new Date(expiresAt) < now;
  return { keep: all.filter((one) => !isOver(one)), remove: all.filter(isOver) };
}

/** Asks before anything begins: a removal is journaled first, and the journal must not claim what cannot happen. */
async function powerlessness({ repository: { storage } }: Context, source: Source, plan: ExpireResult): Promise<string | undefined> {
  const gone =
    (plan.log?.remove.length ?? 0) + plan.undoSets.remove.length + plan.remove.filter(({ point }) => point.kind !== "snapshot").length;
  if (gone === 0) return undefined;
  try {
    await storage.delete(`${backupsFolder(source.name)}none`); // is never there
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return `nothing can be removed from here: ${error.message}`;
  }
}

/** A compliance policy of the owner outranks the retention policy: what it keeps is kept correctly, and nothing has failed. */
const isForbidden = (error: unknown): error is LifeboatError =>
  isLifeboatError(error, "PROVIDER_REFUSED") && /compliance policy/i.test(`${error.message} ${JSON.stringify(error.details)}`);

async function remove(context: Context, job: Job, point: RestorePoint, place: BackupPlace): Promise<void> {
  await job.claim(point.id);
  try {
    await refuseInUse(context, point.id, job.id);
    await refuseHeld(context, point);
    await removeClaimed(context, job, point, place);
  } finally {
    await job.claim(undefined).catch(() => undefined); // the first cause counts, and a claim that stands makes holds careful
  }
}

async function removeClaimed(context: Context, job: Job, point: RestorePoint, place: BackupPlace): Promise<void> {
  const { storage } = context.repository;
  const resource = RESOURCE.removal(place.source, place.folder, point.id);
  await job.assertAlive();
  await job.declare(resource); // from here on a crash ends with the point gone, never with half of it listed
  try {
    await removeBackup(context.repository, place, context.clock, "expired");
    await removeMarks(context.repository, place.source, point.id);
  } catch (error) {
    if ((await storage.head(manifestName(place.source, place.folder))) === undefined) throw new Unfinished(error);
    await job.withdraw(resource); // refused: it is whole, and stays
    throw error;
  }
  await job.withdraw(resource);
}

/** A removal that began and could not finish: the job fails, and its clean-up, now or at the next start, finishes it. */
class Unfinished extends Error {
  constructor(cause: unknown) {
    super("a removal began and could not end", { cause });
  }
}

async function move(context: Context, job: Job, point: RestorePoint, storageClass: string, place: BackupPlace): Promise<void> {
  const { storage } = context.repository;
  await storage.setStorageClass(partName(place.source, place.folder, "data"), storageClass, { signal: job.signal });
  await mark(context.repository, place.source, point.id, { storageClass });
}

/** Tells whether it was put on hold after the decision. */
async function refuseHeld(context: Context, point: RestorePoint): Promise<void> {
  const { hold } = await readMarks(context.repository, point.source, point.id);
  if (hold) throw new LifeboatError("LEASE_HELD", `${hold.by} put it on hold meanwhile`);
}
