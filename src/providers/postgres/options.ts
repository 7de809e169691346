// What the configuration says about a PostgreSQL source that a team runs itself, or that any host runs for it.
import type { ScratchSurroundings } from "../../engines/postgres/scratch/options.ts";

export interface PostgresProviderOptions extends ScratchSurroundings {
  /** Address of the source. May hold a password. */
  readonly url: string;
}
