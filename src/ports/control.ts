// What providers with a control plane of their own can do: settings, snapshots, and restores that copy nothing.
// Each part is a capability: a provider that lacks it does not have the member, and what follows is said beside it.
import type { Connection, Work } from "./connection.ts";
import type { Resource } from "./resource.ts";

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
  /** Why the provider would not remove it now: protected, has children, is the default. */
  readonly pinned?: string | undefined;
}

export interface SnapshotRequest extends Work {
  readonly name: string;
  readonly form: "branch" | "snapshot";
  /** The provider removes it then, whatever is on hold by then: not for points that somebody may want to keep. Branches ignore it. */
  readonly expiresAt?: Date | undefined;
}

/** Without it, a source has no points but the repository's. */
export interface SnapshotControl {
  /** Points by branch (names as the policy's patterns render them, or `known`: ids recorded by us) and the provider's snapshots. */
  list(work?: Work & { readonly known?: readonly string[] | undefined }): Promise<readonly ProviderSnapshot[]>;
  /** PROVIDER_LIMIT when there is no room. Never two for one wish: a lost answer is followed by a look for the name. */
  create(request: SnapshotRequest): Promise<ProviderSnapshot>;
  /** One that is gone is no error. */
  remove(snapshot: Pick<ProviderSnapshot, "id" | "form" | "name">, work?: Work): Promise<void>;
  /** Where a snapshot can be looked at: the branch itself, or undefined where it must be restored first. */
  connection(snapshot: ProviderSnapshot, work?: Work): Promise<Connection | undefined>;
}

export type HistoryTarget =
  | { readonly kind: "latest" }
  | { readonly kind: "time"; readonly at: Date }
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
  /** For scratch: the provider removes it by itself at this instant, whatever becomes of us. */
  readonly expiresAt?: Date | undefined;
  /** Called, and awaited, before it comes to be. */
  readonly declare: (resource: Resource) => Promise<void>;
}

/** Restores within the provider. Without it, a restore loads a backup. */
export interface HistoryControl {
  /** Both edges, asked now. Undefined: history is off. */
  window(work?: Work): Promise<{ readonly earliest: Date; readonly latest: Date } | undefined>;
  /** What would stand against it, in a sentence each: no room for a branch, history lost. Nothing is changed. */
  obstacles(request: { readonly target: HistoryTarget; readonly inPlace: boolean }, work?: Work): Promise<readonly string[]>;
  /** RECOVERY_TARGET_OUTSIDE_WINDOW, PROVIDER_LIMIT. */
  branch(request: BranchRequest): Promise<Branch & { readonly resource: Resource }>;
  /** The connection string stays the same; the state before it is kept as a branch of that name. */
  inPlace(request: Work & { readonly target: HistoryTarget; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string };
    readonly warnings: readonly string[];
  }>;
  /** The branch becomes production: it takes the name, protection and default; the present one is kept under another name. */
  promote(request: Work & { readonly branch: string; readonly name: string; readonly keepAs: string }): Promise<{
    readonly connection: Connection;
    readonly kept: { readonly id: string; readonly name: string };
    readonly warnings: readonly string[];
  }>;
  /** A branch by name or id; undefined where there is none. */
  find(
    nameOrId: string,
    work?: Work,
  ): Promise<{ readonly id: string; readonly name: string; readonly production: boolean; readonly createdAt: Date } | undefined>;
  /** Removes a branch that is not production. One that is gone is no error. PROVIDER_REFUSED for what the provider keeps. */
  remove(id: string, work?: Work): Promise<void>;
}
