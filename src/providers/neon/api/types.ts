// What we know of Neon's objects: only the fields that are used, with instants as dates.

export interface NeonProject {
  readonly id: string;
  readonly name: string;
  readonly region: string;
  /** 0: no history. One value for all branches. */
  readonly historySeconds: number;
  /** `launch_v3`, `free_v3` …; undefined when the API does not say. */
  readonly subscription?: string | undefined;
  readonly branchesLimit?: number | undefined;
  /** The largest that the data of one branch may become. */
  readonly branchSizeLimitBytes?: number | undefined;
}

export interface NeonBranch {
  readonly id: string;
  readonly name: string;
  /** What it was made with as `mark`; undefined where the answer shows no annotations. */
  readonly mark?: string | undefined;
  /** Undefined: a root branch. */
  readonly parentId?: string | undefined;
  /** The instant of the parent's data that it began with, where the API tells it. */
  readonly parentTime?: Date | undefined;
  readonly isDefault: boolean;
  readonly isProtected: boolean;
  readonly createdAt: Date;
  readonly lastResetAt?: Date | undefined;
  readonly expiresAt?: Date | undefined;
  /** Size of its data. */
  readonly sizeBytes?: number | undefined;
  /** `restored`, `finalized` or `detaching`: made by restoring a snapshot. */
  readonly restoreStatus?: string | undefined;
  /** The snapshot that it was restored from. */
  readonly restoredFrom?: string | undefined;
  /** The branch whose place it is to take. */
  readonly restoredFor?: string | undefined;
  /** `ready` when it is idle. */
  readonly state: string;
}

export interface NeonSnapshot {
  readonly id: string;
  readonly name: string;
  /** The branch that it was taken of. */
  readonly branchId?: string | undefined;
  readonly createdAt: Date;
  /** The instant whose data it holds. */
  readonly time?: Date | undefined;
  readonly expiresAt?: Date | undefined;
  /** False: made by the schedule. */
  readonly manual: boolean;
  readonly sizeBytes?: number | undefined;
}

export interface NeonCompute {
  readonly id: string;
  readonly host: string;
  readonly branchId: string;
  readonly writable: boolean;
  /** `init`, `active`, `idle`. */
  readonly state: string;
  readonly disabled: boolean;
}

export interface NeonDatabase {
  /** Ascending in the order in which they were made. */
  readonly id: number;
  readonly name: string;
  readonly owner: string;
}

export interface NeonOperation {
  readonly id: string;
  readonly action: string;
  readonly status: string;
  readonly error?: string | undefined;
}

export interface NeonScheduleItem {
  readonly frequency: string;
  /** Hour of the day, UTC. */
  readonly hour?: number | undefined;
  /** 1 to 7 from Monday for weekly, 1 to 31 for monthly. */
  readonly day?: number | undefined;
  /** Absent: 35 days, which is also the longest. */
  readonly retentionSeconds?: number | undefined;
}

/** Where a branch begins. */
export type NeonPoint = { readonly time: Date } | { readonly lsn: string } | undefined;
