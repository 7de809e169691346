// Scratch for the backups of an Atlas source: a cluster that goes with the job, or a server that the configuration names.
import { connectionFromUrl } from "../../engines/mongodb/connect/url.ts";
import type { Work } from "../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../ports/provider.ts";
import { awake, connectionOf } from "./access.ts";
import { type Ground, requireReplicaSet, sourceCluster } from "./ground.ts";
import { scratchName, undoCluster } from "./resource.ts";
import { wishOf, withNewCluster } from "./scratch-cluster.ts";

/** In words; makes nothing. */
export async function describeScratch(ground: Ground, serverMajor: number, work?: Work): Promise<string> {
  const like = await scratchLike(ground, work);
  const { tier, cloud, region } = wishOf(ground, { like, serverMajor });
  return `a scratch cluster of Atlas (${tier}, ${cloud} ${region}), which is made for the drill, billed while it lasts, and deleted after it`;
}

export async function beginScratchCluster(ground: Ground, { jobId, serverMajor, declare, ...work }: ScratchRequest): Promise<Scratch> {
  const like = await scratchLike(ground, work);
  return await withNewCluster(ground, { name: scratchName(jobId), like, serverMajor, declare, ...work }, async ({ cluster, resource }) => {
    const own = connectionFromUrl(connectionOf({ ...ground, options: { ...ground.options, database: undefined } }, cluster).url);
    await awake(ground, own, work);
    let ended: Promise<void> | undefined;
    return {
      connection: own,
      description: `an Atlas cluster of size ${cluster.tier} (${cluster.cloud} ${cluster.region}, MongoDB ${cluster.version ?? "of unknown version"}) made for this job; ${like.name} is ${like.tier}`,
      resource,
      ownServer: true,
      end() {
        ended ??= undoCluster(ground, resource.locator, { signal: AbortSignal.timeout(ground.patience.deleteMs) }).then(() => undefined);
        return ended;
      },
    };
  });
}

async function scratchLike(ground: Ground, work?: Work) {
  const cluster = await sourceCluster(ground, work);
  requireReplicaSet(cluster, "make a scratch cluster like it");
  // A free cluster's shared machine is no place for scratch: the smallest dedicated one takes what it holds.
  return cluster.kind === "dedicated" ? cluster : { ...cluster, kind: "dedicated" as const, diskGb: undefined };
}
