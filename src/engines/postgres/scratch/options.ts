// What the configuration says about scratch: where a backup of a PostgreSQL database is restored to and thrown away.
import type { Isolation } from "../cluster/isolation.ts";

export interface ScratchOptions {
  /** A server to make scratch databases on; absent: a throw-away cluster on this machine. May hold a password. */
  readonly url?: string | undefined;
  /** Where throw-away clusters are made; absent: the system's directory for temporary files. */
  readonly directory?: string | undefined;
  /** Who runs a throw-away server when Lifeboat runs as root; absent: `postgres`, else `nobody`. */
  readonly user?: string | undefined;
  /** PostgreSQL settings added to those of throw-away clusters. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Whether scratch without a cell is refused: a throw-away cluster, or any server by its address. Default: `required`. */
  readonly isolation?: Isolation | undefined;
}

/** What every provider of PostgreSQL sources has in common here. */
export interface ScratchSurroundings {
  readonly scratch?: ScratchOptions | undefined;
  /** Directories with PostgreSQL's programs (`tools.postgres`). */
  readonly tools?: string | readonly string[] | undefined;
}
