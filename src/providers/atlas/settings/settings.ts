// Settings at Atlas against the policy: read, and mend one difference at a time.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Drift, ProviderState, SettingsControl } from "../../../ports/control.ts";
import { type Account, sourceCluster } from "../account.ts";
import type { ClusterChange } from "../api/clusters.ts";
import { daysOf } from "../api/read.ts";
import type { AtlasCluster, AtlasPolicyItem, AtlasSchedule } from "../api/types.ts";
import { untilIdle } from "../states.ts";
import { desiredSchedule, wantedWindowDays } from "./desired.ts";
import { driftOf, OLDEST_TLS, SETTINGS, wantedItems, windowItems } from "./drift.ts";
import { describeItems, sameItems } from "./schedule.ts";
import { type Survey, survey } from "./survey.ts";
import { warningsOf } from "./warnings.ts";

export function settingsControl(account: Account): SettingsControl {
  const { options } = account;
  return {
    async read(work) {
      const seen = await survey(account, work);
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
      await mend(account, drift, await sourceCluster(account, work), work);
    },
  };
}

type Mend = (account: Account, drift: Drift, cluster: AtlasCluster, work: Work | undefined) => Promise<void>;

/** Each looks first and does nothing where nothing is left to do. */
const MEND: Readonly<Record<string, Mend>> = {
  async [SETTINGS.backup](account, _, cluster, work) {
    if (!cluster.backupEnabled) await change(account, cluster, { backupEnabled: true }, work);
  },
  async [SETTINGS.pit](account, _, cluster, work) {
    if (!cluster.pitEnabled) await change(account, cluster, { backupEnabled: true, pitEnabled: true }, work);
  },
  async [SETTINGS.window](account, _, cluster, work) {
    const schedule = await neededSchedule(account, cluster, work);
    const windowDays = wantedWindowDays(account.options) ?? 0;
    if (schedule.windowDays >= windowDays) return;
    const { items } = windowItems(schedule.items, windowDays, cluster.tier.includes("NVME"));
    const policy = sameItems(items, schedule.items) ? {} : { policyId: schedule.policyId, items };
    await account.api.updateSchedule(cluster, { ...policy, windowDays }, work);
  },
  async [SETTINGS.schedule](account, _, cluster, work) {
    const schedule = await neededSchedule(account, cluster, work);
    const items = wantedItems(schedule, account.options);
    const { at } = desiredSchedule(account.options);
    const isThere = sameItems(items, schedule.items) && (at === undefined || (schedule.hour === at.hour && schedule.minute === at.minute));
    if (!isThere) await account.api.updateSchedule(cluster, { policyId: schedule.policyId, items, ...at }, work);
  },
  async [SETTINGS.protection](account, _, cluster, work) {
    if (!cluster.terminationProtection) await change(account, cluster, { terminationProtection: true }, work);
  },
  async [SETTINGS.encryption](account, { wanted }, cluster, work) {
    if (cluster.encryption !== wanted) await change(account, cluster, { encryption: wanted }, work);
  },
  async [SETTINGS.tls](account, _, cluster, work) {
    if (cluster.minimumTls !== OLDEST_TLS) await change(account, cluster, { minimumTls: OLDEST_TLS }, work);
  },
};

/** Until the cluster has taken it: a second change meanwhile would be refused. */
async function change(account: Account, cluster: AtlasCluster, wish: ClusterChange, work?: Work): Promise<void> {
  await account.api.updateCluster(cluster, wish, work);
  await untilIdle(account, cluster.name, `the cluster ${cluster.name} is being changed`, work);
}

async function neededSchedule({ api }: Account, cluster: AtlasCluster, work?: Work): Promise<AtlasSchedule> {
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
