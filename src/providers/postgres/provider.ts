// The provider of any PostgreSQL that has no control plane of its own: scratch is made here, or on a server that is named.
import { directConnection } from "../../engines/postgres/connect/pooled.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import { scratchPlace } from "../../engines/postgres/scratch/scratch.ts";
import type { Provider } from "../../ports/provider.ts";
import type { PostgresProviderOptions } from "./options.ts";

/** CONFIG_INVALID when an address cannot be read. Connects to nothing yet. */
export function createPostgresProvider(options: PostgresProviderOptions): Provider {
  const source = directConnection(connectionFromUrl(options.url));
  const scratch = scratchPlace(options, async () => source);
  return {
    name: "postgres",
    capabilities: { scratch: true, physical: true },
    connection: async () => source,
    checkScratch: scratch.check,
    beginScratch: scratch.begin,
    undo: async (resource, maker, work) => (await scratch.undo(resource, maker, work)) ?? "elsewhere",
  };
}
