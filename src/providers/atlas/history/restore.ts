// One restore job at Atlas, from the wish to its end.
import type { Work } from "../../../ports/connection.ts";
import type { AtlasCluster, AtlasRestoreJob } from "../api/types.ts";
import type { Ground } from "../ground.ts";
import { untilIdle } from "../states.ts";
import { failedWork, waitFor } from "../waiting.ts";
import { type Origin, wishFor } from "./target.ts";

/** The target holds the origin's data, and can be reached. All that it held before is lost from the first moment on. */
export async function restoreOnto(
  ground: Ground,
  source: AtlasCluster,
  origin: Origin,
  target: string,
  work?: Work,
): Promise<AtlasCluster> {
  const job = await beginRestore(ground, source, origin, target, work);
  return await endRestore(ground, source, job, target, work);
}

/** Until Atlas has taken the wish: where it is refused, nothing was touched. RECOVERY_TARGET_OUTSIDE_WINDOW. */
export async function beginRestore(
  ground: Ground,
  source: AtlasCluster,
  origin: Origin,
  target: string,
  work?: Work,
): Promise<AtlasRestoreJob> {
  return await wishFor(ground, source, origin, () => begin(ground, source, origin, target, work), work);
}

/** Until the target can be reached again. PROVIDER_FAILED when Atlas says that it failed. */
export async function endRestore(
  ground: Ground,
  source: AtlasCluster,
  job: AtlasRestoreJob,
  target: string,
  work?: Work,
): Promise<AtlasCluster> {
  await ended(ground, source, job, target, work);
  return await untilIdle(ground, target, `the cluster ${target} is being started`, work);
}

function begin({ api }: Ground, source: AtlasCluster, { what }: Origin, target: string, work?: Work): Promise<AtlasRestoreJob> {
  if (source.kind === "flex" && "snapshotId" in what) {
    return api.createFlexRestore({ source: source.name, snapshotId: what.snapshotId, target }, work);
  }
  return api.createRestore({ source: source.name, what, target }, work);
}

async function ended(ground: Ground, source: AtlasCluster, job: AtlasRestoreJob, target: string, work?: Work): Promise<void> {
  const { api, patience } = ground;
  const end = await waitFor<AtlasRestoreJob | undefined>(
    ground,
    {
      what: `${source.name} is being restored to ${target} (restore ${job.id})`,
      limitMs: patience.restoreMs,
      ask: () => (source.kind === "flex" ? api.flexRestore(source.name, job.id, work) : api.restoreJob(source.name, job.id, work)),
      // There is no status: these four are all that an end can be known by.
      done: (answer) => answer === undefined || answer.finishedAt !== undefined || answer.failed || answer.cancelled || answer.expired,
    },
    work,
  );
  const why = end === undefined ? "is not known to Atlas any more" : end.failed ? "failed" : end.cancelled ? "was cancelled" : undefined;
  if (why !== undefined || end?.finishedAt === undefined) {
    throw failedWork(`Atlas's restore ${job.id} of ${source.name} to ${target} ${why ?? "expired"}`, { restoreJob: job.id });
  }
}
