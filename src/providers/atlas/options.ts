// What the configuration says about a source at Atlas, and what the policy desired of it.
import type { Secret } from "../../core/secret.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Desired, ScratchSettings } from "../../ports/descriptor.ts";
import type { CallTimeouts } from "../http/timeouts.ts";
import type { AtlasAuth } from "./api/auth/auth.ts";

export interface AtlasOptions {
  /** Id of the project. */
  readonly groupId: string;
  readonly cluster: string;
  /** A service account, or an API key. Absent: the first request is SECRET_MISSING. */
  readonly credentials?: AtlasAuth | undefined;
  /** Absent: https://cloud.mongodb.com. */
  readonly apiHost?: string | undefined;
  /**
   * A database user: users belong to the project, so one reaches scratch clusters too, unless it is bound to chosen ones.
   */
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
  /** Absent: all of a user's databases. */
  readonly database?: string | undefined;
  /** Size of scratch clusters, as `M10`; absent: the smallest that takes the source's disk. */
  readonly scratchTier?: string | undefined;
  /** `url`: a server to load backups into for a drill, instead of a scratch cluster. */
  readonly scratch?: ScratchSettings | undefined;
  readonly desired: Desired;
  readonly clock: Clock;
  /** How long to wait for what; absent: times for the real service. */
  readonly timeouts?: Partial<Timeouts> | undefined;
}

/** How long Atlas is waited for. */
export interface Timeouts extends CallTimeouts {
  /** Longest pause between two questions about work under way. */
  readonly pollMs: number;
  /** Atlas continues its work when its API cannot be reached: how long it may be silent during a wait. */
  readonly silenceMs: number;
  /** A cluster that is made or changed. */
  readonly clusterMs: number;
  readonly deleteMs: number;
  readonly snapshotMs: number;
  readonly restoreMs: number;
  readonly exportMs: number;
  /** The first connection to a cluster whose name is new. 0: connecting is left to the caller. */
  readonly connectMs: number;
  /** Until a cluster that was just made or restored knows the project's database users: they are brought to each one. */
  readonly loginMs: number;
  /** How far behind the present the log that Atlas keeps may be: the API gives no upper edge of what can be restored. */
  readonly lagMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export const TIMEOUTS: Timeouts = {
  requestMs: 30_000,
  busyMs: 3 * MINUTE_MS,
  outageMs: MINUTE_MS,
  retryMs: 500,
  pollMs: 10_000,
  silenceMs: 15 * MINUTE_MS,
  clusterMs: 90 * MINUTE_MS,
  deleteMs: 30 * MINUTE_MS,
  snapshotMs: 6 * HOUR_MS,
  restoreMs: 24 * HOUR_MS,
  exportMs: 24 * HOUR_MS,
  connectMs: 5 * MINUTE_MS,
  loginMs: 2 * MINUTE_MS,
  lagMs: MINUTE_MS,
};
