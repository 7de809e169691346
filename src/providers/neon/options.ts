// What the configuration says about a source at Neon, and what the policy desired of it.
import type { Secret } from "../../core/secret.ts";
import type { ScratchSurroundings } from "../../engines/postgres/scratch/options.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Desired } from "../../ports/descriptor.ts";
import type { CallTimeouts } from "../http/timeouts.ts";

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

/** How long Neon is waited for. */
export interface Timeouts extends CallTimeouts {
  /** One operation, from our first question to its end. */
  readonly operationMs: number;
  /** Longest pause between two questions about an operation. */
  readonly pollMs: number;
  /** The first connection to a compute that has to wake; 0: connecting is left to the caller. */
  readonly coldStartMs: number;
}

export const TIMEOUTS: Timeouts = {
  requestMs: 20_000,
  busyMs: 180_000,
  outageMs: 20_000,
  operationMs: 900_000,
  pollMs: 1_000,
  coldStartMs: 60_000,
  retryMs: 250,
};
