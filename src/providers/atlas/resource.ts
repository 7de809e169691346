// A cluster that must not be left behind: how it is written down, and how what a crash left of it is found and deleted.
import { LifeboatError } from "../../core/errors.ts";
import { isId } from "../../core/ids.ts";
import type { Work } from "../../ports/connection.ts";
import type { FoundScratch } from "../../ports/provider.ts";
import type { Maker, Resource, Undone } from "../../ports/resource.ts";
import { type Account, isSource } from "./account.ts";
import type { AtlasCluster } from "./api/types.ts";
import { deleteUntilGone } from "./states.ts";

export const CLUSTER_KIND = "atlas-cluster";
/** Key of the tag on every cluster of our making: it holds the job and its proof, and is given in the request that makes the cluster. */
export const TAG = "lifeboat";

const SCRATCH_PREFIX = "lifeboat-";

/** Twenty-three characters, which Atlas wants to be unique: the job's id is in them. */
export const scratchName = ({ jobId }: Pick<Maker, "jobId">): string => `${SCRATCH_PREFIX}${jobId}`;

/** Atlas makes host names of so much of a cluster's name: no two clusters of a project may begin alike. */
export const DISTINCT_LENGTH = 23;

/** Name of the cluster that keeps another one from being given this name; undefined: none. */
export function inTheWayOf(clusters: readonly Pick<AtlasCluster, "name">[], name: string): string | undefined {
  const beginning = (text: string): string => text.slice(0, DISTINCT_LENGTH).toLowerCase();
  return clusters.find((one) => beginning(one.name) === beginning(name))?.name;
}

/** The job of a scratch cluster, by its name; undefined: it is none. */
export function jobOfScratch(name: string): string | undefined {
  const id = name.startsWith(SCRATCH_PREFIX) ? name.slice(SCRATCH_PREFIX.length) : "";
  return isId(id) ? id : undefined;
}

/** Value of the tag. */
export const tagOf = ({ options }: Account, maker: Maker, name: string): string =>
  `${maker.jobId} ${maker.prove(CLUSTER_KIND, options.groupId, name)}`;

/** To be declared when it is known that no cluster has the name. */
export const clusterResource = ({ options }: Account, name: string): Resource => ({
  kind: CLUSTER_KIND,
  locator: { groupId: options.groupId, name },
});

/**
 * Deletes it, and waits until it is gone. PROVIDER_REFUSED for a cluster that is not proven to be the one that the job made and did
 * not finish: the source, a protected one, or one without the job's own tag. Elsewhere: another project's.
 */
export async function undoCluster(
  account: Account,
  { groupId, name = "" }: Resource["locator"],
  maker: Maker,
  work?: Work,
): Promise<Undone> {
  const { api, options } = account;
  if (groupId !== options.groupId) return "elsewhere";
  const cluster = await api.cluster(name, work);
  if (cluster === undefined) return "absent";
  const why = whyNotOurs(account, cluster, maker);
  if (why !== undefined) {
    throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${name} is left as it is: ${why}`, {
      hint: `it is billed for as long as it exists: to delete it, run \`atlas clusters delete ${name} --projectId ${groupId}\``,
    });
  }
  await deleteUntilGone(account, cluster, work);
  return "removed";
}

function whyNotOurs(account: Account, cluster: AtlasCluster, maker: Maker): string | undefined {
  const { name } = cluster;
  if (isSource(account, cluster)) return "it is production";
  if (cluster.terminationProtection) return "it is protected from termination";
  if (cluster.tags[TAG] !== tagOf(account, maker, name)) return "it does not carry the tag of the job that is cleaned up";
  // A cluster that is not scratch is there to stay once its job has ended: only this machine's memory tells that it has not.
  if (name !== scratchName(maker) && !maker.unended) return `whether job ${maker.jobId} finished it is not known here`;
  return undefined;
}

/** Scratch clusters of any job that the project has now. */
export async function orphanedClusters(account: Account, makerOf: (jobId: string) => Maker, work?: Work): Promise<FoundScratch[]> {
  const { api, options } = account;
  return (await api.clusters(work)).flatMap(({ name, state, tags }) => {
    const jobId = jobOfScratch(name);
    if (jobId === undefined || name === options.cluster || state === "DELETING") return [];
    return [{ jobId, resource: clusterResource(account, name), own: tags[TAG] === tagOf(account, makerOf(jobId), name) }];
  });
}
