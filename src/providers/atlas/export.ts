// A snapshot's copy in an object storage of the user's own, made by Atlas itself.
import { LifeboatError } from "../../core/errors.ts";
import type { Work } from "../../ports/connection.ts";
import type { ExportedSnapshot, ProviderSnapshot } from "../../ports/control.ts";
import { type Account, requireDedicated, sourceCluster } from "./account.ts";
import type { AtlasBucket, AtlasExport } from "./api/types.ts";
import { failedWork, waitFor } from "./waiting.ts";

export type ExportRequest = Work & { readonly snapshot: ProviderSnapshot; readonly bucket: string };

/** CAPABILITY_MISSING when Atlas knows no such bucket. One that a crash left under way is taken up rather than begun twice. */
export async function exportSnapshot(account: Account, { snapshot, bucket: wanted, ...work }: ExportRequest): Promise<ExportedSnapshot> {
  const { api, timeouts } = account;
  const cluster = await sourceCluster(account, work);
  requireDedicated(cluster, "export a snapshot");
  const bucket = bucketOf(await api.buckets(work), wanted);
  const running = (await api.exports(cluster.name, work)).find(
    ({ snapshotId, bucketId, state }) => snapshotId === snapshot.id && bucketId === bucket.id && isUnderWay(state),
  );
  const job = running ?? (await api.createExport(cluster.name, { snapshotId: snapshot.id, bucketId: bucket.id }, work));
  const end = await waitFor<AtlasExport | undefined>(
    account,
    {
      what: `the snapshot ${snapshot.name} is being exported to ${bucket.name}`,
      limitMs: timeouts.exportMs,
      ask: () => api.exportJob(cluster.name, job.id, work),
      done: (answer) => answer === undefined || !isUnderWay(answer.state),
      how: (answer) =>
        answer?.total === undefined || answer.total === 0 ? undefined : `${answer.exported ?? 0} of ${answer.total} collections`,
    },
    work,
  );
  if (end?.state !== "Successful") {
    const why =
      end === undefined ? "is not known to Atlas any more" : `ended as ${end.state}${end.why === undefined ? "" : `: ${end.why}`}`;
    throw failedWork(`Atlas's export ${job.id} of the snapshot ${snapshot.name} to ${bucket.name} ${why}`, { export: job.id });
  }
  return { id: end.id, bucket: bucket.name, prefix: end.prefix ?? "" };
}

const isUnderWay = (state: string): boolean => state === "Queued" || state === "InProgress";

function bucketOf(buckets: readonly AtlasBucket[], wanted: string): AtlasBucket {
  const bucket = buckets.find(({ id }) => id === wanted) ?? buckets.find(({ name }) => name === wanted);
  if (bucket !== undefined) return bucket;
  const known = buckets.length === 0 ? "none" : buckets.map(({ name }) => name).join(", ");
  throw new LifeboatError("CAPABILITY_MISSING", `the Atlas project has no bucket "${wanted}" for exports (it has ${known})`, {
    hint: "let Atlas write to one: `atlas backups exports buckets create`, with a role of your cloud that it may take on",
  });
}
