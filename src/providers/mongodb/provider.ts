// The provider of any MongoDB that has no control plane of its own: scratch is made here, or on a server that is named.
import { connectionFromUrl, databaseOf } from "../../engines/mongodb/connect/url.ts";
import { beginScratchOnServer, checkScratchServer, SERVER_KIND, undoScratchOnServer } from "../../engines/mongodb/scratch/scratch.ts";
import type { Provider } from "../../ports/provider.ts";
import type { MongodbProviderOptions } from "./options.ts";
import { findMongod } from "./server/find.ts";
import { beginScratchServer, checkScratchProgram, MONGOD_KIND, undoScratchServer } from "./server/scratch.ts";

/** Connects to nothing and reads no secret yet: an address that cannot be read is CONFIG_INVALID when it is first needed. */
export function createMongodbProvider(options: MongodbProviderOptions): Provider {
  const connection = async () => options.url.as(connectionFromUrl);
  const source = async () => {
    const found = await connection();
    return { connection: found, several: databaseOf(found) === undefined };
  };
  const scratchUrl = (): string | undefined => options.scratch?.url?.read();
  return {
    name: "mongodb",
    capabilities: {
      get scratch() {
        return options.scratch?.url !== undefined || findMongod(options.tools) !== undefined;
      },
      physical: false,
    },
    connection,
    async checkScratch(serverMajor, work) {
      const url = scratchUrl();
      return url === undefined
        ? await checkScratchProgram(options, serverMajor, work)
        : await checkScratchServer(url, await source(), serverMajor, work);
    },
    async beginScratch(request) {
      const url = scratchUrl();
      return url === undefined ? await beginScratchServer(options, request) : await beginScratchOnServer(url, await source(), request);
    },
    async undo({ kind, locator }, maker, work) {
      if (kind === SERVER_KIND) return await undoScratchOnServer(scratchUrl(), locator, maker, work);
      return kind === MONGOD_KIND ? await undoScratchServer(locator, maker) : "elsewhere";
    },
  };
}
