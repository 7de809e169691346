// What a request may set of a cluster, and which settings go together.
import { oneOf, onlyKnown, optional } from "./body.ts";
import { readSpecs } from "./cluster-spec.ts";
import { invalidAttribute, refused } from "./errors.ts";
import type { ClusterSettings, Json, Store } from "./state.ts";
import { DEFAULT_MAJOR, FREE, VERSIONS } from "./tiers.ts";

export const KEY_PROVIDERS = ["NONE", "AWS", "AZURE", "GCP"] as const;

/** Settings that are kept and shown as given. */
const DEFAULTS: Json = {
  acceptDataRisksAndForceReplicaSetReconfig: undefined,
  adaptiveCapacity: null,
  advancedConfiguration: {
    customOpensslCipherConfigTls12: [],
    customOpensslCipherConfigTls13: [],
    minimumEnabledTlsProtocol: "TLS1_2",
    tlsCipherConfigMode: "DEFAULT",
  },
  biConnector: { enabled: false, readPreference: "secondary" },
  configServerManagementMode: "ATLAS_MANAGED",
  diskWarmingMode: "FULLY_WARMED",
  globalClusterSelfManagedSharding: false,
  labels: [],
  mongoDBEmployeeAccessGrant: null,
  redactClientLogData: false,
  replicaSetScalingStrategy: "WORKLOAD_TYPE",
  rootCertType: "ISRGROOTX1",
  versionReleaseSystem: "LTS",
};

const OWN = [
  "name",
  "clusterType",
  "replicationSpecs",
  "backupEnabled",
  "pitEnabled",
  "paused",
  "terminationProtectionEnabled",
  "encryptionAtRestProvider",
  "mongoDBMajorVersion",
  "tags",
  "retainBackups",
  "useAwsTimeBasedSnapshotCopyForFastInitialSync",
];
/** Fields that the server sets; sending them back is allowed. */
const READ_ONLY = [
  "id",
  "groupId",
  "links",
  "stateName",
  "createDate",
  "connectionStrings",
  "configServerType",
  "effectiveReplicationSpecs",
  "featureCompatibilityVersion",
  "featureCompatibilityVersionExpirationDate",
  "internalClusterRole",
  "mongoDBVersion",
];
export const KNOWN = [...OWN, ...READ_ONLY, ...Object.keys(DEFAULTS)];

export const isFree = (settings: Pick<ClusterSettings, "replicationSpecs">): boolean =>
  settings.replicationSpecs[0]?.regionConfigs[0]?.electableSpecs.instanceSize === FREE.name;

/** Settings after a request; `before`: undefined for a new cluster. */
export function readSettings(body: Json, store: Store, mint: () => string, before?: ClusterSettings): ClusterSettings {
  onlyKnown(body, KNOWN);
  const type = optional(body, "clusterType", "string") ?? "REPLICASET";
  if (type !== "REPLICASET")
    throw refused("INVALID_CLUSTER_CONFIGURATION", `The sandbox has replica sets only, no ${type} clusters.`, type);
  const specs = body.replicationSpecs;
  if (specs === undefined && before === undefined)
    throw refused("MISSING_ATTRIBUTE", "The required attribute replicationSpecs was not specified.");
  const backup = optional(body, "backupEnabled", "boolean");
  const settings: ClusterSettings = {
    replicationSpecs: specs === undefined ? (before?.replicationSpecs ?? []) : readSpecs(specs, mint, before?.replicationSpecs),
    backupEnabled: backup ?? before?.backupEnabled ?? false,
    // turning backup off turns off what depends on it, unless it is asked for
    pitEnabled: optional(body, "pitEnabled", "boolean") ?? (backup === false ? false : (before?.pitEnabled ?? false)),
    paused: optional(body, "paused", "boolean") ?? before?.paused ?? false,
    terminationProtectionEnabled:
      optional(body, "terminationProtectionEnabled", "boolean") ?? before?.terminationProtectionEnabled ?? false,
    encryptionAtRestProvider: oneOf(body, "encryptionAtRestProvider", KEY_PROVIDERS) ?? before?.encryptionAtRestProvider ?? "NONE",
    mongoDBVersion: readVersion(optional(body, "mongoDBMajorVersion", "string"), before),
    tags: readTags(optional(body, "tags", "array")) ?? before?.tags ?? [],
    more: { ...DEFAULTS, ...before?.more, ...kept(body, before) },
  };
  check(settings, store);
  return settings;
}

function kept(body: Json, before: ClusterSettings | undefined): Json {
  const said = Object.fromEntries(Object.keys(DEFAULTS).flatMap((key) => (body[key] === undefined ? [] : [[key, body[key]]])));
  if (said.advancedConfiguration === undefined || said.advancedConfiguration === null) return said;
  const base = (before?.more.advancedConfiguration ?? DEFAULTS.advancedConfiguration) as object;
  return { ...said, advancedConfiguration: { ...base, ...(said.advancedConfiguration as object) } };
}

function readVersion(major: string | undefined, before: ClusterSettings | undefined): string {
  const now = before?.mongoDBVersion;
  if (major === undefined) return now ?? (VERSIONS[DEFAULT_MAJOR] as string);
  if (now?.startsWith(`${major}.`) === true) return now;
  const version = VERSIONS[major];
  if (version === undefined) throw refused("INVALID_ENUM_VALUE", `MongoDB ${major} is not offered.`, major);
  if (now !== undefined && Number.parseFloat(version) < Number.parseFloat(now))
    throw refused("CLUSTER_DOWNGRADE_NOT_SUPPORTED", `The version cannot be lowered from ${now} to ${major}.`, now, major);
  return version;
}

function readTags(given: readonly unknown[] | undefined): ClusterSettings["tags"] | undefined {
  return given?.map((raw) => {
    const { key, value } = (raw ?? {}) as Json;
    if (typeof key !== "string" || key === "" || key.length > 255) throw invalidAttribute("tags");
    if (typeof value !== "string" || value === "" || value.length > 255) throw invalidAttribute("tags");
    return { key, value };
  });
}

function check(settings: ClusterSettings, store: Store): void {
  const { backupEnabled, pitEnabled, encryptionAtRestProvider } = settings;
  if (pitEnabled && !backupEnabled)
    throw refused("CONTINUOUS_BACKUP_REQUIRES_CLOUD_BACKUP", "pitEnabled needs backupEnabled: continuous backup builds on snapshots.");
  if (isFree(settings) && (backupEnabled || pitEnabled || encryptionAtRestProvider !== "NONE"))
    throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "Free clusters have no backup and no encryption by keys of one's own.");
  if (encryptionAtRestProvider !== "NONE" && !keyIsValid(store, encryptionAtRestProvider))
    throw refused(
      "CANNOT_ENABLE_ENCRYPTION_AT_REST_WITHOUT_VALID_CONFIG",
      `The project has no valid key of ${encryptionAtRestProvider}.`,
      encryptionAtRestProvider,
    );
  if (store.compliance === undefined) return;
  if (!isFree(settings) && !backupEnabled)
    throw refused("BACKUP_COMPLIANCE_POLICY_BACKUP_REQUIRED", "The project's Backup Compliance Policy needs cloud backup on.");
  if (store.compliance.settings.pitEnabled === true && !isFree(settings) && !pitEnabled)
    throw refused("BACKUP_COMPLIANCE_POLICY_PIT_REQUIRED", "The project's Backup Compliance Policy needs continuous backup on.");
  if (store.compliance.settings.encryptionAtRestEnabled === true && encryptionAtRestProvider === "NONE")
    throw refused(
      "BACKUP_COMPLIANCE_POLICY_ENCRYPTION_REQUIRED",
      "The project's Backup Compliance Policy needs encryption by customer keys.",
    );
}

const KEY_FIELDS: Readonly<Record<string, string>> = { AWS: "awsKms", AZURE: "azureKeyVault", GCP: "googleCloudKms" };

export function keyIsValid(store: Store, provider: string): boolean {
  const key = store.encryption[KEY_FIELDS[provider] ?? ""];
  return key?.enabled === true && key.valid === true;
}
