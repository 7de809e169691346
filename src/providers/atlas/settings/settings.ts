// Settings at Atlas against the policy: read, and apply one difference at a time.

import { formatInstant } from "../../../core/duration.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Protection } from "../../../core/protection.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Drift, ProviderState, SettingsControl } from "../../../ports/control.ts";
import { type Account, sourceCluster } from "../account.ts";
import type { ClusterChange } from "../api/clusters.ts";
import { daysOf } from "../api/read.ts";
import type { AtlasCluster, AtlasPolicyItem, AtlasSchedule } from "../api/types.ts";
import type { AtlasOptions } from "../options.ts";
import { isUnfinished } from "../snapshots.ts";
import { untilIdle } from "../states.ts";
import { desiredSchedule, wantedWindowDays, wantsPit } from "./desired.ts";
import { driftOf, OLDEST_TLS, SETTINGS, wantedItems, windowItems } from "./drift.ts";
import { limitsNear } from "./limits.ts";
import { describeItems, sameItems } from "./schedule.ts";
import { type Survey, survey } from "./survey.ts";
import { completed } from "./window.ts";

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
        protections: protectionsOf(seen),
        warnings: warningsOf(seen, options),
      };
    },
    async apply(drift, work) {
      if (drift.blocked !== undefined) throw new LifeboatError("PROVIDER_LIMIT", `${drift.message}: ${drift.blocked}`);
      const applyIt = MEND[drift.setting];
      if (applyIt === undefined) throw new LifeboatError("BUG", `there is no code for the setting ${drift.setting}`);
      await applyIt(account, drift, await sourceCluster(account, work), work);
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
async function change(account: Account, cluster: AtlasCluster, spec: ClusterChange, work?: Work): Promise<void> {
  await account.api.updateCluster(cluster, spec, work);
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

function protectionsOf({ cluster, schedule }: Survey): Protection[] {
  const deletion = { kind: "deletion", level: cluster.terminationProtection ? 1 : 0 } as const;
  if (cluster.kind !== "dedicated") return [deletion];
  return [
    { kind: "backup", level: cluster.backupEnabled ? 1 : 0 },
    { kind: "history", level: cluster.pitEnabled ? (schedule?.windowDays ?? 0) * 86_400 : 0 },
    ...(cluster.backupEnabled ? [{ kind: "retention", level: (retentionDays(schedule?.items ?? []) ?? 0) * 86_400 } as const] : []),
    deletion,
  ];
}

/** Of daily snapshots, which is what people mean; else the longest of what there is. */
function retentionDays(items: readonly AtlasPolicyItem[]): number | null {
  const daily = items.find(({ frequency }) => frequency === "daily");
  if (daily !== undefined) return Math.floor(daysOf(daily));
  return items.length === 0 ? null : Math.floor(Math.max(...items.map(daysOf)));
}

export function warningsOf(survey: Survey, options: AtlasOptions): string[] {
  return [
    ...tierWarnings(survey),
    ...limitsNear(survey.limits),
    ...windowWarnings(survey),
    ...scheduleWarnings(survey, options),
    ...complianceWarnings(survey),
  ];
}

function tierWarnings({ cluster: { name, kind, paused, type, shards } }: Survey): string[] {
  const warnings: string[] = [];
  if (kind === "free") warnings.push(`${name} is a free (M0) cluster: Atlas makes no backups of those, so only Lifeboat's own protect it`);
  if (kind === "flex") {
    warnings.push(
      `${name} is a Flex cluster: Atlas takes one snapshot a day from 24 hours after its creation, keeps the newest eight, and offers no past second and no snapshot on demand`,
    );
  }
  if (paused) warnings.push(`${name} is paused: Atlas takes no snapshots of it, and nothing can connect to it`);
  if (type !== "REPLICASET" || shards > 1) {
    warnings.push(
      `${name} is a sharded cluster: Lifeboat watches its settings and snapshots, and leaves restores within Atlas to Atlas's own tools`,
    );
  }
  return warnings;
}

function windowWarnings({ cluster, window, snapshots, schedule }: Survey): string[] {
  if (cluster.kind !== "dedicated" || !cluster.backupEnabled) return [];
  const warnings: string[] = [];
  if (completed(snapshots).length === 0) {
    const next = schedule?.nextAt === undefined ? "" : ` (Atlas takes the next one at ${formatInstant(schedule.nextAt)})`;
    const begun = snapshots.some(isUnfinished) ? ": one is being taken" : next;
    warnings.push(`${cluster.name} has no complete snapshot yet, and no past second can be restored before it has${begun}`);
  }
  for (const { from, to } of window?.gaps ?? []) {
    warnings.push(
      to === undefined
        ? `${cluster.name} was restored over on ${formatInstant(from)}: no second since then can be brought back before its next snapshot has completed, so take one now with \`lifeboat backup SOURCE --kind snapshot\``
        : `${cluster.name} was restored over on ${formatInstant(from)}: no second from then until ${formatInstant(to)}, when its next snapshot had completed, can be brought back`,
    );
  }
  return warnings;
}

function scheduleWarnings({ schedule }: Survey, options: AtlasOptions): string[] {
  if (schedule === undefined) return [];
  const frequencies = new Set(desiredSchedule(options).items.map(({ frequency }) => frequency));
  // Hourly ones belong to continuous backup: Atlas asks for them.
  if (wantsPit(options)) frequencies.add("hourly");
  const others = schedule.items.filter(({ frequency }) => !frequencies.has(frequency) && frequency !== "ondemand");
  if (others.length === 0) return [];
  return [
    `Atlas's schedule also takes snapshots that the policy does not name, which are paid for: ${describeItems(others)}; name them in the policy's \`snapshots\`, or take them out in Atlas`,
  ];
}

function complianceWarnings({ compliance }: Survey): string[] {
  if (typeof compliance !== "object") return [];
  return [
    `the project has a Backup Compliance Policy (${compliance.state}): no snapshot can be deleted before its retention ends, and no protection can be lowered`,
  ];
}
