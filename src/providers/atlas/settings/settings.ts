// Settings at Atlas against the policy: read, and mend one difference at a time.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Drift, ProviderState, SettingsControl } from "../../../ports/control.ts";
import type { ClusterChange } from "../api/clusters.ts";
import { daysOf } from "../api/read.ts";
import type { AtlasCluster, AtlasPolicyItem, AtlasSchedule } from "../api/types.ts";
import { type Ground, sourceCluster } from "../ground.ts";
import { untilIdle } from "../states.ts";
import { driftOf, OLDEST_TLS, SETTINGS, wantedItems, windowItems } from "./drift.ts";
import { describeItems, sameItems } from "./schedule.ts";
import { type Survey, survey } from "./survey.ts";
import { warningsOf } from "./warnings.ts";
import { scheduleWishes, wantedWindowDays } from "./wishes.ts";

export function settingsControl(ground: Ground): SettingsControl {
  const { options } = ground;
  return {
    async read(work) {
      const seen = await survey(ground, work);
      const { window, limits } = seen;
      return {
        settings: settingsOf(seen),
        window: window && { earliest: window.earliest, latest: window.latest },
        limits,
        drift: driftOf(seen, options),
        warnings: warningsOf(seen, options),
      };
    },
    async apply(drift, work) {
      if (drift.blocked !== undefined) throw new LifeboatError("PROVIDER_LIMIT", `${drift.message}: ${drift.blocked}`);
      const mend = MEND[drift.setting];
      if (mend === undefined) throw new LifeboatError("BUG", `nobody knows how to mend the setting ${drift.setting}`);
      await mend(ground, drift, await sourceCluster(ground, work), work);
    },
  };
}

type Mend = (ground: Ground, drift: Drift, cluster: AtlasCluster, work: Work | undefined) => Promise<void>;

/** Each looks first and does nothing where nothing is left to do. */
const MEND: Readonly<Record<string, Mend>> = {
  async [SETTINGS.backup](ground, _, cluster, work) {
    if (!cluster.backupEnabled) await change(ground, cluster, { backupEnabled: true }, work);
  },
  async [SETTINGS.pit](ground, _, cluster, work) {
    if (!cluster.pitEnabled) await change(ground, cluster, { backupEnabled: true, pitEnabled: true }, work);
  },
  async [SETTINGS.window](ground, _, cluster, work) {
    const schedule = await neededSchedule(ground, cluster, work);
    const windowDays = wantedWindowDays(ground.options) ?? 0;
    if (schedule.windowDays >= windowDays) return;
    const { items } = windowItems(schedule.items, windowDays, cluster.tier.includes("NVME"));
    const policy = sameItems(items, schedule.items) ? {} : { policyId: schedule.policyId, items };
    await ground.api.updateSchedule(cluster, { ...policy, windowDays }, work);
  },
  async [SETTINGS.schedule](ground, _, cluster, work) {
    const schedule = await neededSchedule(ground, cluster, work);
    const items = wantedItems(schedule, ground.options);
    const { at } = scheduleWishes(ground.options);
    const isThere = sameItems(items, schedule.items) && (at === undefined || (schedule.hour === at.hour && schedule.minute === at.minute));
    if (!isThere) await ground.api.updateSchedule(cluster, { policyId: schedule.policyId, items, ...at }, work);
  },
  async [SETTINGS.protection](ground, _, cluster, work) {
    if (!cluster.terminationProtection) await change(ground, cluster, { terminationProtection: true }, work);
  },
  async [SETTINGS.encryption](ground, { wanted }, cluster, work) {
    if (cluster.encryption !== wanted) await change(ground, cluster, { encryption: wanted }, work);
  },
  async [SETTINGS.tls](ground, _, cluster, work) {
    if (cluster.minimumTls !== OLDEST_TLS) await change(ground, cluster, { minimumTls: OLDEST_TLS }, work);
  },
};

/** Until the cluster has taken it: a second change meanwhile would be refused. */
async function change(ground: Ground, cluster: AtlasCluster, wish: ClusterChange, work?: Work): Promise<void> {
  await ground.api.updateCluster(cluster, wish, work);
  await untilIdle(ground, cluster.name, `the cluster ${cluster.name} is being changed`, work);
}

async function neededSchedule({ api }: Ground, cluster: AtlasCluster, work?: Work): Promise<AtlasSchedule> {
  const schedule = await api.schedule(cluster, work);
  if (schedule !== undefined) return schedule;
  throw new LifeboatError("PROVIDER_REFUSED", `${cluster.name} has no backup schedule, because its cloud backup is off`, {
    hint: "run `lifeboat plan SOURCE` again",
  });
}

/** Names that scripts rely on (R13). */
function settingsOf({ cluster, schedule, window, compliance, snapshots }: Survey): ProviderState["settings"] {
  const retention = cluster.kind === "flex" ? 8 : retentionDays(schedule?.items ?? []);
  return {
    backupEnabled: cluster.backupEnabled,
    continuousBackupEnabled: cluster.pitEnabled,
    snapshotRetentionInDays: retention,
    pointInTimeWindowHours: cluster.pitEnabled ? (schedule?.windowDays ?? 0) * 24 : 0,
    earliestRestoreTime: window?.earliest.toISOString() ?? null,
    latestRestoreTime: window?.latest.toISOString() ?? null,
    encryptionAtRestProvider: cluster.encryption ?? (cluster.kind === "dedicated" ? "NONE" : null),
    minimumTls: cluster.minimumTls ?? OLDEST_TLS,
    terminationProtection: cluster.terminationProtection,
    tier: cluster.tier,
    clusterState: cluster.paused ? "PAUSED" : cluster.state,
    clusterType: cluster.type,
    mongoVersion: cluster.version ?? null,
    cloud: cluster.cloud ?? null,
    region: cluster.region ?? null,
    diskSizeGB: cluster.diskGb ?? null,
    compliancePolicy: compliance === undefined ? "none" : compliance === "unknown" ? "unknown" : compliance.state,
    snapshotSchedule: describeItems(schedule?.items ?? []),
    nextSnapshot: schedule?.nextAt?.toISOString() ?? null,
    snapshotCopies: schedule === undefined || schedule.copies.length === 0 ? "none" : schedule.copies.join(", "),
    snapshots: snapshots.length,
  };
}

/** Of daily snapshots, which is what people mean; else the longest of what there is. */
function retentionDays(items: readonly AtlasPolicyItem[]): number | null {
  const daily = items.find(({ frequency }) => frequency === "daily");
  if (daily !== undefined) return Math.floor(daysOf(daily));
  return items.length === 0 ? null : Math.floor(Math.max(...items.map(daysOf)));
}
