// What we know of Atlas's objects: only the fields that are used, with instants as dates.

export interface AtlasCluster {
  readonly id: string;
  readonly name: string;
  /** `free` is M0, and what shares a machine; `flex` has an API of its own. */
  readonly kind: "dedicated" | "free" | "flex";
  /** `REPLICASET`, `SHARDED`, `GEOSHARDED`. */
  readonly type: string;
  /** `IDLE`, `CREATING`, `UPDATING`, `DELETING`, `REPAIRING`. */
  readonly state: string;
  readonly paused: boolean;
  readonly createdAt?: Date | undefined;
  readonly backupEnabled: boolean;
  readonly pitEnabled: boolean;
  readonly terminationProtection: boolean;
  /** `NONE`, `AWS`, `AZURE`, `GCP`; undefined: Atlas does not say. */
  readonly encryption?: string | undefined;
  readonly version?: string | undefined;
  readonly majorVersion?: string | undefined;
  readonly continuousRelease: boolean;
  /** `TLS1_2`; undefined: Atlas's default, which is 1.2. */
  readonly minimumTls?: string | undefined;
  /** `M10`, `M0`, `FLEX`. */
  readonly tier: string;
  /** `AWS`, `AZURE`, `GCP`: whose machines they are. */
  readonly cloud?: string | undefined;
  readonly region?: string | undefined;
  readonly diskGb?: number | undefined;
  readonly shards: number;
  readonly connectionStrings: { readonly standard?: string | undefined; readonly srv?: string | undefined };
  readonly tags: Readonly<Record<string, string>>;
}

export interface AtlasSnapshot {
  readonly id: string;
  readonly status: "queued" | "inProgress" | "completed" | "failed";
  readonly description?: string | undefined;
  /** The instant of its data; undefined until Atlas has begun with it. */
  readonly createdAt?: Date | undefined;
  /** When it was asked for, as its id tells. */
  readonly requestedAt: Date;
  readonly expiresAt?: Date | undefined;
  readonly sizeBytes?: number | undefined;
  readonly onDemand: boolean;
  /** `hourly`, `daily` … `ondemand`. */
  readonly frequency?: string | undefined;
  readonly version?: string | undefined;
}

export type Frequency = "hourly" | "daily" | "weekly" | "monthly" | "yearly" | "ondemand";

export interface AtlasPolicyItem {
  /** Absent: a new one. */
  readonly id?: string | undefined;
  readonly frequency: Frequency;
  readonly interval: number;
  readonly unit: "days" | "weeks" | "months" | "years";
  readonly value: number;
}

export interface AtlasSchedule {
  readonly policyId?: string | undefined;
  readonly items: readonly AtlasPolicyItem[];
  /** UTC. */
  readonly hour?: number | undefined;
  readonly minute?: number | undefined;
  readonly windowDays: number;
  readonly nextAt?: Date | undefined;
  /** Regions that snapshots are copied to. */
  readonly copies: readonly string[];
}

export interface ScheduleChange {
  readonly policyId?: string | undefined;
  readonly items?: readonly AtlasPolicyItem[] | undefined;
  readonly hour?: number | undefined;
  readonly minute?: number | undefined;
  readonly windowDays?: number | undefined;
}

/** What a restore brings back. */
export type RestoreWhat =
  | { readonly snapshotId: string }
  /** Everything before this second. */
  | { readonly seconds: number }
  /** Everything up to this operation, and itself. */
  | { readonly oplog: { readonly seconds: number; readonly increment: number } };

export interface AtlasRestoreJob {
  readonly id: string;
  readonly requestedAt: Date;
  readonly target?: string | undefined;
  readonly targetGroupId?: string | undefined;
  readonly snapshotId?: string | undefined;
  readonly finishedAt?: Date | undefined;
  readonly failed: boolean;
  readonly cancelled: boolean;
  readonly expired: boolean;
}

export interface AtlasCollectionRestore {
  readonly id: string;
  readonly requestedAt: Date;
  readonly state: string;
  readonly error?: string | undefined;
  readonly restored?: number | undefined;
  readonly total?: number | undefined;
  readonly suffix?: string | undefined;
  readonly namespaces: readonly string[];
}

export interface AtlasRestoredCollection {
  readonly source: string;
  readonly target?: string | undefined;
  readonly state: string;
}

export interface AtlasBucket {
  readonly id: string;
  readonly name: string;
  readonly cloud?: string | undefined;
}

export interface AtlasExport {
  readonly id: string;
  readonly requestedAt: Date;
  readonly snapshotId?: string | undefined;
  readonly bucketId: string;
  readonly state: string;
  readonly why?: string | undefined;
  readonly prefix?: string | undefined;
  readonly exported?: number | undefined;
  readonly total?: number | undefined;
}

export interface AtlasCompliance {
  /** `ACTIVE`, `ENABLING`, `UPDATING`, `DISABLING`. */
  readonly state: string;
  readonly pit: boolean;
  readonly windowDays?: number | undefined;
  /** The shortest that a snapshot on demand is kept. */
  readonly onDemandDays?: number | undefined;
}

/** Whether the project has a key of its own with this provider, and whether Atlas can use it. */
export interface AtlasKeyProvider {
  readonly provider: "AWS" | "AZURE" | "GCP";
  readonly enabled: boolean;
  readonly valid: boolean;
}
