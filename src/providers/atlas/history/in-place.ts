// Restores that overwrite a cluster: production itself, after a snapshot of what it is now, or another one that is given.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Branch, HistoryTarget } from "../../../ports/control.ts";
import { connectionOf, requireLogin, untilReachable } from "../access.ts";
import { type Account, isSource, requireDedicated, requireReplicaSet, sourceCluster } from "../account.ts";
import type { AtlasCluster, AtlasRestoreJob, AtlasSnapshot } from "../api/types.ts";
import { requireFreeSnapshotName, takeSnapshot } from "../snapshots.ts";
import { beginRestore, endRestore, restoreOnto } from "./restore.ts";
import { originOf } from "./target.ts";

export interface Replaced {
  readonly connection: Connection;
  readonly kept: { readonly id: string; readonly name: string; readonly form: "snapshot" };
  readonly warnings: readonly string[];
}

export const INTERRUPTION =
  "Atlas empties the cluster before it fills it again: production cannot be reached until the restore has ended, and every connection to it breaks";

export function whyNotInPlace(cluster: AtlasCluster, target: HistoryTarget): string | undefined {
  if (target.kind === "latest") return `${cluster.name} is at its latest state already: name a time, a position or a snapshot`;
  if (cluster.kind !== "dedicated") return `${cluster.name} is not a dedicated cluster: restore into a new one, where nothing can be lost`;
  if (cluster.paused) return `${cluster.name} is paused, and Atlas restores over no such cluster`;
  return undefined;
}

/** Checked before anything is changed. Once the restore has begun, Atlas continues it without Lifeboat. */
export async function restoreInPlace(account: Account, target: HistoryTarget, keepAs: string, work: Work): Promise<Replaced> {
  const source = await sourceCluster(account, work);
  requireReplicaSet(source, "restore it in place");
  requireDedicated(source, "take a snapshot");
  const why = whyNotInPlace(source, target);
  if (why !== undefined) throw new LifeboatError("PROVIDER_REFUSED", why);
  await requireFreeSnapshotName(account, source, keepAs, work);
  await originOf(account, source, target, work); // refused now, not after a snapshot was taken for it
  await requireLogin(account, source, work);
  work.progress?.note(`taking the snapshot ${keepAs} first: it keeps what ${source.name} is now`);
  const kept = await takeSnapshot(account, source, { name: keepAs, keep: "forever" }, work);
  const restored = await setBack(account, source, target, kept, work);
  const connection = connectionOf(account, restored);
  await untilReachable(account, connection, work);
  return {
    connection,
    kept: { id: kept.id, name: keepAs, form: "snapshot" },
    warnings: [
      `the state before is the snapshot ${keepAs}, as of ${(kept.createdAt ?? kept.requestedAt).toISOString()}: what was written after that and before the restore is lost`,
      ...(kept.expiresAt === undefined ? [] : [`Atlas keeps no snapshot forever: it removes ${keepAs} on ${kept.expiresAt.toISOString()}`]),
      `until the next snapshot of ${source.name} has completed, no second after the restore can be brought back: take one with \`lifeboat backup SOURCE --kind snapshot\``,
      "search indexes are built anew by Atlas",
    ],
  };
}

async function setBack(
  account: Account,
  source: AtlasCluster,
  target: HistoryTarget,
  kept: AtlasSnapshot,
  work: Work,
): Promise<AtlasCluster> {
  let job: AtlasRestoreJob;
  try {
    job = await beginRestore(account, source, await originOf(account, source, target, work), source.name, work);
  } catch (error) {
    // Refused, so production is unchanged and the snapshot is of no use. In doubt it stays.
    const untouched = error instanceof LifeboatError && UNTOUCHED.has(error.code);
    if (untouched) await account.api.deleteSnapshot(source, kept.id, { signal: AbortSignal.timeout(60_000) }).catch(() => undefined);
    throw error;
  }
  try {
    return await endRestore(account, source, job, source.name, work);
  } catch (error) {
    if (!(error instanceof LifeboatError)) {
      work.progress?.note(
        `Atlas is still restoring ${source.name} (restore ${job.id}); the state before is the snapshot ${kept.description}`,
      );
      throw error;
    }
    const { code, details, hint } = error;
    throw new LifeboatError(code, `${error.message}; the state before is the snapshot ${kept.description}`, {
      cause: error,
      hint,
      details: { ...details, restoreJob: job.id, kept: kept.id },
    });
  }
}

/** The newest restore over production that was asked for since, and how far it is: Atlas carries it on by itself. */
export async function productionAfter(account: Account, since: Date, work?: Work): Promise<string> {
  const { api, options } = account;
  const source = await sourceCluster(account, work);
  const { name } = source;
  const ours = (await api.restoreJobs(name, work))
    .filter(({ target, targetGroupId = options.groupId }) => target === name && targetGroupId === options.groupId)
    .filter(({ requestedAt }) => requestedAt.getTime() >= since.getTime() - SKEW_MS)
    .sort((a, b) => a.requestedAt.getTime() - b.requestedAt.getTime());
  const job = ours.at(-1);
  if (job === undefined) return `production (${name}) was not set back: Atlas was not asked to restore it`;
  const restore = `restore ${job.id}, which Atlas began at ${job.requestedAt.toISOString()}`;
  if (job.failed) return `production (${name}) is empty or incomplete: ${restore}, failed`;
  if (job.cancelled || job.expired) return `production (${name}) may be incomplete: ${restore}, was cancelled`;
  if (job.finishedAt !== undefined) return `production (${name}) was set back: ${restore}, ended at ${job.finishedAt.toISOString()}`;
  return `production (${name}) is still being set back and cannot be reached: ${restore}, continues`;
}

/** An object's id tells its second only, and clocks differ. */
const SKEW_MS = 5_000;

const UNTOUCHED: ReadonlySet<string> = new Set([
  "PROVIDER_REFUSED",
  "RECOVERY_TARGET_OUTSIDE_WINDOW",
  "PROVIDER_AUTH",
  "PROVIDER_NOT_FOUND",
  "PROVIDER_LIMIT",
]);

/** An existing cluster that is not production. All of its data is lost. */
export async function restoreOver(account: Account, name: string, target: HistoryTarget, work: Work): Promise<Branch> {
  const source = await sourceCluster(account, work);
  requireReplicaSet(source, "restore it to another cluster");
  if (isSource(account, { name })) {
    throw new LifeboatError("SOURCE_WRITE_REFUSED", `${name} is production`, {
      hint: "restore it with --in-place, or name another cluster",
    });
  }
  const place = await account.api.cluster(name, work);
  if (place === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `the project has no cluster ${name}`);
  requireReplicaSet(place, "restore over it");
  if (place.terminationProtection) {
    throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${name} is protected from termination, and all that it holds would be lost`, {
      hint: "name another cluster, or take that protection off in Atlas first",
    });
  }
  if (place.paused) {
    throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${name} is paused, and Atlas restores over no such cluster`, {
      hint: `resume it in Atlas, or run \`atlas clusters start ${name}\``,
    });
  }
  if (place.kind === "free" || (place.kind === "flex" && source.kind !== "flex")) {
    throw new LifeboatError("PROVIDER_REFUSED", `${name} is not a dedicated cluster, and ${source.name} can only be restored to one`);
  }
  const origin = await originOf(account, source, target, work);
  await requireLogin(account, place, work);
  const restored = await restoreOnto(account, source, origin, name, work);
  const connection = connectionOf(account, restored);
  await untilReachable(account, connection, work);
  const history = place.pitEnabled ? [`${name} has a gap in its own history until its next snapshot has completed`] : [];
  return { id: restored.id, name, connection, warnings: [...origin.remarks, ...history] };
}
