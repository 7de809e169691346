// Calls about clusters: those of the cluster API, and Flex clusters, which have one of their own.
import type { Work } from "../../../ports/connection.ts";
import { type Json, readCluster, readFlex, readKeyProviders } from "./read.ts";
import { hasCode, orGone, type Session } from "./session.ts";
import type { AtlasCluster, AtlasKeyProvider } from "./types.ts";

export interface ClusterSpec {
  readonly name: string;
  readonly cloud: string;
  readonly region: string;
  /** `FLEX` for one of those. */
  readonly tier: string;
  readonly diskGb?: number | undefined;
  readonly majorVersion?: string | undefined;
  readonly continuousRelease?: boolean | undefined;
  readonly encryption?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ClusterChange {
  readonly backupEnabled?: boolean;
  readonly pitEnabled?: boolean;
  readonly terminationProtection?: boolean;
  readonly encryption?: string;
  readonly minimumTls?: string;
}

export interface ClusterCalls {
  /** Undefined: there is none of that name. */
  cluster(name: string, work?: Work): Promise<AtlasCluster | undefined>;
  /** All of the project, Flex ones too. */
  clusters(work?: Work): Promise<AtlasCluster[]>;
  /** Begins it. Never two: a lost answer is followed by a look for the name, with these tags. */
  createCluster(spec: ClusterSpec, work?: Work): Promise<AtlasCluster>;
  /** Begins it: the cluster is UPDATING afterwards. */
  updateCluster(cluster: Pick<AtlasCluster, "name" | "kind">, change: ClusterChange, work?: Work): Promise<AtlasCluster>;
  /** Begins it. Without error if it does not exist, or is being deleted. */
  deleteCluster(cluster: Pick<AtlasCluster, "name" | "kind">, work?: Work): Promise<void>;
  /** Keys of the project's own, by provider. */
  keyProviders(work?: Work): Promise<AtlasKeyProvider[]>;
}

const USE_FLEX = /CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API/;

export function clusterCalls({ ask, list }: Session): ClusterCalls {
  const flex = (name: string, work?: Work): Promise<AtlasCluster | undefined> =>
    orGone(ask({ endpoint: "readFlex", doing: `show the cluster ${name}`, path: { cluster: name }, read: readFlex }, work));

  async function cluster(name: string, work?: Work): Promise<AtlasCluster | undefined> {
    try {
      return await orGone(
        ask({ endpoint: "readCluster", doing: `show the cluster ${name}`, path: { cluster: name }, read: readCluster }, work),
      );
    } catch (error) {
      if (hasCode(error, USE_FLEX)) return await flex(name, work);
      throw error;
    }
  }

  /** A cluster of that name may be another user's, made since: ours has the requested tags. */
  const ours = (spec: ClusterSpec, found: AtlasCluster | undefined): AtlasCluster | undefined =>
    found !== undefined && Object.entries(spec.tags).every(([key, value]) => found.tags[key] === value) ? found : undefined;

  return {
    cluster,
    async clusters(work) {
      const [dedicated, flexible] = await Promise.all([
        list({ endpoint: "listClusters", doing: "list the clusters of the project", read: readCluster }, work),
        list({ endpoint: "listFlex", doing: "list the Flex clusters of the project", read: readFlex }, work),
      ]);
      const names = new Set(dedicated.map(({ name }) => name));
      return [...dedicated, ...flexible.filter(({ name }) => !names.has(name))];
    },
    createCluster: (spec, work) =>
      spec.tier === "FLEX"
        ? ask(
            {
              endpoint: "createFlex",
              doing: `create the cluster ${spec.name}`,
              body: flexBody(spec),
              read: readFlex,
              look: async () => ours(spec, await flex(spec.name, work)),
            },
            work,
          )
        : ask(
            {
              endpoint: "createCluster",
              doing: `create the cluster ${spec.name}`,
              body: clusterBody(spec),
              read: readCluster,
              look: async () => ours(spec, await cluster(spec.name, work)),
            },
            work,
          ),
    async updateCluster({ name, kind }, change, work) {
      const path = { cluster: name };
      const doing = `change the cluster ${name}`;
      if (kind === "flex") {
        const body = { terminationProtectionEnabled: change.terminationProtection };
        return await ask({ endpoint: "updateFlex", doing, path, body, read: readFlex }, work);
      }
      return await ask({ endpoint: "updateCluster", doing, path, body: changeBody(change), read: readCluster }, work);
    },
    async deleteCluster({ name, kind }, work) {
      const endpoint = kind === "flex" ? "deleteFlex" : "deleteCluster";
      try {
        await orGone(ask({ endpoint, doing: `delete the cluster ${name}`, path: { cluster: name }, read: () => true }, work));
      } catch (error) {
        if (!hasCode(error, /CLUSTER_ALREADY_REQUESTED_DELETION|ALREADY_(?:DELETED|BEING_DELETED)/)) throw error;
      }
    },
    keyProviders: (work) => ask({ endpoint: "readEncryption", doing: "show the project's encryption keys", read: readKeyProviders }, work),
  };
}

/** Three nodes, one shard; no backup and no protection of its own, for it is not to stay. */
function clusterBody({ name, cloud, region, tier, diskGb, majorVersion, continuousRelease, encryption, tags }: ClusterSpec): Json {
  const electableSpecs = { instanceSize: tier, nodeCount: 3, ...(diskGb === undefined ? {} : { diskSizeGB: diskGb }) };
  return {
    name,
    clusterType: "REPLICASET",
    replicationSpecs: [{ regionConfigs: [{ providerName: cloud, regionName: region, priority: 7, electableSpecs }] }],
    backupEnabled: false,
    pitEnabled: false,
    terminationProtectionEnabled: false,
    ...(continuousRelease
      ? { versionReleaseSystem: "CONTINUOUS" }
      : majorVersion === undefined
        ? {}
        : { mongoDBMajorVersion: majorVersion }),
    ...(encryption === undefined || encryption === "NONE" ? {} : { encryptionAtRestProvider: encryption }),
    tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
  };
}

const flexBody = ({ name, cloud, region, tags }: ClusterSpec): Json => ({
  name,
  providerSettings: { backingProviderName: cloud, regionName: region },
  terminationProtectionEnabled: false,
  tags: Object.entries(tags).map(([key, value]) => ({ key, value })),
});

const changeBody = ({ backupEnabled, pitEnabled, terminationProtection, encryption, minimumTls }: ClusterChange): Json => ({
  ...(backupEnabled === undefined ? {} : { backupEnabled }),
  ...(pitEnabled === undefined ? {} : { pitEnabled }),
  ...(terminationProtection === undefined ? {} : { terminationProtectionEnabled: terminationProtection }),
  ...(encryption === undefined ? {} : { encryptionAtRestProvider: encryption }),
  ...(minimumTls === undefined ? {} : { advancedConfiguration: { minimumEnabledTlsProtocol: minimumTls } }),
});
