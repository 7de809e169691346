// What providers with a control plane of their own can do: settings, snapshots, and restores that copy nothing.
// Each part is a capability: a provider that lacks it does not have the member, and what follows is said beside it.
import type { Connection, Work } from "./connection.ts";
import type { Maker, Resource } from "./resource.ts";

/** How much of something is used, against what the plan allows. Reported always, warned of from 80 % (R3). */
export interface Limit {
  /** `branches`, `root branches`, `snapshots`, `protected branches`, `storage`. */
  readonly name: string;
  readonly used: number;
  /** Absent: not known, or none. */
  readonly max?: number | undefined;
  readonly unit: "count" | "bytes";
}

/** A difference between the policy and what is set at the provider. */
export interface Drift {
  /** `history window`, `protection`, `snapshot schedule`. */
  readonly setting: string;
  readonly wanted: string;
  readonly actual: string;
  /** One sentence for a plan: `set the history window to 30 days (it is 1 day)`. */
  readonly message: string;
  /** Why apply cannot mend it: the plan's cap, and what would. Absent: apply mends it. */
  readonly blocked?: string | undefined;
  /** Mending it lowers protection: a shorter history, a schedule taken away. Needs a person who is sure. */
  readonly lowers?: boolean | undefined;
}

export interface ProviderState {
  /** For `status --json`, `settings`: stable names, as `pitr_enabled`, `pitr_retention_days`. */
  readonly settings: Readonly<Record<string, string | number | boolean | null>>;
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  readonly limits: readonly Limit[];
  readonly drift: readonly Drift[];
  /** True things a user should know that are no drift, in full sentences. */
  readonly warnings: readonly string[];
}

export interface SettingsControl {
  /** Everything is asked anew; nothing is remembered between calls. */
  read(work?: Work): Promise<ProviderState>;
  /** Mends one drift. Applying twice changes nothing the second time. */
  apply(drift: Drift, work?: Work): Promise<void>;
}

/** A point that the provider holds. */
export interface ProviderSnapshot {
  /** The provider's own id. */
  readonly id: string;
  readonly form: "branch" | "snapshot";
  readonly name: string;
  readonly createdAt: Date;
  /** The instant whose data it holds. */
  readonly time: Date;
  readonly expiresAt?: Date | undefined;
  readonly sizeBytes?: number | undefined;
  /** Made by the provider's own schedule: it also removes it. */
  readonly scheduled: boolean;
  /** Names of the policy's rules that the provider's schedule made it for. Absent: the provider does not tell. */
  readonly rules?: readonly string[] | undefined;
  /** The mark that it was made with, where the provider keeps it. */
  readonly mark?: string | undefined;
  /** Why the provider would not remove it now: protected, has children, is the default. */
  readonly pinned?: string | undefined;
}

export interface SnapshotRequest extends Work {
  /** Put on it where the provider keeps a text with it. Absent: a clean-up knows it by this machine's memory alone. */
  readonly mark?: string | undefined;
  readonly name: string;
  readonly form: "branch" | "snapshot";
  /** The provider removes it then, whatever is on hold by then: not for points that somebody may want to keep. Branches ignore it. */
  readonly expiresAt?: Date | undefined;
  /**
   * Nobody knows when it is to go: somebody holds it, or it is kept for ever. An expiry of the provider's own, its last net, then lies
   * as far off as the provider takes it.
   */
  readonly keep?: "held" | "forever" | undefined;
}

/** Without it, a source has no points but the repository's. */
export interface SnapshotControl {
  /** What it can make; the first is what is made when nobody says. */
  readonly forms: readonly ("branch" | "snapshot")[];
  /** Those of them that keep the mark that they are made with. */
  readonly marked: readonly ("branch" | "snapshot")[];
  /** Points by branch (names as the policy's patterns render them, or `known`: ids recorded by us) and the provider's snapshots. */
  list(work?: Work & { readonly known?: readonly string[] | undefined }): Promise<readonly ProviderSnapshot[]>;
  /** PROVIDER_LIMIT when there is no room. Never two for one wish: a lost answer is followed by a look for the name. */
  create(request: SnapshotRequest): Promise<ProviderSnapshot>;
  /** One that is gone is no error. */
  remove(snapshot: Pick<ProviderSnapshot, "id" | "form" | "name">, work?: Work): Promise<void>;
  /** Moves the provider's own expiry as far off as it takes it; never nearer. Absent: it cannot be moved. */
  keep?(snapshot: Pick<ProviderSnapshot, "id" | "form" | "name">, work?: Work): Promise<ProviderSnapshot>;
  /** Copies a snapshot to an object storage that the provider reaches, for keeping it elsewhere. Absent: it cannot. */
  export?(request: Work & { readonly snapshot: ProviderSnapshot; readonly bucket: string }): Promise<ExportedSnapshot>;
  /** Where a snapshot can be looked at: the branch itself, or undefined where it must be restored first. */
  connection(snapshot: ProviderSnapshot, work?: Work): Promise<Connection | undefined>;
}

export interface ExportedSnapshot {
  readonly id: string;
  readonly bucket: string;
  /** Where in the bucket. */
  readonly prefix: string;
}

export type HistoryTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly at: Date }
  /** What lies before the position in the log, and nothing from it on. */
  | { readonly kind: "lsn"; readonly lsn: string }
  | { readonly kind: "snapshot"; readonly id: string; readonly form: "branch" | "snapshot" };

/** A database of its own with the data of a past instant. */
export interface Branch {
  readonly id: string;
  readonly name: string;
  readonly connection: Connection;
  /** What a user should know of it: no history of its own, another password. */
  readonly warnings: readonly string[];
}

export interface BranchRequest extends Work {
  readonly name: string;
  readonly target: HistoryTarget;
  readonly maker: Maker;
  /** For scratch: the provider removes it by itself at this instant, whatever becomes of us. */
  readonly expiresAt?: Date | undefined;
  /** Called, and awaited, before it comes to be. */
  readonly declare: (resource: Resource) => Promise<void>;
  /** Called when the provider refused it: what was declared never came to be, and what has its name is not the job's. */
  readonly withdraw?: ((resource: Resource) => Promise<void>) | undefined;
}

/** Chosen tables, brought back by the provider into the running source. */
export interface TablesRequest extends Work {
  readonly target: HistoryTarget;
  readonly tables: readonly string[];
  /** Overwrite what is there; otherwise they come back beside it, their names with `suffix`. */
  readonly replace: boolean;
  readonly suffix: string;
}

export interface HistoryWindow {
  readonly earliest: Date;
  readonly latest: Date;
  /** Instants within, edges excluded, that cannot be reached. `to` absent: none after `from` can yet. */
  readonly gaps?: readonly { readonly from: Date; readonly to?: Date | undefined }[] | undefined;
}

/** Restores within the provider. Without it, a restore loads a backup. */
export interface HistoryControl {
  /** What the provider calls what `branch` makes: `branch`, `cluster`. */
  readonly place: string;
  /** The finest instant it can be restored to; a finer one is rounded down, and that is said. Absent: any. */
  readonly precisionMs?: number | undefined;
  /** It can be restored to a position in the source's log (`lsn`) exactly, so that a fingerprint taken there can be compared. */
  readonly positions: boolean;
  /** What users of production notice during `inPlace`, in one sentence; absent: next to nothing. */
  readonly interruption?: string | undefined;
  /** Name of a scratch place, which carries the job's id. */
  scratchName(maker: Maker): string;
  /** How many first characters tell the names of two places apart, in upper or lower case. Absent: all. */
  readonly distinctLength?: number | undefined;
  /** Name of the place that keeps another one from being given this name. Absent: what `find` finds does. */
  inTheWayOf?(name: string, work?: Work): Promise<string | undefined>;
  /** Both edges, asked now. Undefined: history is off. */
  window(work?: Work): Promise<HistoryWindow | undefined>;
  /** What would stand against it, in a sentence each: no room for a branch, history lost. Nothing is changed. */
  obstacles(request: { readonly target: HistoryTarget; readonly inPlace: boolean }, work?: Work): Promise<readonly string[]>;
  /** RECOVERY_TARGET_OUTSIDE_WINDOW, PROVIDER_LIMIT. */
  branch(request: BranchRequest): Promise<Branch & { readonly resource: Resource }>;
  /** The connection string stays the same; the state before it is kept as a branch of that name. */
  inPlace(request: Work & { readonly target: HistoryTarget; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string; readonly form?: "branch" | "snapshot" | undefined };
    readonly warnings: readonly string[];
  }>;
  /**
   * After `inPlace` was broken off: what production is now, in one sentence, as far as the provider tells. `since`: restores that were
   * asked for earlier are not meant. Absent: what was set aside, or was not, says it.
   */
  productionAfter?(since: Date, work?: Work): Promise<string>;
  /**
   * Restores over a place that is there and is not production: all that it holds is lost. Absent: only new places are restored
   * into.
   */
  over?(request: Work & { readonly name: string; readonly target: HistoryTarget }): Promise<Branch>;
  /** Absent: chosen tables are loaded from a backup. */
  tables?(request: TablesRequest): Promise<{ readonly restored: readonly string[]; readonly warnings: readonly string[] }>;
  /**
   * The branch becomes production: it takes the name, protection and default; the present one is kept under another name.
   * Absent: names cannot be exchanged, so the application is pointed at the restored place instead.
   */
  promote?(request: Work & { readonly branch: string; readonly name: string; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string };
    readonly warnings: readonly string[];
  }>;
  /**
   * A branch by name or id; undefined where there is none. Where `inPlace` keeps the state before it as a snapshot, one of those
   * too, also while it is still being taken: `form` tells.
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
  /** Removes a branch that is not production. One that is gone is no error. PROVIDER_REFUSED for what the provider keeps. */
  remove(id: string, work?: Work): Promise<void>;
}
