// The project's Backup Compliance Policy: once on, it protects backups from all users, and only support can turn it off.
import { iso, onlyKnown, optional, optionalWhole, required } from "./body.ts";
import { beginBackup, changeContinuous } from "./cluster-work.ts";
import { raised } from "./compliance-rules.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { invalidAttribute, refused } from "./errors.ts";
import { flag } from "./paging.ts";
import { type PolicyItem, readItems, retentionDays } from "./schedule-rules.ts";
import type { Cluster, Compliance, Json } from "./state.ts";

const DEFAULTS: Json = {
  copyProtectionEnabled: false,
  encryptionAtRestEnabled: false,
  pitEnabled: false,
  restoreWindowDays: null,
  onDemandPolicyItem: null,
};
const WHO = ["authorizedEmail", "authorizedUserFirstName", "authorizedUserLastName"];
const NOTHING = Object.fromEntries(
  [...WHO, ...Object.keys(DEFAULTS), "projectId", "scheduledPolicyItems", "state", "updatedDate", "updatedUser"].map((key) => [key, null]),
);

function view(compliance: Compliance): object {
  const { settings, state, updatedDate, deletable } = compliance;
  return { ...DEFAULTS, ...settings, deletable, state, updatedDate: iso(updatedDate), updatedUser: settings.authorizedEmail };
}

export function getCompliance(emulator: Emulator): Answer {
  return ok(emulator.store.compliance === undefined ? NOTHING : view(emulator.store.compliance));
}

export function putCompliance(emulator: Emulator, request: ApiRequest): Answer {
  const { body } = request;
  const before = emulator.store.compliance;
  requireSettled(before);
  onlyKnown(body, [
    ...WHO,
    ...Object.keys(DEFAULTS),
    "projectId",
    "scheduledPolicyItems",
    "state",
    "updatedDate",
    "updatedUser",
    "deletable",
    "links",
  ]);
  for (const key of WHO) required(body, key, "string");
  if (body.projectId !== undefined && body.projectId !== emulator.store.groupId) throw invalidAttribute("projectId");
  const mint = (): string => emulator.mint();
  const items = readItems(optional(body, "scheduledPolicyItems", "array") ?? [], mint);
  const onDemand = optional(body, "onDemandPolicyItem", "object");
  const settings: Record<string, unknown> = {
    ...Object.fromEntries(WHO.map((key) => [key, body[key]])),
    copyProtectionEnabled: optional(body, "copyProtectionEnabled", "boolean") ?? false,
    encryptionAtRestEnabled: optional(body, "encryptionAtRestEnabled", "boolean") ?? false,
    pitEnabled: optional(body, "pitEnabled", "boolean") ?? false,
    restoreWindowDays: optionalWhole(body, "restoreWindowDays", 1) ?? null,
    onDemandPolicyItem: onDemand === undefined ? null : (readItems([onDemand], mint)[0] ?? null),
    projectId: emulator.store.groupId,
    scheduledPolicyItems: items,
  };
  if (before !== undefined) requireNotLowered(before.settings, settings);
  const now = emulator.now();
  const compliance: Compliance = { settings, state: before === undefined ? "ENABLING" : "UPDATING", updatedDate: now, deletable: false };
  emulator.store.compliance = compliance;
  const verb = before === undefined ? "ENABLE" : "UPDATE";
  emulator.tell(`CPS_DATA_PROTECTION_${verb}_REQUESTED`);
  const overwrite = flag(request.url.searchParams, "overwriteBackupPolicies", true);
  for (const cluster of emulator.store.clusters.values()) if (cluster.kind === "dedicated") enforce(emulator, cluster, settings, overwrite);
  emulator.later(emulator.durations.complianceMs, () => {
    if (emulator.store.compliance !== compliance) return;
    compliance.state = "ACTIVE";
    emulator.tell(`CPS_DATA_PROTECTION_${verb}D`);
  });
  return ok(view(compliance));
}

function requireSettled(compliance: Compliance | undefined): void {
  if (compliance === undefined || compliance.state === "ACTIVE") return;
  throw refused(
    "CANNOT_UPDATE_BACKUP_COMPLIANCE_POLICY_SETTINGS_WITH_PENDING_ACTION",
    `The Backup Compliance Policy is ${compliance.state}: it cannot be changed before that has ended.`,
    compliance.state,
  );
}

/** A policy that is on can only become stricter. */
function requireNotLowered(before: Json, after: Json): void {
  const items = after.scheduledPolicyItems as readonly PolicyItem[];
  const weaker = (before.scheduledPolicyItems as readonly PolicyItem[]).some((old) => {
    const now = items.find((each) => each.frequencyType === old.frequencyType);
    return now === undefined || retentionDays(now) < retentionDays(old);
  });
  const off = ["copyProtectionEnabled", "encryptionAtRestEnabled", "pitEnabled"].some((key) => before[key] === true && after[key] !== true);
  if (weaker || off || Number(after.restoreWindowDays ?? 0) < Number(before.restoreWindowDays ?? 0))
    throw refused("BACKUP_COMPLIANCE_POLICY_CANNOT_BE_LOWERED", "A Backup Compliance Policy that is on cannot be lowered.");
}

/** Changes the clusters to what the policy requires. */
function enforce(emulator: Emulator, cluster: Cluster, settings: Json, overwrite: boolean): void {
  const pit = cluster.settings.pitEnabled || settings.pitEnabled === true;
  if (cluster.stateName === "DELETING") return;
  const { backupEnabled, pitEnabled } = cluster.settings;
  cluster.settings = { ...cluster.settings, backupEnabled: true, pitEnabled: pit };
  if (cluster.data === undefined) return;
  if (!backupEnabled) beginBackup(emulator, cluster);
  else if (!pitEnabled && pit) changeContinuous(emulator, cluster, true);
  const { schedule } = cluster;
  if (schedule === undefined || !overwrite) return;
  schedule.items = raised(schedule.items, settings.scheduledPolicyItems as readonly PolicyItem[], () => emulator.mint());
  schedule.restoreWindowDays = Math.max(schedule.restoreWindowDays, Number(settings.restoreWindowDays ?? 0));
}

/** Requires a support ticket: `allowComplianceRemoval` of the emulator. */
export function deleteCompliance(emulator: Emulator): Answer {
  const { compliance } = emulator.store;
  if (compliance === undefined) return GONE;
  requireSettled(compliance);
  if (!compliance.deletable)
    throw refused(
      "BACKUP_COMPLIANCE_POLICY_CANNOT_BE_DISABLED",
      "The Backup Compliance Policy can be disabled after a request to support only.",
    );
  compliance.state = "DISABLING";
  emulator.tell("CPS_DATA_PROTECTION_DISABLE_REQUESTED");
  emulator.later(emulator.durations.complianceMs, () => {
    emulator.store.compliance = undefined;
    emulator.tell("CPS_DATA_PROTECTION_DISABLED");
  });
  return GONE;
}
