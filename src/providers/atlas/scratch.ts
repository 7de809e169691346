// Scratch for the backups of an Atlas source: a cluster that is deleted with the job, or a server that the configuration names.

import { connectionFromUrl } from "../../engines/mongodb/connect/url.ts";
import { beginScratchOnServer, checkScratchServer, SERVER_KIND, undoScratchOnServer } from "../../engines/mongodb/scratch/scratch.ts";
import type { Work } from "../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../ports/provider.ts";
import type { Maker, Resource, Undone } from "../../ports/resource.ts";
import { connectionOf, requireLogin, untilReachable } from "./access.ts";
import { type Account, requireReplicaSet, sourceCluster } from "./account.ts";
import { scratchName, undoCluster } from "./resource.ts";
import { requireMayDelete } from "./rights.ts";
import { specOf, withNewCluster } from "./scratch-cluster.ts";

export interface ScratchPlace {
  check(serverMajor: number, work?: Work): Promise<string>;
  begin(request: ScratchRequest): Promise<Scratch>;
  undo(resource: Resource, maker: Maker, work?: Work): Promise<Undone>;
}

export function scratchPlace(account: Account): ScratchPlace {
  const { options } = account;
  const scratchUrl = (): string | undefined => {
    const url = options.scratch?.url;
    url?.as(connectionFromUrl); // CONFIG_INVALID, before anything is asked
    return url?.read();
  };
  const source = async (work: Work) => ({
    connection: connectionOf(account, await sourceCluster(account, work)),
    several: options.database === undefined,
  });
  return {
    async check(serverMajor, work = {}) {
      const url = scratchUrl();
      return url === undefined
        ? await describeScratch(account, serverMajor, work)
        : await checkScratchServer(url, await source(work), serverMajor, work);
    },
    async begin(request) {
      const url = scratchUrl();
      return url === undefined
        ? await beginScratchCluster(account, request)
        : await beginScratchOnServer(url, await source({ signal: request.signal, progress: request.progress }), request);
    },
    undo: async ({ kind, locator }, maker, work) =>
      kind === SERVER_KIND ? await undoScratchOnServer(scratchUrl(), locator, maker, work) : "elsewhere",
  };
}

/** In words; makes nothing. */
async function describeScratch(account: Account, serverMajor: number, work?: Work): Promise<string> {
  const like = await scratchLike(account, work);
  const { tier, cloud, region } = specOf(account, { like, serverMajor });
  await requireMayDelete(account, like.kind, work);
  return `a scratch cluster of Atlas (${tier}, ${cloud} ${region}), which is made for the drill, billed while it lasts, and deleted after it`;
}

async function beginScratchCluster(account: Account, { maker, serverMajor, declare, ...work }: ScratchRequest): Promise<Scratch> {
  const like = await scratchLike(account, work);
  await requireLogin(account, like, work);
  return await withNewCluster(
    account,
    { name: scratchName(maker), maker, like, serverMajor, declare, ...work },
    async ({ cluster, resource }) => {
      const own = connectionFromUrl(connectionOf({ ...account, options: { ...account.options, database: undefined } }, cluster).url);
      await untilReachable(account, own, work);
      let ended: Promise<void> | undefined;
      return {
        connection: own,
        description: `an Atlas cluster of size ${cluster.tier} (${cluster.cloud} ${cluster.region}, MongoDB ${cluster.version ?? "of unknown version"}) made for this job; ${like.name} is ${like.tier}`,
        resource,
        ownServer: true,
        end() {
          ended ??= undoCluster(account, resource.locator, maker, { signal: AbortSignal.timeout(account.timeouts.deleteMs) }).then(
            () => undefined,
          );
          return ended;
        },
      };
    },
  );
}

async function scratchLike(account: Account, work?: Work) {
  const cluster = await sourceCluster(account, work);
  requireReplicaSet(cluster, "make a scratch cluster like it");
  // A free cluster shares its machine and cannot be scratch: the smallest dedicated one takes what it holds.
  return cluster.kind === "dedicated" ? cluster : { ...cluster, kind: "dedicated" as const, diskGb: undefined };
}
