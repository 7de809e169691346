// What the sandbox holds, as plain data. Instants are those of the driven clock.
import type { ClusterData, MongoState } from "./data.ts";
import type { PolicyItem } from "./schedule-rules.ts";

export type StateName = "IDLE" | "CREATING" | "UPDATING" | "DELETING" | "REPAIRING";
export type Json = Readonly<Record<string, unknown>>;

export interface RegionConfig {
  /** `AWS`, `AZURE`, `GCP`; `TENANT` for shared hardware, whose provider is `backing`. */
  readonly cloud: string;
  readonly backing?: string | undefined;
  readonly regionName: string;
  readonly priority: number;
  readonly electableSpecs: {
    readonly instanceSize: string;
    readonly nodeCount: number;
    readonly diskSizeGB: number;
    readonly diskIOPS: number;
  };
  /** As they were given: auto-scaling, read-only and analytics nodes. */
  readonly more: Json;
}

export interface ReplicationSpec {
  readonly id: string;
  readonly zoneId: string;
  readonly zoneName: string;
  readonly regionConfigs: readonly RegionConfig[];
}

/** What a user sets. */
export interface ClusterSettings {
  readonly replicationSpecs: readonly ReplicationSpec[];
  readonly backupEnabled: boolean;
  readonly pitEnabled: boolean;
  readonly paused: boolean;
  readonly terminationProtectionEnabled: boolean;
  readonly encryptionAtRestProvider: string;
  readonly mongoDBVersion: string;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  /** Settings without meaning here: kept and shown. */
  readonly more: Json;
}

export type ClusterKind = "dedicated" | "free" | "flex";

/** A range of the oplog without a gap. A point in it can be reached from a snapshot in it. */
export interface LogRange {
  readonly from: Date;
  to?: Date | undefined;
}

export interface Schedule {
  readonly policyId: string;
  items: readonly PolicyItem[];
  referenceHour: number;
  referenceMinute: number;
  restoreWindowDays: number;
  /** Carried out up to here. */
  upTo: Date;
  autoExport: boolean;
  exportTo?: { readonly exportBucketId: string; readonly frequencyType: string } | undefined;
  /** Kept and shown. */
  more: Json;
}

export interface Snapshot {
  readonly id: string;
  status: "queued" | "inProgress" | "completed" | "failed";
  readonly snapshotType: "onDemand" | "scheduled";
  readonly frequencyType: string;
  readonly policyItemIds: readonly string[];
  readonly description: string | undefined;
  /** Its data's instant; undefined until then. */
  createdAt?: Date | undefined;
  expiresAt: Date;
  readonly retention: Pick<PolicyItem, "retentionUnit" | "retentionValue">;
  mongodVersion?: string | undefined;
  cloudProvider?: string | undefined;
  storageSizeBytes: number;
  readonly encryption: string;
  readonly clusterName: string;
  readonly replicaSetName: string;
  data?: MongoState | undefined;
}

export interface RestoreJob {
  readonly id: string;
  readonly requestedAt: Date;
  readonly deliveryType: "automated" | "download" | "pointInTime";
  readonly snapshot: Snapshot | undefined;
  readonly targetClusterName: string | undefined;
  readonly targetGroupId: string | undefined;
  readonly seconds?: number | undefined;
  readonly oplog?: { readonly t: number; readonly i: number } | undefined;
  cancelled: boolean;
  failed: boolean;
  finishedAt?: Date | undefined;
  deliveryUrl?: string | undefined;
  expiresAt?: Date | undefined;
}

export interface CollectionRestore {
  readonly id: string;
  readonly createdAt: Date;
  readonly request: Json;
  readonly targetClusterName: string;
  state: "INITIALIZING" | "IN_PROGRESS" | "FINALIZING" | "SUCCESSFUL" | "CANCELED" | "FAILED";
  finishedAt?: Date | undefined;
  errorMessage?: string | undefined;
  collections: CollectionProgress[];
}

export interface CollectionProgress {
  readonly sourceNamespace: string;
  readonly targetNamespace: string;
  state: "NOT_STARTED" | "IN_PROGRESS" | "SUCCESSFUL" | "NOT_FOUND" | "UNSUPPORTED" | "FAILED" | "NOT_RESTORED";
  restoredDocuments: number;
  totalDocuments: number;
  indexState: "NOT_STARTED" | "SUCCESSFUL" | "NOT_RESTORED" | "FAILED";
}

export interface ExportJob {
  readonly id: string;
  readonly createdAt: Date;
  readonly snapshot: Snapshot;
  readonly bucketId: string;
  readonly customData: readonly unknown[];
  readonly prefix: string;
  state: "Queued" | "InProgress" | "Successful" | "Failed" | "Cancelled";
  finishedAt?: Date | undefined;
  exported: number;
  total: number;
  reason?: string | undefined;
}

export interface Cluster {
  readonly id: string;
  readonly name: string;
  readonly kind: ClusterKind;
  readonly createDate: Date;
  readonly replicaSetName: string;
  stateName: StateName;
  settings: ClusterSettings;
  /** From IDLE on, until it is gone. */
  data?: ClusterData | undefined;
  schedule: Schedule | undefined;
  readonly snapshots: Map<string, Snapshot>;
  readonly restoreJobs: Map<string, RestoreJob>;
  readonly collectionRestores: Map<string, CollectionRestore>;
  readonly exports: Map<string, ExportJob>;
  log: LogRange[];
  processArgs: Record<string, unknown>;
  /** For tests: storage beyond the size of the documents. */
  extraBytes: number;
  /** The running restore job; the cluster cannot be changed meanwhile. */
  restoring?: string | undefined;
  /** Data of a new cluster. */
  seed?: MongoState | undefined;
  /** It is being deleted, and its backups are kept. */
  retired: boolean;
}

export interface ExportBucket {
  readonly id: string;
  readonly bucketName: string;
  readonly cloudProvider: string;
  readonly more: Record<string, unknown>;
}

export interface EventRecord {
  readonly id: string;
  readonly created: Date;
  readonly eventTypeName: string;
  readonly clusterName?: string | undefined;
  readonly isGlobalAdmin: false;
  readonly more: Json;
}

export interface Compliance {
  settings: Record<string, unknown>;
  state: "ACTIVE" | "ENABLING" | "UPDATING" | "DISABLING";
  updatedDate: Date;
  /** A support ticket allows its removal. */
  deletable: boolean;
}

export interface AccessEntry {
  readonly value: string;
  readonly kind: "ipAddress" | "cidrBlock" | "awsSecurityGroup";
  readonly comment: string | undefined;
  readonly deleteAfterDate: Date | undefined;
}

export interface Store {
  readonly groupId: string;
  readonly groupName: string;
  readonly orgId: string;
  readonly orgName: string;
  readonly createdAt: Date;
  readonly clusters: Map<string, Cluster>;
  /** Deleted clusters whose backups are kept, by name. */
  readonly retired: Map<string, Cluster>;
  readonly events: EventRecord[];
  readonly accessList: Map<string, AccessEntry>;
  readonly buckets: Map<string, ExportBucket>;
  readonly alertConfigs: Map<string, Record<string, unknown>>;
  readonly encryption: Record<string, Record<string, unknown>>;
  compliance: Compliance | undefined;
}

export const instanceSizeOf = (cluster: Cluster): string => regionOf(cluster).electableSpecs.instanceSize;
export const diskGBOf = (cluster: Cluster): number => regionOf(cluster).electableSpecs.diskSizeGB;
export function regionOf(cluster: Cluster): RegionConfig {
  const region = cluster.settings.replicationSpecs[0]?.regionConfigs[0];
  if (region === undefined) throw new Error("a cluster has a region");
  return region;
}
