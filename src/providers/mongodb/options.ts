// What the configuration says about a MongoDB source that a team runs itself, or that any host runs for it.

import type { Secret } from "../../core/secret.ts";
import type { ScratchSettings } from "../../ports/descriptor.ts";

export interface MongodbProviderOptions {
  /** Address of the source: with the database to protect, or without one for several. */
  readonly url: Secret;
  readonly scratch?: ScratchSettings | undefined;
  /** Directories with MongoDB's programs; absent: they are looked for on the PATH. */
  readonly tools?: string | readonly string[] | undefined;
}
