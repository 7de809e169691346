// Scratch for the backups of any PostgreSQL source: a temporary cluster here, or a database on a named server.
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

/** `source` is asked only where scratch might be the source itself. The server's address is read when scratch is used: CONFIG_INVALID. */
export function scratchPlace(options: ScratchSurroundings, source: (work: Work) => Promise<Connection>): ScratchPlace {
  const urlOf = (): string | undefined => {
    const url = options.scratch?.url;
    url?.as(connectionFromUrl);
    return url?.read();
  };
  return {
    async check(serverMajor, work) {
      const url = urlOf();
      if (url === undefined) return await checkScratchCluster(options, serverMajor, work);
      return await checkScratchServer(options.scratch ?? {}, url, work);
    },
    async begin(request) {
      const url = urlOf();
      if (url === undefined) return await beginScratchCluster(options, request);
      const own = await source({ signal: request.signal, progress: request.progress });
      return await beginScratchDatabase(options.scratch ?? {}, url, own, request);
    },
    async undo({ kind, locator }, maker, work) {
      if (kind === CLUSTER_KIND) return await undoScratchCluster(locator, maker);
      if (kind === DATABASE_KIND) return await undoScratchDatabase(urlOf(), locator, maker, work);
      return undefined;
    },
  };
}
