// What the configuration says about a source at Neon, and what the policy desired of it.
import type { Secret } from "../../core/secret.ts";
import type { ScratchSurroundings } from "../../engines/postgres/scratch/options.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Desired } from "../../ports/descriptor.ts";
import type { Timeouts } from "./api/timeouts.ts";

export interface NeonOptions extends ScratchSurroundings {
  readonly projectId: string;
  readonly apiKey: Secret;
  /** Absent: https://console.neon.tech/api/v2. */
  readonly apiHost?: string | undefined;
  /** Name of the production branch; absent: the project's default branch. */
  readonly branch?: string | undefined;
  /** Absent: the branch's only database, or the one made first. */
  readonly database?: string | undefined;
  /** Absent: the owner of the database. */
  readonly role?: string | undefined;
  /** Name of the plan, where the API does not tell it or tells it wrong: `free`, `launch`, `scale`. */
  readonly plan?: string | undefined;
  readonly desired: Desired;
  readonly clock: Clock;
  /** How long to wait for what; absent: times for the real service. */
  readonly timeouts?: Partial<Timeouts> | undefined;
}
