// Expiry of points at the provider: decided by core/snapshot-retention.ts, carried out here.
import { isOfRequest, LifeboatError } from "../../core/errors.ts";
import { expireSnapshots, type SnapshotExpireOptions } from "../../core/snapshot-retention.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { readSnapshotRecord, removeSnapshotRecord } from "../../repository/snapshots.ts";
import type { Context, Source, Watch } from "../context.ts";
import { refuseInUse } from "../jobs/holders.ts";
import type { Job } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { isScheduled, type SnapshotEntry, snapshotRetention, snapshotsOf } from "../points/snapshots.ts";
import { jobsReadOnce } from "../watch/shared.ts";

/** How far back to look for the last attempt. */
const LOOK_BACK_MS = 7 * 86_400_000;

/** Decides which points at the provider are removed and kept, with reasons. Empty where it holds none. */
export async function planSnapshotExpiry(context: Context, source: Source, by: SnapshotExpireOptions, watch: Watch) {
  const entries = await snapshotsOf(context, source, watch);
  const options = await attemptOptions(context, source.name, entries, watch.signal);
  return expireSnapshots(entries, snapshotRetention(source), context.clock.now(), { ...by, ...options });
}

/** How the last attempt to take a snapshot ended, where it was later than the newest snapshot. */
async function attemptOptions(
  { catalog, clock }: Context,
  source: string,
  entries: readonly SnapshotEntry[],
  signal: AbortSignal,
): Promise<SnapshotExpireOptions> {
  const newestMs = Math.max(0, ...entries.filter((entry) => entry.ours && isScheduled(entry)).map(({ point }) => point.endedAt.getTime()));
  const since = new Date(Math.max(newestMs, clock.now().getTime() - LOOK_BACK_MS));
  const last = await newestAttempt(jobsReadOnce({ catalog }, signal)({ verb: "snapshot", source }, since));
  if (last?.state !== "failed" || Date.parse(last.endedAt ?? last.startedAt) <= newestMs) return {};
  return { lastAttemptFailed: true, noRoom: last.error?.code === "PROVIDER_LIMIT" };
}

async function newestAttempt(jobs: AsyncIterable<JobRecord>): Promise<JobRecord | undefined> {
  for await (const job of jobs) {
    if (job.state === "running") continue;
    if (job.error === undefined || !isOfRequest(job.error.code)) return job;
  }
  return undefined;
}

/** Removes the point, then its record. LEASE_HELD: it is in use, or was put on hold meanwhile. */
export async function removeSnapshot(context: Context, source: Source, job: Job, entry: SnapshotEntry): Promise<void> {
  const { id, name, form } = entry.snapshot;
  await job.claim(id);
  await refuseInUse(context, id, job.id);
  const record = await readSnapshotRecord(context.repository, source.name, id);
  if (record === undefined) throw new LifeboatError("LEASE_HELD", "it is no longer known to be made by Lifeboat");
  if (record.hold !== undefined) throw new LifeboatError("LEASE_HELD", `${record.hold.by} put it on hold meanwhile`);
  await job.assertAlive();
  const resource = RESOURCE.snapshotRemoval(source.name, id, name, form);
  await job.declare(resource); // from here on, a clean-up after a crash removes the point
  try {
    await source.provider.snapshots?.remove({ id, name, form }, { signal: job.signal });
  } catch (error) {
    await job.withdraw(resource); // refused: the point still exists, and stays
    throw error;
  }
  await removeSnapshotRecord(context.repository, source.name, id);
  await job.withdraw(resource);
}
