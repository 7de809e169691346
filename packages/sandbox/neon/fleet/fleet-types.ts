// What the sandbox's API needs of real PostgreSQL: lines of data that can be forked at any past instant, servers that are
// started at the first connection, and proxies that wake them. The API knows branches and computes; the fleet knows none of these.

/** A past position of a line: its head now, the state just before the first commit later than a real instant, or an LSN. */
export type ForkPoint =
  | { readonly kind: "head" }
  | { readonly kind: "time"; readonly at: Date }
  | { readonly kind: "lsn"; readonly lsn: string };

export interface LineFacts {
  /** Where it was forked from its parent; undefined for a first line. */
  readonly forkLsn?: string | undefined;
  readonly sizeBytes?: number | undefined;
}

export interface RunningServer {
  /** TCP port on 127.0.0.1, with TLS and password authentication. */
  readonly port: number;
}

/** A listener of one compute: takes a connection, wakes the server behind it, and passes bytes both ways, TLS included. */
export interface ComputeProxy {
  /** Address of its own, as 127.84.3.17, so that the default port can be used; 127.0.0.1 where the system has no other. */
  readonly host: string;
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  close(): Promise<void>;
}

export interface FleetOptions {
  /** Absolute, private; holds all files of the fleet, and is deleted at the end. */
  readonly directory: string;
  /** PostgreSQL's programs. */
  readonly bin: string;
  readonly signal?: AbortSignal | undefined;
}

/** Instants here are real ones, of the machine's clock: a driven clock is the API's business. */
export interface Fleet {
  /**
   * A first line: an empty cluster, made when it is first started or forked. `sql` runs once then, as superuser in `postgres`;
   * of a list, each entry runs by itself (`create database` cannot stand with others in one text). The state after it is the
   * earliest that can be forked, also by an instant between this call and then.
   */
  createLine(options?: { readonly sql?: string | readonly string[] | undefined }): Promise<string>;
  /**
   * Forks a line. Returns at once: nothing is copied until the fork is first started. The parent keeps running.
   * Throws RangeError when the position lies before the parent's beginning or after its head.
   */
  fork(line: string, at: ForkPoint): Promise<{ readonly line: string; readonly forkLsn: string }>;
  /** The position of the head; wakes nothing. */
  headLsn(line: string): Promise<string>;
  facts(line: string): Promise<LineFacts>;
  /** Starts the server of a line (materialising it first); one that runs is returned as it is. */
  start(line: string): Promise<RunningServer>;
  stop(line: string): Promise<void>;
  isRunning(line: string): boolean;
  /** Runs SQL as superuser; starts the server for it when needed. */
  execute(line: string, database: string, sql: string): Promise<readonly Record<string, unknown>[]>;
  /** Password of a role, set now when the server runs, and before the first connection when it does not. */
  setPassword(line: string, role: string, password: string): Promise<void>;
  /** Removes a line's data as soon as no fork needs it. */
  remove(line: string): Promise<void>;
  openProxy(wake: () => Promise<RunningServer>): Promise<ComputeProxy>;
  /** Ends every server and proxy and deletes the directory. */
  end(): Promise<void>;
}
