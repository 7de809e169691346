// What the configuration says about a source at Atlas, and what the policy desired of it.
import type { Keep } from "../../core/duration.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AtlasAuth } from "./api/auth/auth.ts";
import type { Timeouts } from "./api/timeouts.ts";

/** A kind of point that is to exist: made by us as an on-demand snapshot, or by Atlas's own schedule. */
export interface AtlasRule {
  /** Pattern of its names, as `backup-{date}`. */
  readonly name: string;
  readonly cron: string;
  readonly keepMs: Keep;
  /** Absent: `provider`. Atlas has no branches: a rule that asks for them is named as one that cannot be followed. */
  readonly by?: "branch" | "snapshot" | "provider" | undefined;
}

export interface AtlasDesired {
  /** How far back any instant is to be reachable; absent: no wish of its own. 0: continuous backup is not asked for. */
  readonly windowMs?: number | undefined;
  /** Termination protection. */
  readonly protect: boolean;
  readonly rules: readonly AtlasRule[];
  /** Whose key data at rest is to be encrypted with, beyond Atlas's own encryption, which is always on. */
  readonly encryptionProvider?: "aws" | "azure" | "gcp" | undefined;
}

export interface AtlasOptions {
  /** Id of the project. */
  readonly groupId: string;
  readonly cluster: string;
  /** A service account, or an API key. */
  readonly credentials: AtlasAuth;
  /** Absent: https://cloud.mongodb.com. */
  readonly apiHost?: string | undefined;
  /**
   * A database user: users belong to the project, so one reaches scratch clusters too, unless it is bound to chosen ones. Read when a
   * cluster's data is needed.
   */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Absent: all of a user's databases. */
  readonly database?: string | undefined;
  /** Size of scratch clusters, as `M10`; absent: the smallest that takes the source's disk. */
  readonly scratchTier?: string | undefined;
  /** A server to load backups into for a drill, instead of a scratch cluster. Read when it is needed. */
  readonly scratch?: { readonly url?: string | undefined } | undefined;
  readonly desired: AtlasDesired;
  readonly clock: Clock;
  /** How long to wait for what; absent: times for the real service. */
  readonly timeouts?: Partial<Timeouts> | undefined;
}
