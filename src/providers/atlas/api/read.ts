// Makes our objects of Atlas's. Nulls are as good as absent; a field that is missing where it must be is an answer that cannot be
// trusted: PROVIDER_FAILED.
import { LifeboatError } from "../../../core/errors.ts";
import type { AtlasCluster, AtlasCompliance, AtlasKeyProvider, AtlasPolicyItem, AtlasSchedule, AtlasSnapshot, Frequency } from "./types.ts";

export type Json = Readonly<Record<string, unknown>>;

const broken = (what: string): LifeboatError => new LifeboatError("PROVIDER_FAILED", `Atlas's answer has no readable ${what}`);

export function objectOf(value: unknown, what: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw broken(what);
  return value as Json;
}

/** Empty where there is nothing. */
export const partOf = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw broken(what);
  return value;
}

export const rowsOf = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(partOf) : []);

export const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
export const number = (value: unknown): number | undefined => (typeof value === "number" && Number.isFinite(value) ? value : undefined);

export function needText(value: unknown, what: string): string {
  const found = text(value);
  if (found === undefined) throw broken(what);
  return found;
}

export function instant(value: unknown, what: string): Date | undefined {
  const found = text(value);
  if (found === undefined) return undefined;
  const at = new Date(found);
  if (Number.isNaN(at.getTime())) throw broken(what);
  return at;
}

/** The first four bytes of an id of Atlas are the second in which it was made. */
export function instantOfId(id: string): Date {
  if (!/^[0-9a-f]{24}$/i.test(id)) throw broken("id");
  return new Date(Number.parseInt(id.slice(0, 8), 16) * 1000);
}

export function readCluster(from: Json): AtlasCluster {
  const spec = rowsOf(from.replicationSpecs);
  const region = rowsOf(spec[0]?.regionConfigs).toSorted((a, b) => (number(b.priority) ?? 0) - (number(a.priority) ?? 0))[0] ?? {};
  const hardware = partOf(region.electableSpecs);
  const tier = text(hardware.instanceSize) ?? "unknown";
  const cloud = text(region.providerName);
  const strings = partOf(from.connectionStrings);
  return {
    id: needText(from.id, "cluster id"),
    name: needText(from.name, "cluster name"),
    kind: cloud === "TENANT" || /^M[025]$/.test(tier) ? "free" : "dedicated",
    type: text(from.clusterType) ?? "REPLICASET",
    state: text(from.stateName) ?? "IDLE",
    paused: from.paused === true,
    createdAt: instant(from.createDate, "creation time"),
    backupEnabled: from.backupEnabled === true,
    pitEnabled: from.pitEnabled === true,
    terminationProtection: from.terminationProtectionEnabled === true,
    encryption: text(from.encryptionAtRestProvider),
    version: text(from.mongoDBVersion),
    majorVersion: text(from.mongoDBMajorVersion),
    continuousRelease: from.versionReleaseSystem === "CONTINUOUS",
    minimumTls: text(partOf(from.advancedConfiguration).minimumEnabledTlsProtocol),
    tier,
    cloud: cloud === "TENANT" ? text(region.backingProviderName) : cloud,
    region: text(region.regionName),
    diskGb: number(hardware.diskSizeGB),
    shards: Math.max(1, spec.length),
    connectionStrings: { standard: text(strings.standard), srv: text(strings.standardSrv) },
    tags: tagsOf(from.tags),
  };
}

export function readFlex(from: Json): AtlasCluster {
  const settings = partOf(from.providerSettings);
  const strings = partOf(from.connectionStrings);
  return {
    id: needText(from.id, "cluster id"),
    name: needText(from.name, "cluster name"),
    kind: "flex",
    type: "REPLICASET",
    state: text(from.stateName) ?? "IDLE",
    paused: false,
    createdAt: instant(from.createDate, "creation time"),
    backupEnabled: partOf(from.backupSettings).enabled !== false,
    pitEnabled: false,
    terminationProtection: from.terminationProtectionEnabled === true,
    encryption: undefined,
    version: text(from.mongoDBVersion),
    continuousRelease: false,
    tier: "FLEX",
    cloud: text(settings.backingProviderName),
    region: text(settings.regionName),
    diskGb: number(settings.diskSizeGB),
    shards: 1,
    connectionStrings: { standard: text(strings.standard), srv: text(strings.standardSrv) },
    tags: tagsOf(from.tags),
  };
}

const tagsOf = (value: unknown): Record<string, string> =>
  Object.fromEntries(rowsOf(value).flatMap(({ key, value: held }) => (text(key) === undefined ? [] : [[String(key), String(held ?? "")]])));

const STATUSES: ReadonlySet<string> = new Set(["queued", "inProgress", "completed", "failed"]);

export function readSnapshot(from: Json): AtlasSnapshot {
  const id = needText(from.id, "snapshot id");
  const status = needText(from.status, "snapshot status");
  if (!STATUSES.has(status)) throw broken("snapshot status");
  return {
    id,
    status: status as AtlasSnapshot["status"],
    description: text(from.description),
    createdAt: instant(from.createdAt, "snapshot time"),
    requestedAt: instantOfId(id),
    expiresAt: instant(from.expiresAt, "snapshot expiry"),
    sizeBytes: number(from.storageSizeBytes),
    onDemand: from.snapshotType === "onDemand",
    frequency: text(from.frequencyType),
    version: text(from.mongodVersion),
  };
}

const FLEX_STATUS: Readonly<Record<string, AtlasSnapshot["status"]>> = {
  PENDING: "queued",
  QUEUED: "queued",
  RUNNING: "inProgress",
  FAILED: "failed",
  COMPLETED: "completed",
};

export function readFlexSnapshot(from: Json): AtlasSnapshot {
  const id = needText(from.id, "snapshot id");
  const status = FLEX_STATUS[needText(from.status, "snapshot status")];
  if (status === undefined) throw broken("snapshot status");
  return {
    id,
    status,
    createdAt: instant(from.startTime, "snapshot time") ?? instant(from.scheduledTime, "snapshot time"),
    requestedAt: instantOfId(id),
    expiresAt: instant(from.expiration, "snapshot expiry"),
    onDemand: false,
    frequency: "daily",
    version: text(from.mongoDBVersion),
  };
}

const FREQUENCIES: ReadonlySet<string> = new Set(["hourly", "daily", "weekly", "monthly", "yearly", "ondemand"]);
const UNITS: ReadonlySet<string> = new Set(["days", "weeks", "months", "years"]);

export function readSchedule(from: Json): AtlasSchedule {
  const [policy = {}] = rowsOf(from.policies);
  return {
    policyId: text(policy.id),
    items: rowsOf(policy.policyItems).map(readItem),
    hour: number(from.referenceHourOfDay),
    minute: number(from.referenceMinuteOfHour),
    windowDays: number(from.restoreWindowDays) ?? 0,
    nextAt: instant(from.nextSnapshot, "time of the next snapshot"),
    copies: rowsOf(from.copySettings).map(({ regionName }) => text(regionName) ?? "another region"),
  };
}

export function readItem(from: Json): AtlasPolicyItem {
  const frequency = needText(from.frequencyType, "frequency of a policy item").toLowerCase();
  const unit = needText(from.retentionUnit, "retention of a policy item").toLowerCase();
  const value = number(from.retentionValue);
  if (!FREQUENCIES.has(frequency) || !UNITS.has(unit) || value === undefined) throw broken("policy item");
  return {
    id: text(from.id),
    frequency: frequency as Frequency,
    interval: number(from.frequencyInterval) ?? 1,
    unit: unit as AtlasPolicyItem["unit"],
    value,
  };
}

export function readCompliance(from: Json): AtlasCompliance | undefined {
  const state = text(from.state);
  if (state === undefined) return undefined;
  const item = text(partOf(from.onDemandPolicyItem).retentionUnit) === undefined ? undefined : readItem(partOf(from.onDemandPolicyItem));
  return {
    state,
    pit: from.pitEnabled === true,
    windowDays: number(from.restoreWindowDays),
    onDemandDays: item === undefined ? undefined : Math.ceil(daysOf(item)),
  };
}

const DAYS = { days: 1, weeks: 7, months: 365 / 12, years: 365 } as const;

/** Twelve months are one year, as Atlas compares them. */
export const daysOf = ({ unit, value }: Pick<AtlasPolicyItem, "unit" | "value">): number => value * DAYS[unit];

export function readKeyProviders(from: Json): AtlasKeyProvider[] {
  return (
    [
      ["AWS", from.awsKms],
      ["AZURE", from.azureKeyVault],
      ["GCP", from.googleCloudKms],
    ] as const
  ).map(([provider, part]) => ({ provider, enabled: partOf(part).enabled === true, valid: partOf(part).valid !== false }));
}
