// What the configuration says about a source at Atlas, and what the policy desired of it.
import type { Secret } from "../../core/secret.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Desired, ScratchSettings } from "../../ports/descriptor.ts";
import type { AtlasAuth } from "./api/auth/auth.ts";
import type { Timeouts } from "./api/timeouts.ts";

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
