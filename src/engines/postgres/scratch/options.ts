// What the configuration says about scratch: where a backup of a PostgreSQL database is restored to and thrown away.
import type { ScratchSettings } from "../../../ports/descriptor.ts";

export interface ScratchOptions extends ScratchSettings {
  /** PostgreSQL settings added to those of temporary clusters. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/** What every provider of PostgreSQL sources has in common here. */
export interface ScratchSurroundings {
  readonly scratch?: ScratchOptions | undefined;
  /** Directories with PostgreSQL's programs (`tools.postgres`). */
  readonly tools?: string | readonly string[] | undefined;
}
