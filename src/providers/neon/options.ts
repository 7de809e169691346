// What the configuration says about a source at Neon, and what the policy desired of it.
import type { Keep } from "../../core/duration.ts";
import type { ScratchSurroundings } from "../../engines/postgres/scratch/options.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Timeouts } from "./api/timeouts.ts";

/** A kind of point that is to exist: made by us as a branch or a snapshot, or by Neon's own schedule. */
export interface NeonRule {
  /** Pattern of its names, as `backup-{date}`. */
  readonly name: string;
  readonly cron: string;
  readonly keepMs: Keep;
  readonly by: "branch" | "snapshot" | "provider";
}

export interface NeonDesired {
  /** How far back any instant is to be reachable; absent: no wish. */
  readonly windowMs?: number | undefined;
  readonly protect: boolean;
  readonly rules: readonly NeonRule[];
  /** Further patterns of names under which we make branches, as that of pre-deploy points. */
  readonly names?: readonly string[] | undefined;
}

export interface NeonOptions extends ScratchSurroundings {
  readonly projectId: string;
  readonly apiKey: string;
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
  readonly desired: NeonDesired;
  readonly clock: Clock;
  /** How long to wait for what; absent: times for the real service. */
  readonly timeouts?: Partial<Timeouts> | undefined;
}
