// A cluster that must not be left behind: how it is written down, and how what a crash left of it is found and deleted.
import { LifeboatError } from "../../core/errors.ts";
import { isId, makeId } from "../../core/ids.ts";
import type { Work } from "../../ports/connection.ts";
import type { Resource } from "../../ports/resource.ts";
import type { AtlasCluster } from "./api/types.ts";
import { type Ground, isSource } from "./ground.ts";
import { deleteUntilGone } from "./states.ts";

export const CLUSTER_KIND = "atlas-cluster";
/** Key of the tag on every cluster of our making. */
export const TAG = "lifeboat";

const SCRATCH_PREFIX = "lifeboat-";

/** Twenty-three characters, which Atlas wants to be unique: the job's id is in them. */
export const scratchName = (jobId: string): string => `${SCRATCH_PREFIX}${jobId}`;

/** The job of a scratch cluster, by its name; undefined: it is none. */
export function jobOfScratch(name: string): string | undefined {
  const id = name.startsWith(SCRATCH_PREFIX) ? name.slice(SCRATCH_PREFIX.length) : "";
  return isId(id) ? id : undefined;
}

/** To be declared when it is known that no cluster has the name: whatever has it later, with this tag, is ours. */
export function clusterResource({ options, clock }: Ground, name: string): Resource {
  const tag = jobOfScratch(name) ?? makeId(clock.now(), clock.randomBytes(8));
  return { kind: CLUSTER_KIND, locator: { groupId: options.groupId, name, tag } };
}

/** The same, of a scratch cluster that is found rather than made. */
export const foundResource = (groupId: string, { name }: AtlasCluster, tag: string): Resource => ({
  kind: CLUSTER_KIND,
  locator: { groupId, name, tag },
});

/**
 * True when it is gone, or was never made; it is waited for. False for another project's. PROVIDER_REFUSED for a cluster that
 * cannot be the one that was declared: the source, a protected one, or one without the tag that was declared.
 */
export async function undoCluster(ground: Ground, locator: Resource["locator"], work?: Work): Promise<boolean> {
  const { api, options } = ground;
  const { groupId, name = "" } = locator;
  if (groupId !== options.groupId) return false;
  const cluster = await api.cluster(name, work);
  if (cluster === undefined) return true;
  const why = whyNotOurs(ground, cluster, locator);
  if (why !== undefined) {
    throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${name} is left as it is: ${why}`, {
      hint: `look at it in Atlas: it costs money for as long as it exists`,
    });
  }
  await deleteUntilGone(ground, cluster, work);
  return true;
}

function whyNotOurs(ground: Ground, cluster: AtlasCluster, { name = "", tag = "" }: Resource["locator"]): string | undefined {
  if (isSource(ground, cluster)) return "it is production";
  if (cluster.terminationProtection) return "somebody has protected it from termination";
  if (cluster.tags[TAG] !== undefined && cluster.tags[TAG] !== tag) return "another job has made it";
  if (jobOfScratch(name) !== undefined) return undefined; // nobody else gives such a name
  if (cluster.tags[TAG] === undefined) return "it does not have the tag of the job that is cleaned up";
  return undefined; // the tag was drawn by lot for this one cluster: no clock, of ours or Atlas's, says it better
}

/** Scratch clusters of any job that the project has now. */
export async function strayClusters({ api, options }: Ground, work?: Work): Promise<{ jobId: string; resource: Resource }[]> {
  return (await api.clusters(work)).flatMap((cluster) => {
    const jobId = jobOfScratch(cluster.name);
    return jobId === undefined || cluster.name === options.cluster || cluster.state === "DELETING"
      ? []
      : [{ jobId, resource: foundResource(options.groupId, cluster, jobId) }];
  });
}
