// A restore from the request to its end. The target is wiped first, and nobody reaches it until all is there.
import { randomBytes } from "node:crypto";
import { snapshotArchive } from "./archive.ts";
import { isThere } from "./cluster-work.ts";
import type { MongoState } from "./data.ts";
import type { Realm } from "./realm.ts";
import type { Cluster, RestoreJob, Snapshot } from "./state.ts";
import { beginLog, endLog } from "./window.ts";

const HOUR_MS = 3_600_000;

export function newJob(
  realm: Realm,
  parts: Pick<RestoreJob, "deliveryType" | "snapshot" | "targetClusterName" | "targetGroupId" | "seconds" | "oplog">,
): RestoreJob {
  return { id: realm.mint(), requestedAt: realm.now(), cancelled: false, failed: false, ...parts };
}

export function beginRestore(realm: Realm, job: RestoreJob, target: Cluster, state: MongoState, lastsMs: number): void {
  const outcome = realm.faults.outcome("restore", target.name);
  target.restoring = job.id;
  target.stateName = "UPDATING";
  const goesOn = (): boolean => {
    if (isThere(realm, target) && target.stateName === "UPDATING" && target.data !== undefined) return true;
    failRestore(realm, target, job);
    return false;
  };
  realm.later(realm.durations.restoreQueueMs, async () => {
    if (!goesOn()) return;
    endLog(target, realm.now());
    await target.data?.wipe(realm.now());
    if (outcome === "hang") return;
    realm.later(lastsMs, async () => {
      if (!goesOn()) return;
      await target.data?.fill(outcome === "fail" ? undefined : state);
      beginLog(target, realm.now());
      job.failed = outcome === "fail";
      job.finishedAt = realm.now();
      target.restoring = undefined;
      target.stateName = "IDLE";
      realm.tell(job.failed ? "CPS_RESTORE_FAILED" : "CPS_RESTORE_SUCCESSFUL", target.name, { restoreJobId: job.id });
    });
  });
}

function failRestore(realm: Realm, target: Cluster, job: RestoreJob): void {
  if (job.finishedAt !== undefined) return;
  job.failed = true;
  job.finishedAt = realm.now();
  realm.tell("CPS_RESTORE_FAILED", target.name, { restoreJobId: job.id });
}

/** Its target is being deleted. */
export function abandonRestores(realm: Realm, target: Cluster): void {
  for (const source of [...realm.world.clusters.values(), ...realm.world.retired.values()]) {
    const job = target.restoring === undefined ? undefined : source.restoreJobs.get(target.restoring);
    if (job !== undefined) failRestore(realm, target, job);
  }
}

/** An archive that can be fetched for an hour, by an address that is secret. */
export function beginDownload(realm: Realm, source: Cluster, job: RestoreJob, snapshot: Snapshot): void {
  const outcome = realm.faults.outcome("restore", source.name);
  if (outcome === "hang") return;
  realm.later(realm.durations.downloadMs, () => {
    const { data } = snapshot;
    if (job.cancelled) return;
    if (outcome === "fail" || data === undefined) {
      job.failed = true;
      job.finishedAt = realm.now();
      return;
    }
    const secret = randomBytes(24).toString("hex");
    const name = `${source.name}-${snapshot.id}`;
    job.expiresAt = new Date(realm.now().getTime() + HOUR_MS);
    job.deliveryUrl = `${realm.origin}/downloads/${secret}/${name}.tar.gz`;
    realm.downloads.set(secret, {
      expiresAt: job.expiresAt,
      make: async () => snapshotArchive(data, name, snapshot.createdAt ?? realm.now()),
    });
  });
}
