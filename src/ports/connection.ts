// Where a database is, what is known of it at first sight, and how work on it is watched and stopped.
import type { Progress } from "./progress.ts";

/** Where a database is. `url` may hold a password: it is never printed, logged or put in argv; `label` is what messages say. */
export interface Connection {
  readonly url: string;
  readonly label: string;
}

export interface Work {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/** What `check` and a backup's first step learn. */
export interface DatabaseFacts {
  readonly serverVersion: string;
  readonly serverMajor: number;
  readonly database: string;
  readonly user: string;
  readonly sizeBytes: number;
  readonly tables: number;
  /** The program that will be used, with its version, as `pg_dump 15.20`. */
  readonly tool: string;
  /** Things a user should know before relying on a backup; never reasons to refuse. */
  readonly warnings: readonly string[];
  /** A value equal for two connections exactly when they reach the same database of the same cluster. */
  readonly identity: string;
  /** The server's clock when it was asked. Absent: it tells no time. */
  readonly now?: Date | undefined;
}
