// What the sandbox holds, as plain data. Instants are those of the driven clock.
import type { Limits, PlanName } from "./limits.ts";

export type Action =
  | "create_branch"
  | "create_timeline"
  | "delete_timeline"
  | "detach_parent_branch"
  | "start_compute"
  | "suspend_compute"
  | "apply_config"
  | "timeline_update_protected_config";

export interface Operation {
  readonly id: string;
  readonly action: Action;
  readonly branchId: string | undefined;
  readonly endpointId: string | undefined;
  /** Milliseconds of the machine's clock. */
  readonly scheduledMs: number;
  readonly startsMs: number;
  readonly endsMs: number;
  /** Runs forever while `on`. */
  readonly stuck?: { on: boolean } | undefined;
}

/** A password is valid from an instant on: a branch made from the past has the one of then. */
export interface Role {
  readonly name: string;
  /** Absent: it cannot log in. */
  readonly password?: string | undefined;
  readonly createdAt: Date;
  readonly from: Date;
  readonly until?: Date | undefined;
}

export interface NeonDatabase {
  readonly id: number;
  readonly name: string;
  readonly owner: string;
  readonly createdAt: Date;
  readonly from: Date;
  readonly until?: Date | undefined;
}

/** Roles and databases with those that were: what ends is marked, never removed. */
export interface Catalog {
  readonly roles: readonly Role[];
  readonly databases: readonly NeonDatabase[];
}

export interface ScheduleItem {
  readonly frequency: "daily" | "weekly" | "monthly";
  readonly hour: number;
  readonly day?: number | undefined;
  readonly month?: number | undefined;
  readonly retention_seconds?: number | undefined;
}

export interface Branch {
  readonly id: string;
  name: string;
  /** Undefined: a root. */
  parentId: string | undefined;
  parentLsn?: string | undefined;
  parentTimestamp?: Date | undefined;
  /** The fleet's line that holds its data. */
  line: string;
  default: boolean;
  protected: boolean;
  /** The one the project began with; another can take its place only by a restore of itself. */
  original: boolean;
  readonly createdAt: Date;
  updatedAt: Date;
  expiresAt?: Date | undefined;
  ttlSeconds?: number | undefined;
  lastResetAt?: Date | undefined;
  readonly initSource: string;
  /** Given at its creation; never changed. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  restoreStatus?: "restored" | "finalized" | undefined;
  /** Snapshot it was restored from, and the branch it was to replace. */
  restoredFrom?: string | undefined;
  restoredAs?: string | undefined;
  /** Until then its children cannot be reset. */
  childrenHeldUntil?: Date | undefined;
  catalog: Catalog;
  schedule: readonly ScheduleItem[];
  /** The schedule was carried out up to here. */
  scheduledUpTo: Date;
  sizeBytes: number;
  /** Until it has ended, the branch is not ready. */
  pending?: Operation | undefined;
}

export interface Endpoint {
  readonly id: string;
  branchId: string;
  name: string | undefined;
  readonly type: "read_write" | "read_only";
  host: string;
  state: "active" | "idle";
  /** Until this operation has ended, the state above is still to come. */
  pending?: Operation | undefined;
  /** What it was before. */
  before: "init" | "active" | "idle";
  suspendSeconds: number;
  minCu: number;
  maxCu: number;
  settings: Record<string, unknown>;
  disabled: boolean;
  readonly createdAt: Date;
  updatedAt: Date;
  lastActive: Date;
  startedAt?: Date | undefined;
  suspendedAt?: Date | undefined;
  /** Connections open now, and the way to close the proxy. */
  proxy: { readonly connections: number; close(): Promise<void> };
}

export interface Snapshot {
  readonly id: string;
  name: string;
  readonly slug: string;
  readonly lsn: string;
  readonly timestamp: Date;
  readonly sourceBranchId: string;
  readonly createdAt: Date;
  expiresAt?: Date | undefined;
  readonly manual: boolean;
  readonly line: string;
  readonly catalog: Catalog;
  readonly sizeBytes: number;
}

export interface NeonProject {
  readonly id: string;
  name: string;
  readonly regionId: string;
  readonly pgVersion: number;
  historySeconds: number;
  settings: Record<string, unknown>;
  endpointSettings: Record<string, unknown>;
  readonly createdAt: Date;
  updatedAt: Date;
  deletedAt?: Date | undefined;
  readonly branches: Map<string, Branch>;
  readonly endpoints: Map<string, Endpoint>;
  readonly snapshots: Map<string, Snapshot>;
  /** Newest last. */
  readonly operations: Operation[];
  /** Ids of what was deleted. */
  readonly gone: Set<string>;
  /** A mutation is running. */
  busy: boolean;
}

export interface ApiKey {
  readonly id: number;
  readonly key: string;
  readonly name: string;
  readonly createdAt: Date;
  /** A key for one project only. */
  readonly projectId?: string | undefined;
  lastUsedAt?: Date | undefined;
}

export interface Store {
  readonly plan: PlanName;
  readonly limits: Limits;
  readonly projects: Map<string, NeonProject>;
  readonly keys: Map<string, ApiKey>;
  readonly account: { readonly id: string; readonly orgId: string };
  nextNumber: number;
}

export const isRoot = (branch: Branch): boolean => branch.parentId === undefined;
export const childrenOf = (project: NeonProject, branch: Branch): Branch[] =>
  [...project.branches.values()].filter((each) => each.parentId === branch.id);
export const endpointsOf = (project: NeonProject, branch: Branch): Endpoint[] =>
  [...project.endpoints.values()].filter((each) => each.branchId === branch.id);
export const rolesOf = (branch: { readonly catalog: Catalog }): Role[] => branch.catalog.roles.filter((role) => role.until === undefined);
export const databasesOf = (branch: { readonly catalog: Catalog }): NeonDatabase[] =>
  branch.catalog.databases.filter((database) => database.until === undefined);
