// The provider of any MongoDB that has no control plane of its own: scratch is made here, or on a server that is named.
import { connectionFromUrl, databaseOf } from "../../engines/mongodb/connect/url.ts";
import { beginScratchOnServer, checkScratchServer, SERVER_KIND, undoScratchOnServer } from "../../engines/mongodb/scratch/scratch.ts";
import type { Provider } from "../../ports/provider.ts";
import type { MongodbProviderOptions } from "./options.ts";
import { findMongod } from "./server/find.ts";
import { beginScratchServer, checkScratchProgram, MONGOD_KIND, undoScratchServer } from "./server/scratch.ts";

/** CONFIG_INVALID when an address cannot be read. Connects to nothing yet. */
export function createMongodbProvider(options: MongodbProviderOptions): Provider {
  const connection = connectionFromUrl(options.url);
  const source = { connection, several: databaseOf(connection) === undefined };
  const scratchUrl = (): string | undefined => options.scratch?.url;
  return {
    name: "mongodb",
    capabilities: {
      get scratch() {
        return scratchUrl() !== undefined || findMongod(options.tools) !== undefined;
      },
      physical: false,
    },
    connection: async () => connection,
    async checkScratch(serverMajor, work) {
      const url = scratchUrl();
      return url === undefined
        ? await checkScratchProgram(options, serverMajor, work)
        : await checkScratchServer(url, source, serverMajor, work);
    },
    async beginScratch(request) {
      const url = scratchUrl();
      return url === undefined ? await beginScratchServer(options, request) : await beginScratchOnServer(url, source, request);
    },
    async undo({ kind, locator }, maker, work) {
      if (kind === SERVER_KIND) return await undoScratchOnServer(scratchUrl(), locator, maker, work);
      return kind === MONGOD_KIND ? await undoScratchServer(locator, maker) : "elsewhere";
    },
  };
}
