// What every part of the provider works with, and the cluster that is the source.
import { LifeboatError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Work } from "../../ports/connection.ts";
import type { AtlasApi } from "./api/client.ts";
import type { AtlasCluster } from "./api/types.ts";
import type { AtlasOptions, Timeouts } from "./options.ts";

export interface Account {
  readonly options: AtlasOptions;
  readonly api: AtlasApi;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
}

/** The source's cluster as it is now: PROVIDER_NOT_FOUND, naming those that are there. */
export async function sourceCluster({ api, options }: Account, work?: Work): Promise<AtlasCluster> {
  const cluster = await api.cluster(options.cluster, work);
  if (cluster !== undefined && cluster.state !== "DELETING") return cluster;
  const names = (await api.clusters(work)).map(({ name }) => name).filter((name) => name !== options.cluster);
  const why =
    cluster === undefined ? `has no cluster ${options.cluster}${didYouMean(options.cluster, names)}` : `is deleting ${options.cluster}`;
  throw new LifeboatError("PROVIDER_NOT_FOUND", `the Atlas project ${options.groupId} ${why}`, {
    details: { clusters: names.slice(0, 50) },
    hint: "check groupId and cluster of this source, then run `lifeboat check SOURCE`",
  });
}

export const isSource = ({ options }: Account, { name }: Pick<AtlasCluster, "name">): boolean => name === options.cluster;

/** Words for a cluster's kind, in sentences. */
export const KIND_WORDS: Readonly<Record<AtlasCluster["kind"], string>> = {
  dedicated: "dedicated",
  free: "free (M0)",
  flex: "Flex",
};

/** Clusters whose past we can bring back as a whole: CAPABILITY_MISSING for one of several shards. */
export function requireReplicaSet(cluster: AtlasCluster, what: string): void {
  if (cluster.type === "REPLICASET" && cluster.shards === 1) return;
  throw new LifeboatError(
    "CAPABILITY_MISSING",
    `${cluster.name} is a sharded cluster, and Lifeboat cannot ${what}: the target needs the same shards and config servers`,
    {
      hint: `restore it with Atlas: \`atlas backups restores start\`; its settings, snapshots and logical backups work here as for any other`,
    },
  );
}

/** CAPABILITY_MISSING where Atlas keeps nothing of the cluster that could be used. */
export function requireDedicated({ name, kind }: AtlasCluster, what: string): void {
  if (kind === "dedicated") return;
  throw new LifeboatError(
    "CAPABILITY_MISSING",
    `Atlas cannot ${what} of ${name}, because ${KIND_WORDS[kind]} clusters have no such thing`,
    {
      hint: "run `lifeboat backup SOURCE --kind full`, or move to a dedicated cluster (M10 or larger)",
    },
  );
}
