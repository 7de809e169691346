// The provider of any PostgreSQL that has no control plane of its own: scratch is made here, or on a server that is named.
import { directConnection } from "../../engines/postgres/connect/pooled.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import type { Provider } from "../../ports/provider.ts";
import type { PostgresProviderOptions } from "./options.ts";
import { beginScratchCluster, CLUSTER_KIND, checkScratchCluster, undoScratchCluster } from "./scratch-cluster.ts";
import { beginScratchDatabase, checkScratchServer, DATABASE_KIND, undoScratchDatabase } from "./scratch-database.ts";

/** CONFIG_INVALID when an address cannot be read. Connects to nothing yet. */
export function createPostgresProvider(options: PostgresProviderOptions): Provider {
  const source = directConnection(connectionFromUrl(options.url));
  const scratchUrl = options.scratch?.url;
  if (scratchUrl !== undefined) connectionFromUrl(scratchUrl);
  return {
    name: "postgres",
    capabilities: { scratch: true, physical: true },
    connection: async () => source,
    checkScratch: (serverMajor, work) =>
      scratchUrl === undefined ? checkScratchCluster(options, serverMajor, work) : checkScratchServer(scratchUrl, work),
    beginScratch: (request) =>
      scratchUrl === undefined ? beginScratchCluster(options, request) : beginScratchDatabase(scratchUrl, source, request),
    async undo({ kind, locator }, work) {
      if (kind === CLUSTER_KIND) return await undoScratchCluster(locator);
      if (kind === DATABASE_KIND) return await undoScratchDatabase(scratchUrl, locator, work);
      return false;
    },
  };
}
