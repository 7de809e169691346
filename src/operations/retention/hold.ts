// Hold and release: exempting a restore point from expiry, and ending that. The release of a point that was taken before a
// deployment says that the deployment succeeded: from then on it is kept as long as the policy says.

import { formatInstant } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { Hold } from "../../core/restore-point.ts";
import type { Work } from "../../ports/connection.ts";
import { readManifest } from "../../repository/backups.ts";
import { mark, removeMarks } from "../../repository/marks.ts";
import { changeSnapshotRecord } from "../../repository/snapshots.ts";
import { holdUndoSet, listUndoSets, type UndoRecord } from "../../repository/undo-sets.ts";
import { holdNow } from "../backup/backup-frame.ts";
import type { Context, Watch } from "../context.ts";
import { holdersOf } from "../jobs/holders.ts";
import { runJob } from "../jobs/job.ts";
import { type AnyPoint, type SnapshotEntry, snapshotsOf } from "../points/snapshots.ts";

export interface HoldResult {
  readonly held: boolean;
  /** When it expires, where the release of a point before a deployment decided that. */
  readonly expiresAt?: Date | undefined;
  /** What differs from what the command's name suggests. */
  readonly note?: string | undefined;
}

/** Puts the point on hold, or releases it. Doing either twice changes nothing more. USAGE: Lifeboat did not make the point. */
export async function setHold(
  context: Context,
  found: AnyPoint,
  held: boolean,
  reason: string | undefined,
  watch: Watch,
): Promise<HoldResult> {
  const { source, point } = found.entry;
  const { hold, expiresAt, note } = held ? { hold: holdNow(context, reason) } : releaseOf(context, found);
  const change = async (): Promise<void> => {
    if (found.kind === "backup") return mark(context.repository, source, point.id, { hold, ...(expiresAt && { expiresAt }) });
    const record = {
      hold: hold && { by: hold.by, at: hold.at.toISOString(), reason: hold.reason },
      ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
    };
    if (await changeSnapshotRecord(context.repository, source, point.id, record)) return;
    const { scheduled = false } = found.entry;
    const why = scheduled
      ? `the provider's own schedule made ${point.name} of ${source}, and removes it${point.expiresAt === undefined ? "" : ` on ${formatInstant(point.expiresAt)}`}: a hold would not keep it`
      : `${point.name} of ${source} was not made by Lifeboat, which never removes it: it needs no hold`;
    throw new LifeboatError("USAGE", why, {
      ...(scheduled ? { hint: `take one to keep: \`lifeboat backup ${source} --kind snapshot --hold\`` } : {}),
    });
  };
  let kept: string | undefined;
  await runJob(
    context,
    { verb: held ? "hold" : "release", source, point: point.id },
    watch,
    async (job) => {
      await job.step("mark", change);
      if (held) await job.step("confirm", () => confirm(context, found, watch));
      if (held && found.kind === "snapshot" && found.entry.snapshot.expiresAt !== undefined) {
        kept = await job.step("keep", () => keepAtProvider(context, found.entry, { signal: job.signal, progress: watch.progress }));
      }
    },
    () => ({ point: point.id }),
  );
  return { held: hold !== undefined, expiresAt, note: kept ?? note };
}

/** The undo set of a job, which a hold keeps as it keeps a restore point. Undefined: no job has one that begins so. */
export async function holdUndo(context: Context, wanted: string, held: boolean, reason: string | undefined, watch: Watch) {
  const typed = wanted.toLowerCase();
  const sets: UndoRecord[] = [];
  for (const source of context.sources.keys()) sets.push(...(await listUndoSets(context.repository, source, watch.signal)));
  const [record, ...others] = sets.filter(({ job }) => typed !== "" && job.startsWith(typed));
  if (others.length > 0) throw new LifeboatError("POINT_AMBIGUOUS", `${others.length + 1} jobs begin with ${wanted}`);
  if (record === undefined) return undefined;
  const { by, at } = holdNow(context, reason);
  await runJob(
    context,
    { verb: held ? "hold" : "release", source: record.source },
    watch,
    (job) => job.step("mark", () => holdUndoSet(context.repository, record, held ? { by, at: at.toISOString(), reason } : undefined)),
    () => ({ undo: record.job }),
  );
  const expiresAt = held ? undefined : new Date(record.expiresAt);
  return { id: record.job, name: "the undo set", source: record.source, held, expiresAt };
}

/**
 * The mark may have come too late: expire claims a point before it looks for marks, and a hold looks for claims after it has marked,
 * so that at least one of the two sees the other. LEASE_HELD: it is being removed. POINT_UNKNOWN: it is gone.
 */
async function confirm(context: Context, found: AnyPoint, watch: Watch): Promise<void> {
  const { source, point } = found.entry;
  const { holders } = await holdersOf(context, watch.signal);
  const remover = holders.find(({ record, abandoned }) => record.verb === "expire" && record.point === point.id && !abandoned);
  if (remover !== undefined) {
    const { job, owner } = remover.record;
    throw new LifeboatError(
      "LEASE_HELD",
      `job ${job} (expire on ${owner.host}) may be removing ${point.name}: the hold came too late, or holds it back`,
      {
        hint: `run \`lifeboat hold ${point.id}\` again in a moment: it says whether the point is there`,
      },
    );
  }
  if (await isThere(context, found, watch)) return;
  if (found.kind === "backup") await removeMarks(context.repository, source, point.id);
  throw new LifeboatError("POINT_UNKNOWN", `${point.name} of ${source} was removed before the hold was there`);
}

async function isThere(context: Context, found: AnyPoint, watch: Watch): Promise<boolean> {
  const { source, point } = found.entry;
  if (found.kind === "backup") {
    return (await readManifest(context.repository, { source, folder: found.entry.folder }, watch.signal)) !== undefined;
  }
  const configured = context.sources.get(source);
  if (configured === undefined) return true;
  return (await snapshotsOf(context, configured, watch)).some((entry) => entry.point.id === point.id);
}

/** Moves the provider's own expiry, which would end a hold. Returns what to tell the user where that cannot be done; undefined: nothing. */
async function keepAtProvider(context: Context, { source, snapshot }: SnapshotEntry, work: Work): Promise<string | undefined> {
  const expiry = (at: Date | undefined): string => (at === undefined ? "at a time of its own" : `on ${formatInstant(at)}`);
  const control = context.sources.get(source)?.provider.snapshots;
  if (control?.keep === undefined) return `the provider removes it ${expiry(snapshot.expiresAt)} regardless: its expiry cannot be moved`;
  try {
    const { expiresAt } = await control.keep(snapshot, work);
    return expiresAt === undefined ? undefined : `the provider, which knows no holds, keeps it until ${formatInstant(expiresAt)}`;
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code === "CANCELLED") throw error;
    return `the provider removes it ${expiry(snapshot.expiresAt)} regardless, because its expiry could not be moved: ${error.message}`;
  }
}

function releaseOf(context: Context, { entry }: AnyPoint): { hold?: Hold; expiresAt?: Date; note?: string } {
  const { point } = entry;
  // Only the first release begins the keep; later ones end a hold that a user added meanwhile.
  if (point.preDeploy === undefined || point.hold === undefined || point.expiresAt !== undefined) return {};
  const keepMs = context.sources.get(entry.source)?.snapshotPolicy?.preDeploy.keepMs ?? "forever";
  if (keepMs !== "forever") return { expiresAt: new Date(context.clock.now().getTime() + keepMs) };
  const reason = `the policy keeps it forever; the deployment of ${point.preDeploy} succeeded`;
  return { hold: { ...point.hold, reason }, note: "the policy keeps points taken before a deployment forever: it stays on hold" };
}
