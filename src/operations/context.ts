// What every operation works with. compose.ts wires it from the configuration; tests wire their own.
import type { DrillPlan } from "../core/drill-schedule.ts";
import type { Keep } from "../core/duration.ts";
import type { Promised } from "../core/objectives.ts";
import type { Present } from "../core/recovery-target.ts";
import type { RetentionPolicy } from "../core/retention.ts";
import type { Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/connection.ts";
import type { Engine } from "../ports/engine.ts";
import type { Channel } from "../ports/notifier.ts";
import type { Probe } from "../ports/probe.ts";
import type { Progress } from "../ports/progress.ts";
import type { Provider } from "../ports/provider.ts";
import type { Catalog } from "../repository/catalog.ts";
import type { Repository } from "../repository/repository.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";

export interface Source {
  readonly name: string;
  readonly providerName: string;
  /** Needs the source's secrets: may throw SECRET_MISSING when it is first read. */
  readonly provider: Provider;
  /** The provider has a control plane: settings, points or a history of its own. Known without its secrets. */
  readonly managed?: boolean | undefined;
  /** What the configuration calls the production branch; absent: whichever is the provider's default. */
  readonly productionName?: string | undefined;
  readonly engine: Engine;
  readonly objective: Promised;
  readonly policy: RetentionPolicy;
  /** How far back any instant is to be reachable. */
  readonly windowMs?: number | undefined;
  readonly archive?: ArchiveOptions | undefined;
  readonly snapshotPolicy?: SnapshotPolicy | undefined;
  /** Where a drill makes a server on this machine; absent: it makes none here. */
  readonly scratchDirectory?: string | undefined;
  /** Drills of the configuration that have a schedule and restore this source. */
  readonly drills?: readonly DrillPlan[] | undefined;
  /** When base backups are due, where any instant is to be reachable and the engine makes them. */
  readonly baseCron?: string | undefined;
  /** When `tick` removes what has expired. Absent: it has no policy. */
  readonly expireCron?: string | undefined;
  readonly probes: readonly Probe[];
  /** Tables that a backup of kind `tables` takes when the command names none. */
  readonly tables?: readonly string[] | undefined;
}

/** How the log of this source is archived. */
export interface ArchiveOptions {
  readonly slot: string;
  /** Survives restarts; holds log that was received and not yet stored. */
  readonly directory: string;
  readonly partialEveryMs: number;
  readonly maxBehindBytes: number;
}

/** A kind of point that the provider is to hold, and for how long. */
export interface SnapshotRule {
  readonly name: string;
  readonly cron: string;
  readonly keepMs: Keep;
  /** Made by us as a branch or as the provider's snapshot, or by the provider's own schedule. */
  readonly by: "branch" | "snapshot" | "provider";
}

export interface SnapshotPolicy {
  readonly rules: readonly SnapshotRule[];
  readonly protect: boolean;
  readonly keepManualMs: Keep;
  readonly preDeploy: { readonly name: string; readonly keepMs: Keep; readonly by: "branch" | "snapshot" };
}

/** A place of this machine's own for the records of jobs that work while the repository cannot be written. */
export interface Aside {
  /** For people. */
  readonly directory: string;
  /** Makes it when it is not there. What is written there is signed; without a writer key of this machine, by one made for this place. */
  open(): Promise<Repository>;
  /** Undefined: nothing was ever filed there. */
  find(): Promise<Repository | undefined>;
}

export interface Context {
  readonly repository: Repository;
  readonly aside?: Aside | undefined;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly sources: ReadonlyMap<string, Source>;
  /** Notification channels by name. Absent: none. */
  readonly notifiers?: ReadonlyMap<string, Channel> | undefined;
  readonly sealKey: SealKey;
  /** The key that opens backups; KEY_MISSING or KEY_INVALID when it cannot be had. */
  openKey(): Promise<OpenKey>;
  /** Servers that this run was given by address, by label: what a crashed run left there can be removed only now. */
  readonly servers: Map<string, Connection>;
  readonly spoolDirectory?: string | undefined;
  /** Class of a backup that no tier gives one. */
  readonly storageClass?: string | undefined;
  /** How long new backups are locked against deletion. */
  readonly lockMs?: number | undefined;
  /** Zone of times that are given without one. */
  readonly timeZone: string;
  /** What is promised for all sources recovered together. */
  readonly combinedObjective: Promised;
  /** Version of this program, for manifests and evidence. */
  readonly lifeboat: string;
  close(): Promise<void>;
}

/** How an operation is watched and stopped. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Gives the id of the next job, once; undefined: the job makes its own. `withJobId` makes it. */
  readonly jobId?: (() => string | undefined) | undefined;
}

/** What words about time are relative to, now. */
export const presentOf = ({ clock, timeZone }: Pick<Context, "clock" | "timeZone">): Present => ({ now: clock.now(), timeZone });
