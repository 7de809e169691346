// Points that Atlas holds: snapshots by its schedule, and those taken on demand. They have no names, so a description carries ours.
import { LifeboatError } from "../../core/errors.ts";
import { parseName } from "../../core/names.ts";
import type { Work } from "../../ports/connection.ts";
import type { ExportedSnapshot, ProviderSnapshot, SnapshotControl } from "../../ports/control.ts";
import type { PointRule } from "../../ports/descriptor.ts";
import { sleep } from "../http/timeouts.ts";
import { type Account, requireDedicated, sourceCluster } from "./account.ts";
import type { AtlasBucket, AtlasCluster, AtlasCompliance, AtlasExport, AtlasSnapshot } from "./api/types.ts";
import { rulesServed } from "./settings/schedule.ts";
import { failedWork, waitFor } from "./waiting.ts";

export function snapshotControl(account: Account): SnapshotControl {
  const { api, timeouts } = account;
  return {
    forms: ["snapshot"],
    marked: [],
    async list(work) {
      const known = new Set(work?.known);
      const cluster = await sourceCluster(account, work);
      if (cluster.kind === "free") return [];
      const [snapshots, compliance] = await Promise.all([api.snapshots(cluster, work), api.compliance(work)]);
      return snapshots
        .filter((one) => one.status === "completed" || known.has(one.id))
        .map((one) => {
          const rules = rulesServed(one, account.options.desired.rules);
          return { ...fromSnapshot(one, compliance), ...(rules && { rules }) };
        });
    },
    async create({ form, name, expiresAt, keep, ...work }) {
      if (form !== "snapshot") {
        throw new LifeboatError("CAPABILITY_MISSING", "Atlas holds no branches: its points are snapshots", {
          hint: "use `by: snapshot` in the policy, or leave `by` out to have Atlas's own schedule make them",
        });
      }
      const cluster = await sourceCluster(account, work);
      requireDedicated(cluster, "take a snapshot on demand");
      await requireFreeSnapshotName(account, cluster, name, work);
      return fromSnapshot(await takeSnapshot(account, cluster, { name, expiresAt, keep }, work), undefined);
    },
    async keep({ id, name }, work) {
      const cluster = await sourceCluster(account, work);
      requireDedicated(cluster, `keep the snapshot ${name} longer`);
      const [present, compliance] = await Promise.all([api.snapshot(cluster, id, work), api.compliance(work)]);
      if (present === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `there is no snapshot ${name} of ${cluster.name}`);
      const until = account.clock.now().getTime() + FOREVER_DAYS * DAY_MS;
      // Counted from when it was taken. What lies as far off already stays: Atlas must never be told to keep it shorter.
      const days = Math.ceil((until - (present.createdAt ?? present.requestedAt).getTime()) / DAY_MS);
      const isFar = present.expiresAt === undefined || until - present.expiresAt.getTime() < FAR_DAYS * DAY_MS;
      return fromSnapshot(isFar ? present : await api.keepSnapshot(cluster, id, days, work), compliance);
    },
    async remove({ id, form, name }, work) {
      if (form !== "snapshot") return;
      const cluster = await sourceCluster(account, work);
      // Looked for by itself first: that the whole cluster is another one must not look like a snapshot that is gone.
      const snapshot = await api.snapshot(cluster, id, work);
      if (snapshot === undefined) return;
      if (cluster.kind === "flex") {
        throw new LifeboatError(
          "PROVIDER_REFUSED",
          `the snapshot ${name} cannot be removed: Atlas keeps the newest eight of a Flex cluster`,
        );
      }
      // Atlas deletes none that it is still taking. One that takes too long is left for the next clean-up.
      if (isUnfinished(snapshot)) await untilTaken(account, cluster, snapshot, name, work, timeouts.silenceMs).catch(orWhenFailed);
      await api.deleteSnapshot(cluster, id, work);
    },
    export: (request) => exportSnapshot(account, request),
    // It must be restored first.
    connection: async () => undefined,
  };
}

const orWhenFailed = (error: unknown): void => {
  if (!(error instanceof LifeboatError) || error.details.final !== true) throw error;
};

export const isUnfinished = ({ status }: AtlasSnapshot): boolean => status === "queued" || status === "inProgress";

/** PROVIDER_REFUSED when a snapshot on demand has this name already, in any state. */
export async function requireFreeSnapshotName({ api }: Account, cluster: AtlasCluster, name: string, work?: Work): Promise<void> {
  const taken = (await api.snapshots(cluster, work)).some((one) => one.description === name && one.status !== "failed");
  if (taken)
    throw new LifeboatError("PROVIDER_REFUSED", `there is a snapshot ${name} of ${cluster.name} already`, { hint: "choose another name" });
}

export interface SnapshotSpec {
  readonly name: string;
  readonly expiresAt?: Date | undefined;
  readonly keep?: "held" | "forever" | undefined;
}

/** Complete when this returns. PROVIDER_FAILED when Atlas says that it failed; one that failed or was given up is removed again. */
export async function takeSnapshot(account: Account, cluster: AtlasCluster, spec: SnapshotSpec, work?: Work): Promise<AtlasSnapshot> {
  const { api } = account;
  const { name } = spec;
  const retentionDays = retentionOf(account, spec, await api.compliance(work));
  const begun = await api.createSnapshot(cluster, { description: name, retentionDays }, work);
  try {
    return await untilTaken(account, cluster, begun, name, work);
  } catch (error) {
    await removeLater(account, cluster, begun.id);
    throw error;
  }
}

async function untilTaken(
  account: Account,
  cluster: AtlasCluster,
  begun: AtlasSnapshot,
  name: string,
  work?: Work,
  limitMs = account.timeouts.snapshotMs,
): Promise<AtlasSnapshot> {
  const end = await waitFor<AtlasSnapshot | undefined>(
    account,
    {
      what: `the snapshot ${name} of ${cluster.name} is being taken`,
      limitMs,
      ask: () => account.api.snapshot(cluster, begun.id, work),
      done: (answer) => answer === undefined || !isUnfinished(answer),
      how: (answer) => (answer?.status === "queued" ? "Atlas has not begun with it" : undefined),
    },
    work,
  );
  if (end?.status === "completed") return end;
  const why = end === undefined ? "is gone" : "failed";
  throw failedWork(`Atlas's snapshot ${name} of ${cluster.name} (${begun.id}) ${why}`, { snapshot: begun.id });
}

const REMOVE_TRIES = 3;

/** Without the job's signal. One that is being taken cannot be deleted: the journal has its name, and the next start removes it. */
async function removeLater({ api, timeouts }: Account, cluster: AtlasCluster, id: string): Promise<void> {
  const signal = AbortSignal.timeout(timeouts.outageMs);
  for (let attempt = 0; attempt < REMOVE_TRIES; attempt++) {
    try {
      const snapshot = await api.snapshot(cluster, id, { signal });
      if (snapshot === undefined) return;
      if (!isUnfinished(snapshot)) return await api.deleteSnapshot(cluster, id, { signal });
      await sleep(timeouts.pollMs, signal);
    } catch {
      return; // the first cause is what is told
    }
  }
}

const DAY_MS = 86_400_000;
/** Our own policy removes points; Atlas's expiry is the fallback for when Lifeboat no longer runs. */
const LONG_DAYS = 365;
/** Atlas's API names no longest retention, and keeps nothing without one: ten years, which every tier takes, stand for `forever`. */
const FOREVER_DAYS = 3650;
/** An expiry that far off is not worth moving by less than this. */
const FAR_DAYS = 365;
const MARGIN_DAYS = 30;
/** Under a compliance policy nothing goes early: longer than asked for would be paid for, and could not be taken back. */
const COMPLIANT_DAYS = 30;

/** How many days Atlas keeps it, counted from when it is complete. */
export function retentionOf(
  { options, clock }: Account,
  { name, expiresAt, keep: kept }: SnapshotSpec,
  compliance: AtlasCompliance | undefined | "unknown",
): number {
  if (expiresAt !== undefined) return Math.max(1, Math.ceil((expiresAt.getTime() - clock.now().getTime()) / DAY_MS));
  // Under a compliance policy too: a user has asked for exactly this one.
  if (kept === "held") return FOREVER_DAYS;
  const keep = ruleOf(name, options.desired.rules)?.keepMs;
  const days = keep === undefined ? undefined : keep === "forever" ? FOREVER_DAYS : Math.ceil(keep / DAY_MS);
  if (compliance === undefined || compliance === "unknown")
    return kept === "forever" ? FOREVER_DAYS : Math.max(LONG_DAYS, (days ?? 0) + (days === FOREVER_DAYS ? 0 : MARGIN_DAYS));
  return Math.max(1, days ?? COMPLIANT_DAYS, compliance.onDemandDays ?? 0);
}

const ruleOf = (name: string, rules: readonly PointRule[]): PointRule | undefined =>
  rules.find((rule) => rule.by === "snapshot" && parseName(rule.name, name) !== undefined);

/** What Lifeboat's names look like; other texts stay a description. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export function nameOf({ onDemand, description, frequency, createdAt, requestedAt }: AtlasSnapshot): string {
  if (onDemand && description !== undefined && NAME.test(description)) return description;
  const stamp = (createdAt ?? requestedAt).toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-");
  return `${onDemand ? "on-demand" : (frequency ?? "scheduled")}-${stamp}`;
}

export function fromSnapshot(snapshot: AtlasSnapshot, compliance: AtlasCompliance | undefined | "unknown"): ProviderSnapshot {
  const { id, createdAt, requestedAt, expiresAt, sizeBytes, onDemand } = snapshot;
  const keeps = typeof compliance === "object" && compliance.state !== "DISABLING";
  const until = expiresAt === undefined ? "" : ` until ${expiresAt.toISOString()}`;
  return {
    id,
    form: "snapshot",
    name: nameOf(snapshot),
    createdAt: createdAt ?? requestedAt,
    time: createdAt ?? requestedAt,
    expiresAt,
    sizeBytes: sizeBytes === 0 ? undefined : sizeBytes,
    scheduled: !onDemand,
    pinned: keeps ? `the project's Backup Compliance Policy keeps it${until}` : undefined,
  };
}

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
    const why = end === undefined ? "is unknown to Atlas" : `ended as ${end.state}${end.why === undefined ? "" : `: ${end.why}`}`;
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
    hint: "let Atlas write to one: `atlas backups exports buckets create`, with a role of your cloud",
  });
}
