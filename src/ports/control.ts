// Capabilities of providers with a control plane: settings, snapshots, and restores within the provider. A provider without a
// capability lacks the member; the comment of the member says what follows from that.
import type { SecondsRange } from "../core/estimate.ts";
import type { Limit } from "../core/limits.ts";
import type { Protection } from "../core/protection.ts";
import type { Connection, Work } from "./connection.ts";
import type { Maker, Resource } from "./resource.ts";

/** A difference between the policy and the provider's settings. */
export interface Drift {
  /** `history window`, `protection`, `snapshot schedule`. */
  readonly setting: string;
  readonly wanted: string;
  readonly actual: string;
  /** One sentence for a plan: `set the history window to 30 days (it is 1 day)`. */
  readonly message: string;
  /** Why `apply` cannot fix it, such as a cap of the plan, and what would. Absent: `apply` fixes it. */
  readonly blocked?: string | undefined;
  /** Fixing it lowers protection, for example by a shorter history. It requires confirmation. */
  readonly lowers?: boolean | undefined;
}

export interface ProviderState {
  /** For `settings` of `status --json`: stable names, such as `pitr_enabled`, `pitr_retention_days`. */
  readonly settings: Readonly<Record<string, string | number | boolean | null>>;
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  readonly limits: readonly Limit[];
  readonly drift: readonly Drift[];
  /** How far the settings protect the source, whether or not a policy names them. Absent: the provider does not report it. */
  readonly protections?: readonly Protection[] | undefined;
  /** Facts that a user should know and that are not drift, in full sentences. */
  readonly warnings: readonly string[];
}

export interface SettingsControl {
  /** Queries all settings. Nothing is cached between calls. */
  read(work?: Work): Promise<ProviderState>;
  /** Fixes one drift. Idempotent. */
  apply(drift: Drift, work?: Work): Promise<void>;
}

/** A snapshot that the provider holds. */
export interface ProviderSnapshot {
  /** The provider's id of it. */
  readonly id: string;
  readonly form: "branch" | "snapshot";
  readonly name: string;
  readonly createdAt: Date;
  /** The instant of its data. */
  readonly time: Date;
  readonly expiresAt?: Date | undefined;
  readonly sizeBytes?: number | undefined;
  /** Made by the provider's schedule, which also deletes it. */
  readonly scheduled: boolean;
  /** The policy's rules that the provider's schedule made it for. Absent: the provider does not report them. */
  readonly rules?: readonly string[] | undefined;
  /** The mark it was made with, where the provider stores it. */
  readonly mark?: string | undefined;
  /** Why the provider refuses to delete it now: it is protected, has children, or is the default. */
  readonly pinned?: string | undefined;
}

export interface SnapshotRequest extends Work {
  /** Stored with it where the provider stores a text. Absent: a clean-up recognises it by this machine's memory only. */
  readonly mark?: string | undefined;
  readonly name: string;
  readonly form: "branch" | "snapshot";
  /** The provider deletes it at this instant, even on hold, so it is not for points that a user may want to keep. Branches ignore it. */
  readonly expiresAt?: Date | undefined;
  /**
   * Its expiry is unknown, because it is on hold or kept forever. Where the provider requires an expiry, the latest possible one is set.
   */
  readonly keep?: "held" | "forever" | undefined;
}

/** Snapshots of the provider. Without it, all restore points of a source are in the repository. */
export interface SnapshotControl {
  /** The forms it can make. The first is the default. */
  readonly forms: readonly ("branch" | "snapshot")[];
  /** The forms that store the mark they are made with. */
  readonly marked: readonly ("branch" | "snapshot")[];
  /** Lists branches (with names that match the policy's patterns, or ids in `known`) and the provider's snapshots. */
  list(work?: Work & { readonly known?: readonly string[] | undefined }): Promise<readonly ProviderSnapshot[]>;
  /** Makes a snapshot. Throws PROVIDER_LIMIT at a limit. Never makes two for one request: after a lost answer it looks for the name. */
  create(request: SnapshotRequest): Promise<ProviderSnapshot>;
  /** Deletes a snapshot. One that does not exist is not an error. */
  remove(snapshot: Pick<ProviderSnapshot, "id" | "form" | "name">, work?: Work): Promise<void>;
  /** Moves the provider's expiry to the latest possible instant, never to an earlier one. Absent: it cannot be moved. */
  keep?(snapshot: Pick<ProviderSnapshot, "id" | "form" | "name">, work?: Work): Promise<ProviderSnapshot>;
  /** Copies a snapshot to an object storage that the provider can reach. Absent: not supported. */
  export?(request: Work & { readonly snapshot: ProviderSnapshot; readonly bucket: string }): Promise<ExportedSnapshot>;
  /** Returns a connection to a snapshot: the branch itself, or undefined when it must be restored first. */
  connection(snapshot: ProviderSnapshot, work?: Work): Promise<Connection | undefined>;
}

export interface ExportedSnapshot {
  readonly id: string;
  readonly bucket: string;
  /** The place in the bucket. */
  readonly prefix: string;
}

export type HistoryTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly at: Date }
  /** The data as committed before the log position. */
  | { readonly kind: "lsn"; readonly lsn: string }
  | { readonly kind: "snapshot"; readonly id: string; readonly form: "branch" | "snapshot" };

/** A separate database with the data of a past instant. */
export interface Branch {
  readonly id: string;
  readonly name: string;
  readonly connection: Connection;
  /** Facts that a user should know, such as a missing history or a different password. */
  readonly warnings: readonly string[];
}

export interface BranchRequest extends Work {
  readonly name: string;
  readonly target: HistoryTarget;
  readonly maker: Maker;
  /** For scratch: the provider deletes it at this instant, even if Lifeboat is gone. */
  readonly expiresAt?: Date | undefined;
  /** Called, and awaited, before it is created. */
  readonly declare: (resource: Resource) => Promise<void>;
  /** Called when the provider refused to create it. An object with its name then belongs to another owner. */
  readonly withdraw?: ((resource: Resource) => Promise<void>) | undefined;
}

/** Chosen tables that the provider restores into the running source. */
export interface TablesRequest extends Work {
  readonly target: HistoryTarget;
  readonly tables: readonly string[];
  /** Overwrites the tables. Otherwise they are restored beside the live ones, with `suffix` appended to their names. */
  readonly replace: boolean;
  readonly suffix: string;
}

export interface HistoryWindow {
  readonly earliest: Date;
  readonly latest: Date;
  /** Instants within the window that cannot be reached, edges excluded. `to` absent: none after `from` can be reached yet. */
  readonly gaps?: readonly { readonly from: Date; readonly to?: Date | undefined }[] | undefined;
}

/** Restores within the provider. Without it, restores load a backup. */
export interface HistoryControl {
  /** The provider's word for what `branch` makes: `branch`, `cluster`. */
  readonly place: string;
  /** The precision of instants. A finer one is rounded down, and the result says so. Absent: any. */
  readonly precisionMs?: number | undefined;
  /** Whether it restores exactly to a log position (`lsn`), so that a fingerprint taken there can be compared. */
  readonly positions: boolean;
  /** What the provider bills for a place that `branch` makes, in a sentence without a full stop. Absent: nothing, or it is not known. */
  readonly cost?: string | undefined;
  /** How long `branch` and `over` take, as recorded at the provider, for plans without a past job. Absent: it is not known. */
  readonly recorded?: { readonly branch: SecondsRange; readonly over: SecondsRange } | undefined;
  /** What `branch` makes is a copy of all data, which takes minutes and is billed as the source is. Default: false. */
  readonly copiesData?: boolean | undefined;
  /** What users of production notice during `inPlace`, in one sentence. Absent: almost nothing. */
  readonly interruption?: string | undefined;
  /** Returns the name of a scratch place, which contains the job's id. */
  scratchName(maker: Maker): string;
  /** How many leading characters of two names must differ, ignoring case. Default: all. */
  readonly distinctLength?: number | undefined;
  /** Returns the name of the place that prevents the use of this name. Absent: the place that `find` returns. */
  inTheWayOf?(name: string, work?: Work): Promise<string | undefined>;
  /** Queries both ends of the recovery window. Undefined: history is off. */
  window(work?: Work): Promise<HistoryWindow | undefined>;
  /** Returns what would prevent the restore, one sentence each: a branch limit, lost history. Changes nothing. */
  obstacles(request: { readonly target: HistoryTarget; readonly inPlace: boolean }, work?: Work): Promise<readonly string[]>;
  /** Restores into a new branch. Throws RECOVERY_TARGET_OUTSIDE_WINDOW, PROVIDER_LIMIT. */
  branch(request: BranchRequest): Promise<Branch & { readonly resource: Resource }>;
  /** Restores production in place. The connection string stays the same; the previous state is kept under the name `keepAs`. */
  inPlace(request: Work & { readonly target: HistoryTarget; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string; readonly form?: "branch" | "snapshot" | undefined };
    readonly warnings: readonly string[];
  }>;
  /**
   * Returns the state of production after an interrupted `inPlace`, in one sentence, as far as the provider reports it. Restores requested
   * before `since` do not count. Absent: the existence of the kept state shows it.
   */
  productionAfter?(since: Date, work?: Work): Promise<string>;
  /**
   * Restores over an existing place that is not production; its data is lost. Absent: only new places can be restored into.
   */
  over?(request: Work & { readonly name: string; readonly target: HistoryTarget }): Promise<Branch>;
  /** Restores chosen tables. Absent: they are loaded from a backup. */
  tables?(request: TablesRequest): Promise<{ readonly restored: readonly string[]; readonly warnings: readonly string[] }>;
  /**
   * Promotes a branch to production: it gets the name, the protection and the default flag. The present one is kept under another name.
   * Absent: names cannot be exchanged, so the application is pointed at the restored place instead.
   */
  promote?(request: Work & { readonly branch: string; readonly name: string; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string };
    readonly warnings: readonly string[];
  }>;
  /**
   * Finds a branch by name or id. Undefined: there is none. Where `inPlace` keeps the previous state as a snapshot, it finds that too,
   * even while it is being taken; `form` tells them apart.
   */
  find(
    nameOrId: string,
    work?: Work,
  ): Promise<
    | {
        readonly id: string;
        readonly name: string;
        readonly production: boolean;
        readonly createdAt: Date;
        /** Absent: `branch`. */
        readonly form?: "branch" | "snapshot" | undefined;
      }
    | undefined
  >;
  /** Returns a connection to a place. BRANCH_UNKNOWN: there is none of that id. */
  connection(id: string, work?: Work): Promise<Connection>;
  /** Deletes a branch that is not production. One that does not exist is not an error. Throws PROVIDER_REFUSED when the provider refuses. */
  remove(id: string, work?: Work): Promise<void>;
}
