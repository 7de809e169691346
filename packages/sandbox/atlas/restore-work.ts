// A restore from the request to its end. The target is emptied first, and cannot be reached until the data is complete.
import { randomBytes } from "node:crypto";
import { snapshotArchive } from "./archive.ts";
import { isThere } from "./cluster-work.ts";
import type { MongoState } from "./data.ts";
import type { Emulator } from "./emulator.ts";
import type { Cluster, RestoreJob, Snapshot } from "./state.ts";
import { beginLog, endLog } from "./window.ts";

const HOUR_MS = 3_600_000;

export function newJob(
  emulator: Emulator,
  parts: Pick<RestoreJob, "deliveryType" | "snapshot" | "targetClusterName" | "targetGroupId" | "seconds" | "oplog">,
): RestoreJob {
  return { id: emulator.mint(), requestedAt: emulator.now(), cancelled: false, failed: false, ...parts };
}

export function beginRestore(emulator: Emulator, job: RestoreJob, target: Cluster, state: MongoState, lastsMs: number): void {
  const outcome = emulator.faults.outcome("restore", target.name);
  target.restoring = job.id;
  target.stateName = "UPDATING";
  const goesOn = (): boolean => {
    if (isThere(emulator, target) && target.stateName === "UPDATING" && target.data !== undefined) return true;
    failRestore(emulator, target, job);
    return false;
  };
  emulator.later(emulator.durations.restoreQueueMs, async () => {
    if (!goesOn()) return;
    endLog(target, emulator.now());
    await target.data?.wipe(emulator.now());
    if (outcome === "hang") return;
    emulator.later(lastsMs, async () => {
      if (!goesOn()) return;
      await target.data?.fill(outcome === "fail" ? undefined : state);
      beginLog(target, emulator.now());
      job.failed = outcome === "fail";
      job.finishedAt = emulator.now();
      target.restoring = undefined;
      target.stateName = "IDLE";
      emulator.tell(job.failed ? "CPS_RESTORE_FAILED" : "CPS_RESTORE_SUCCESSFUL", target.name, { restoreJobId: job.id });
    });
  });
}

function failRestore(emulator: Emulator, target: Cluster, job: RestoreJob): void {
  if (job.finishedAt !== undefined) return;
  job.failed = true;
  job.finishedAt = emulator.now();
  emulator.tell("CPS_RESTORE_FAILED", target.name, { restoreJobId: job.id });
}

/** Its target is being deleted. */
export function abandonRestores(emulator: Emulator, target: Cluster): void {
  for (const source of [...emulator.store.clusters.values(), ...emulator.store.retired.values()]) {
    const job = target.restoring === undefined ? undefined : source.restoreJobs.get(target.restoring);
    if (job !== undefined) failRestore(emulator, target, job);
  }
}

/** An archive that can be downloaded for an hour, from a secret address. */
export function beginDownload(emulator: Emulator, source: Cluster, job: RestoreJob, snapshot: Snapshot): void {
  const outcome = emulator.faults.outcome("restore", source.name);
  if (outcome === "hang") return;
  emulator.later(emulator.durations.downloadMs, () => {
    const { data } = snapshot;
    if (job.cancelled) return;
    if (outcome === "fail" || data === undefined) {
      job.failed = true;
      job.finishedAt = emulator.now();
      return;
    }
    const secret = randomBytes(24).toString("hex");
    const name = `${source.name}-${snapshot.id}`;
    job.expiresAt = new Date(emulator.now().getTime() + HOUR_MS);
    job.deliveryUrl = `${emulator.origin}/downloads/${secret}/${name}.tar.gz`;
    emulator.downloads.set(secret, {
      expiresAt: job.expiresAt,
      make: async () => snapshotArchive(data, name, snapshot.createdAt ?? emulator.now()),
    });
  });
}
