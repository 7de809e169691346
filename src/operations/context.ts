// What every operation works with. compose.ts wires it from the configuration; tests wire their own.
import type { Limits } from "../core/capacity.ts";
import type { ChangeLimits } from "../core/content.ts";
import type { DrillPlan } from "../core/drill-schedule.ts";
import type { Keep } from "../core/duration.ts";
import type { Promised } from "../core/objectives.ts";
import type { Actor } from "../core/people.ts";
import type { Present } from "../core/recovery-target.ts";
import type { Reference } from "../core/references.ts";
import type { RetentionPolicy } from "../core/retention.ts";
import type { Clock } from "../ports/clock.ts";
import type { Connection } from "../ports/connection.ts";
import type { CutOverTarget, HealthCheck } from "../ports/cutover.ts";
import type { Engine } from "../ports/engine.ts";
import type { Channel } from "../ports/notifier.ts";
import type { Probe } from "../ports/probe.ts";
import type { Programs } from "../ports/programs.ts";
import type { Progress } from "../ports/progress.ts";
import type { Provider } from "../ports/provider.ts";
import type { Queue } from "../ports/queue.ts";
import type { Witness } from "../ports/witness.ts";
import type { Catalog } from "../repository/catalog.ts";
import type { People } from "../repository/people.ts";
import type { Repository } from "../repository/repository.ts";
import type { TrustedKey } from "../repository/trust.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import type { AuditTrail } from "./audit/trail.ts";

export interface Source {
  readonly name: string;
  readonly providerName: string;
  /** The first read resolves the source's secrets. SECRET_MISSING. */
  readonly provider: Provider;
  /** The provider has a control plane: settings, points or a history of its own. Known without its secrets. */
  readonly managed?: boolean | undefined;
  /** What the configuration calls the production branch; absent: the provider's default branch. */
  readonly productionName?: string | undefined;
  readonly engine: Engine;
  readonly objective: Promised;
  readonly policy: RetentionPolicy;
  /** How much tables may lose before it is noticed. Default: `CHANGE_LIMITS`. */
  readonly changes?: ChangeLimits | undefined;
  /** How much the source may hold, where neither server nor provider report a limit. */
  readonly sizeLimitBytes?: number | undefined;
  /** How far back any instant must be reachable. */
  readonly windowMs?: number | undefined;
  readonly archive?: ArchiveOptions | undefined;
  readonly snapshotPolicy?: SnapshotPolicy | undefined;
  /** Where a drill makes a server on this machine. Absent: it makes none here. */
  readonly scratchDirectory?: string | undefined;
  /** Drills of the configuration that have a schedule and restore this source. */
  readonly drills?: readonly DrillPlan[] | undefined;
  /** When base backups are due. Absent: no window is configured, or the engine makes none. */
  readonly baseCron?: string | undefined;
  /** When `tick` removes what has expired. Absent: it has no policy. */
  readonly expireCron?: string | undefined;
  /** A worker that runs work on this source must have all of these. */
  readonly labels?: readonly string[] | undefined;
  /** Over how long work that is due at one time is spread. Absent: it begins at its slot. */
  readonly jitterMs?: number | undefined;
  /** A change to its production takes the approval of a second person. */
  readonly approval?: boolean | undefined;
  readonly probes: readonly Probe[];
  /** Programs that stop and start the services that use it. Absent: none. */
  readonly hooks?: Hooks | undefined;
  /** How it is seen that its application is up. Absent: it is not looked at. */
  readonly health?: HealthCheck | undefined;
  /** Tables that a backup of kind `tables` takes when the command names none. */
  readonly tables?: readonly string[] | undefined;
}

/** Programs with their arguments; `timeoutMs` is for each. */
export interface Hooks {
  readonly stop?: readonly string[] | undefined;
  readonly start?: readonly string[] | undefined;
  readonly timeoutMs: number;
}

/** How the log of this source is archived. */
export interface ArchiveOptions {
  readonly slot: string;
  /** Survives restarts. Holds log that was received and not yet stored. */
  readonly directory: string;
  readonly partialEveryMs: number;
  readonly maxBehindBytes: number;
  /** The service runs the receiver. Default: true. */
  readonly receive?: boolean | undefined;
}

/** A kind of point that the provider holds by the policy, and for how long. */
export interface SnapshotRule {
  readonly name: string;
  readonly cron: string;
  readonly keepMs: Keep;
  /** Lifeboat makes it as a branch or as the provider's snapshot, or the provider's own schedule makes it. */
  readonly by: "branch" | "snapshot" | "provider";
}

export interface SnapshotPolicy {
  readonly rules: readonly SnapshotRule[];
  readonly protect: boolean;
  readonly keepManualMs: Keep;
  readonly preDeploy: { readonly name: string; readonly keepMs: Keep; readonly by: "branch" | "snapshot" };
}

/** Where this machine keeps the records of jobs that run while the repository cannot be written. */
export interface Aside {
  /** Shown in messages. */
  readonly directory: string;
  /** Creates the place where it does not exist. What is written there is signed by this machine's writer key, or by one made for the place. */
  open(): Promise<Repository>;
  /** Undefined: nothing was ever filed there. */
  find(): Promise<Repository | undefined>;
}

/** How this machine takes part in work. */
export interface Workplace {
  /** Several machines share the queue. False: it is that of this process. */
  readonly isShared: boolean;
  /** Opens the queue once. QUEUE_UNREACHABLE, QUEUE_REFUSED. */
  open(): Promise<Queue>;
  /** Items at the same time. */
  readonly jobs: number;
  readonly memoryBytes: number;
  /** Absent: what is free in the spool directory. */
  readonly diskBytes?: number | undefined;
  readonly labels: readonly string[];
  /** Over all workers. */
  readonly limits: Limits;
}

export interface Context {
  readonly repository: Repository;
  readonly aside?: Aside | undefined;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly sources: ReadonlyMap<string, Source>;
  /** Notification channels by name. Absent: none. */
  readonly notifiers?: ReadonlyMap<string, Channel> | undefined;
  /** Tokens and sessions of the service on this machine. Absent: there is no place for them. */
  readonly people?: People | undefined;
  /** References between the sources. Absent: none is declared. */
  readonly references?: readonly Reference[] | undefined;
  /** Runs the user's own programs. Absent: none may be run. */
  readonly programs?: Programs | undefined;
  /** Places where applications read their connection strings, by name. Absent: none. */
  readonly cutOvers?: ReadonlyMap<string, CutOverTarget> | undefined;
  /** Absent: there is no queue, and work is done by its caller. */
  readonly work?: Workplace | undefined;
  readonly sealKey: SealKey;
  /** Reads the key that opens backups. KEY_MISSING, KEY_INVALID. */
  openKey(): Promise<OpenKey>;
  /** Where changes are recorded. Absent: they are not, as in the tests of a single room. */
  readonly audit?: AuditTrail | undefined;
  /** Places that keep checkpoints of the audit log. Absent: none. */
  readonly witnesses?: readonly Witness[] | undefined;
  /** Who approves changes to production. Absent: no approval is required. */
  readonly approval?: ApprovalPolicy | undefined;
  /** Servers that this run was given by address, by label: only now can it remove what a crashed run left there. */
  readonly servers: Map<string, Connection>;
  readonly spoolDirectory?: string | undefined;
  /** Storage class of a backup whose tiers name none. */
  readonly storageClass?: string | undefined;
  /** How long new backups are locked against deletion. */
  readonly lockMs?: number | undefined;
  /** Time zone of times that are given without one. A function: most operations do without, and the system's is slow to find. */
  readonly timeZone: () => string;
  /** Objective for all sources recovered together. */
  readonly combinedObjective: Promised;
  /** Version of this program, for manifests and evidence. */
  readonly lifeboat: string;
  /** The file of the configuration. Absent: sources that leave it are not noticed. */
  readonly configurationFile?: string | undefined;
  /** Differs whenever the text of the configuration does. Absent: what looks find is not kept. */
  readonly configuration?: string | undefined;
  close(): Promise<void>;
}

/** Who approves changes to the production of sources that take approval. */
export interface ApprovalPolicy {
  readonly approvers: readonly Approver[];
  /** How long a request can be approved and carried out. */
  readonly validForMs: number;
}

export interface Approver {
  readonly name: string;
  readonly key: TrustedKey;
  /** How this person appears as the one who asks. */
  readonly identities: readonly string[];
}

/** Why a change to production may be made: approved by a second person, or without. */
export interface Permit {
  /** Id of the approval, who signed it, and the digest of the plan. */
  readonly approval?: { readonly id: string; readonly approvers: readonly string[]; readonly digest: string } | undefined;
  /** Why the glass was broken. */
  readonly glass?: string | undefined;
  /** It is made only when the audit log has it. */
  readonly mustLog: boolean;
  /** Marks the approval as used by the job. APPROVAL_INVALID: it was used already. */
  use(job: string): Promise<void>;
}

/** How an operation is watched and stopped. */
export interface Watch {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** Who asked. Absent: the user of this machine who runs the process. */
  readonly actor?: Actor | undefined;
  /** The command line that asked, without secrets. Absent: another adapter did. */
  readonly command?: string | undefined;
  /** What allows a change to production that takes approval. The gate of the operation makes it. */
  readonly permit?: Permit | undefined;
  /** Gives the id of the next job, once; undefined: the job makes its own. `withJobId` makes it. */
  readonly jobId?: (() => string | undefined) | undefined;
}

/** The instant and the time zone to which words about time are relative. */
export const presentOf = ({ clock, timeZone }: Pick<Context, "clock" | "timeZone">): Present => ({
  now: clock.now(),
  timeZone: timeZone(),
});
