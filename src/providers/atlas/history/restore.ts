// One restore job at Atlas, from the request to its end.
import type { Work } from "../../../ports/connection.ts";
import type { Account } from "../account.ts";
import type { AtlasCluster, AtlasRestoreJob } from "../api/types.ts";
import { untilIdle } from "../states.ts";
import { failedWork, waitFor } from "../waiting.ts";
import { type Origin, requestRestore } from "./target.ts";

/** The target holds the origin's data, and can be reached. All that it held before is lost from the first moment on. */
export async function restoreOnto(
  account: Account,
  source: AtlasCluster,
  origin: Origin,
  target: string,
  work?: Work,
): Promise<AtlasCluster> {
  const job = await beginRestore(account, source, origin, target, work);
  return await endRestore(account, source, job, target, work);
}

/** Until Atlas has accepted the request: where it is refused, nothing was touched. RECOVERY_TARGET_OUTSIDE_WINDOW. */
export async function beginRestore(
  account: Account,
  source: AtlasCluster,
  origin: Origin,
  target: string,
  work?: Work,
): Promise<AtlasRestoreJob> {
  return await requestRestore(account, source, origin, () => begin(account, source, origin, target, work), work);
}

/** Until the target can be reached again. PROVIDER_FAILED when Atlas says that it failed. */
export async function endRestore(
  account: Account,
  source: AtlasCluster,
  job: AtlasRestoreJob,
  target: string,
  work?: Work,
): Promise<AtlasCluster> {
  await ended(account, source, job, target, work);
  return await untilIdle(account, target, `the cluster ${target} is being started`, work);
}

function begin({ api }: Account, source: AtlasCluster, { what }: Origin, target: string, work?: Work): Promise<AtlasRestoreJob> {
  if (source.kind === "flex" && "snapshotId" in what) {
    return api.createFlexRestore({ source: source.name, snapshotId: what.snapshotId, target }, work);
  }
  return api.createRestore({ source: source.name, what, target }, work);
}

async function ended(account: Account, source: AtlasCluster, job: AtlasRestoreJob, target: string, work?: Work): Promise<void> {
  const { api, timeouts } = account;
  const end = await waitFor<AtlasRestoreJob | undefined>(
    account,
    {
      what: `${source.name} is being restored to ${target} (restore ${job.id})`,
      limitMs: timeouts.restoreMs,
      ask: () => (source.kind === "flex" ? api.flexRestore(source.name, job.id, work) : api.restoreJob(source.name, job.id, work)),
      // There is no status: these four are all that an end can be known by.
      done: (answer) => answer === undefined || answer.finishedAt !== undefined || answer.failed || answer.cancelled || answer.expired,
    },
    work,
  );
  const why = end === undefined ? "is unknown to Atlas" : end.failed ? "failed" : end.cancelled ? "was cancelled" : undefined;
  if (why !== undefined || end?.finishedAt === undefined) {
    throw failedWork(`Atlas's restore ${job.id} of ${source.name} to ${target} ${why ?? "expired"}`, { restoreJob: job.id });
  }
}
