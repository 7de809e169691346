// Connections to databases, the basic facts of a database, and how work on it is observed and cancelled.
import type { Limit } from "../core/limits.ts";
import type { HealthReason } from "../core/monitors.ts";
import type { Progress } from "./progress.ts";

/** A connection to a database. `url` may hold a password and is never printed, logged or put in argv; messages use `label`. */
export interface Connection {
  readonly url: string;
  readonly label: string;
}

export interface Work {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/** The facts that `check` and the first step of a backup gather. */
export interface DatabaseFacts {
  readonly serverVersion: string;
  readonly serverMajor: number;
  readonly database: string;
  readonly user: string;
  readonly sizeBytes: number;
  readonly tables: number;
  /** The program that will be used, with its version, such as `pg_dump 15.20`. */
  readonly tool: string;
  /** Facts that a user should know before relying on a backup. They are never reasons to refuse. */
  readonly warnings: readonly string[];
  /** A value that is equal for two connections exactly when they reach the same database of the same cluster. */
  readonly identity: string;
  /** The server's clock when it was read. Absent: the server reports no time. */
  readonly now?: Date | undefined;
  /** Findings about the database itself, for `check`, `status` and alerts. */
  readonly reasons?: readonly HealthReason[] | undefined;
  /** The use of what the server has a limit of, where it reports that: `connections`, `disk`. */
  readonly limits?: readonly Limit[] | undefined;
}
