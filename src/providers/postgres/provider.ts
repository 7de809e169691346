// The provider of any PostgreSQL that has no control plane of its own: scratch is made here, or on a server that is named.

import type { Secret } from "../../core/secret.ts";
import { directConnection } from "../../engines/postgres/connect/pooled.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import type { ScratchSurroundings } from "../../engines/postgres/scratch/options.ts";
import { scratchPlace } from "../../engines/postgres/scratch/scratch.ts";
import type { Provider } from "../../ports/provider.ts";

export interface PostgresProviderOptions extends ScratchSurroundings {
  readonly url: Secret;
}

/** Connects to nothing and reads no secret yet: an address that cannot be read is CONFIG_INVALID when it is first needed. */
export function createPostgresProvider(options: PostgresProviderOptions): Provider {
  const source = async () => directConnection(options.url.as(connectionFromUrl));
  const scratch = scratchPlace(options, source);
  return {
    name: "postgres",
    capabilities: { scratch: true, physical: true },
    connection: source,
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    undo: async (resource, maker, work) => (await scratch.undo(resource, maker, work)) ?? "elsewhere",
  };
}
