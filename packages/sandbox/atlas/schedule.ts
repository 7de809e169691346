// The backup schedule of a cluster: show, change, empty.
import { iso, onlyKnown, optional, optionalWhole, requiredId } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { requireScheduleWithin } from "./compliance-rules.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { invalidAttribute, missing, refused } from "./errors.ts";
import { checkSchedule, expiryOf, readItems } from "./schedule-rules.ts";
import { nextOf } from "./schedule-times.ts";
import type { Cluster, Json, Schedule } from "./state.ts";

type Scheduled = Cluster & { schedule: Schedule };

function scheduledCluster(emulator: Emulator, request: ApiRequest): Scheduled {
  const cluster = emulator.cluster(request);
  if (cluster.schedule === undefined)
    throw missing(
      "BACKUP_CONFIG_NOT_FOUND",
      `No backup configuration exists for cluster ${cluster.name}.`,
      cluster.name,
      emulator.store.groupId,
    );
  return cluster as Scheduled;
}

function view(emulator: Emulator, cluster: Scheduled): object {
  const { schedule } = cluster;
  const reference = { hour: schedule.referenceHour, minute: schedule.referenceMinute };
  const next = nextOf(schedule.items, reference, emulator.now());
  return {
    autoExportEnabled: schedule.autoExport,
    clusterId: cluster.id,
    clusterName: cluster.name,
    copyPolicyItemsEnabled: false,
    copySettings: schedule.more.copySettings ?? [],
    ...(schedule.exportTo === undefined ? {} : { export: schedule.exportTo }),
    extraRetentionSettings: schedule.more.extraRetentionSettings ?? [],
    links: [{ href: linkTo(emulator, `/clusters/${cluster.name}/backup/schedule`), rel: "self" }],
    ...(next === undefined ? {} : { nextSnapshot: iso(next.at) }),
    policies: [{ id: schedule.policyId, policyItems: schedule.items }],
    referenceHourOfDay: schedule.referenceHour,
    referenceMinuteOfHour: schedule.referenceMinute,
    restoreWindowDays: schedule.restoreWindowDays,
    useOrgAndGroupNamesInExportPrefix: schedule.more.useOrgAndGroupNamesInExportPrefix ?? false,
  };
}

export function getSchedule(emulator: Emulator, request: ApiRequest): Answer {
  return ok(view(emulator, scheduledCluster(emulator, request)));
}

const KEPT = [
  "copySettings",
  "copyPolicyItemsEnabled",
  "extraRetentionSettings",
  "useOrgAndGroupNamesInExportPrefix",
  "autoCopySettingsEnabled",
];
const ONCE = ["updateSnapshots", "deleteSnapshots", "deleteCopiedBackups", "deleteCopySnapshots", "updateCopySnapshots"];
const READ_ONLY = ["clusterId", "clusterName", "nextSnapshot", "links"];
const OWN = ["policies", "referenceHourOfDay", "referenceMinuteOfHour", "restoreWindowDays", "autoExportEnabled", "export"];

/** What is not sent stays. Ids of items stay too; items without one are new. */
export function updateSchedule(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = scheduledCluster(emulator, request);
  const { schedule } = cluster;
  const { body } = request;
  onlyKnown(body, [...OWN, ...KEPT, ...ONCE, ...READ_ONLY]);
  const policies = optional(body, "policies", "array");
  const items = policies === undefined ? schedule.items : readPolicies(emulator, schedule, policies);
  const hour = within(body, "referenceHourOfDay", 23) ?? schedule.referenceHour;
  const minute = within(body, "referenceMinuteOfHour", 59) ?? schedule.referenceMinute;
  const window = optionalWhole(body, "restoreWindowDays", 0) ?? schedule.restoreWindowDays;
  checkSchedule(items, window, cluster.settings.pitEnabled);
  requireScheduleWithin(emulator.store, items, window);
  const exportTo = readExport(emulator, body) ?? schedule.exportTo;
  const autoExport = optional(body, "autoExportEnabled", "boolean") ?? schedule.autoExport;
  if (autoExport && exportTo === undefined) throw invalidAttribute("export");
  schedule.items = items;
  schedule.referenceHour = hour;
  schedule.referenceMinute = minute;
  schedule.restoreWindowDays = window;
  schedule.autoExport = autoExport;
  schedule.exportTo = exportTo;
  schedule.upTo = emulator.now();
  schedule.more = { ...schedule.more, ...Object.fromEntries(KEPT.filter((key) => body[key] !== undefined).map((key) => [key, body[key]])) };
  if (optional(body, "updateSnapshots", "boolean") === true) applyRetention(cluster);
  emulator.tell("CPS_SNAPSHOT_SCHEDULE_UPDATED_AUDIT", cluster.name);
  return ok(view(emulator, cluster));
}

function readPolicies(emulator: Emulator, schedule: Schedule, policies: readonly unknown[]): Schedule["items"] {
  const [only] = policies;
  if (policies.length !== 1 || typeof only !== "object" || only === null)
    throw refused("INVALID_NUM_OF_POLICIES", `Exactly one policy is required, not ${policies.length}.`, policies.length);
  const { id, policyItems } = only as Json;
  if (id !== undefined && id !== schedule.policyId) throw refused("INVALID_BACKUP_POLICY", `No policy ${String(id)} exists.`, id);
  return readItems(policyItems, () => emulator.mint());
}

function readExport(emulator: Emulator, body: Json): Schedule["exportTo"] {
  const wanted = optional(body, "export", "object");
  if (wanted === undefined) return undefined;
  const exportBucketId = requiredId(wanted, "exportBucketId");
  const frequencyType = String(wanted.frequencyType ?? "monthly");
  if (!["daily", "weekly", "monthly", "yearly"].includes(frequencyType)) throw invalidAttribute("frequencyType");
  if (!emulator.store.buckets.has(exportBucketId))
    throw missing("EXPORT_BUCKET_NOT_FOUND", `No export bucket with ID ${exportBucketId} exists.`, exportBucketId);
  return { exportBucketId, frequencyType };
}

function within(body: Json, key: string, most: number): number | undefined {
  const value = optionalWhole(body, key, 0);
  if (value !== undefined && value > most) throw invalidAttribute(key);
  return value;
}

/** The items' new retention, for the snapshots that were taken for them. */
function applyRetention(cluster: Scheduled): void {
  for (const snapshot of cluster.snapshots.values()) {
    const item = cluster.schedule.items.find((each) => snapshot.policyItemIds.includes(each.id));
    if (item !== undefined && snapshot.createdAt !== undefined) snapshot.expiresAt = expiryOf(item, snapshot.createdAt);
  }
}

/** No items are left; the reference time and the window stay. */
export function deleteSchedule(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = scheduledCluster(emulator, request);
  requireScheduleWithin(emulator.store, [], cluster.schedule.restoreWindowDays);
  cluster.schedule.items = [];
  cluster.schedule.upTo = emulator.now();
  emulator.tell("CPS_SNAPSHOT_SCHEDULE_UPDATED_AUDIT", cluster.name);
  return ok(view(emulator, cluster));
}
