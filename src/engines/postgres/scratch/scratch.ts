// Scratch for the backups of any PostgreSQL source, whoever runs it: a throw-away cluster here, or a database on a named server.
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import type { Maker, Resource, Undone } from "../../../ports/resource.ts";
import { connectionFromUrl } from "../connect/url.ts";
import { beginScratchCluster, CLUSTER_KIND, checkScratchCluster, undoScratchCluster } from "./cluster.ts";
import { beginScratchDatabase, checkScratchServer, DATABASE_KIND, undoScratchDatabase } from "./database.ts";
import type { ScratchSurroundings } from "./options.ts";

export interface ScratchPlace {
  check(serverMajor: number, work?: Work): Promise<string>;
  begin(request: ScratchRequest): Promise<Scratch>;
  /** Undefined: no resource of this kind. */
  undo(resource: Resource, maker: Maker, work?: Work): Promise<Undone | undefined>;
}

/** CONFIG_INVALID when the address cannot be read. `source` is asked only where scratch might be the source itself. */
export function scratchPlace(options: ScratchSurroundings, source: (work: Work) => Promise<Connection>): ScratchPlace {
  const url = options.scratch?.url;
  if (url !== undefined) connectionFromUrl(url);
  return {
    check: (serverMajor, work) =>
      url === undefined ? checkScratchCluster(options, serverMajor, work) : checkScratchServer(options.scratch ?? {}, url, work),
    begin: async (request) =>
      url === undefined
        ? await beginScratchCluster(options, request)
        : await beginScratchDatabase(
            options.scratch ?? {},
            url,
            await source({ signal: request.signal, progress: request.progress }),
            request,
          ),
    async undo({ kind, locator }, maker, work) {
      if (kind === CLUSTER_KIND) return await undoScratchCluster(locator, maker);
      if (kind === DATABASE_KIND) return await undoScratchDatabase(url, locator, maker, work);
      return undefined;
    },
  };
}
