// A cluster as the API shows it.
import { iso } from "./body.ts";
import type { Emulator } from "./emulator.ts";
import type { Cluster, RegionConfig, ReplicationSpec } from "./state.ts";

export function clusterView(emulator: Emulator, cluster: Cluster): object {
  const { settings } = cluster;
  const { labels, advancedConfiguration, ...more } = settings.more;
  const major = settings.mongoDBVersion.split(".").slice(0, 2).join(".");
  return {
    ...more,
    acceptDataRisksAndForceReplicaSetReconfig: more.acceptDataRisksAndForceReplicaSetReconfig ?? null,
    advancedConfiguration,
    backupEnabled: settings.backupEnabled,
    clusterType: "REPLICASET",
    connectionStrings: connectionStrings(cluster),
    createDate: iso(cluster.createDate),
    effectiveReplicationSpecs: settings.replicationSpecs.map(specView),
    encryptionAtRestProvider: settings.encryptionAtRestProvider,
    featureCompatibilityVersion: major,
    featureCompatibilityVersionExpirationDate: null,
    groupId: emulator.store.groupId,
    id: cluster.id,
    internalClusterRole: "NONE",
    labels,
    links: [{ href: linkTo(emulator, `/clusters/${cluster.name}`), rel: "self" }],
    mongoDBMajorVersion: major,
    mongoDBVersion: settings.mongoDBVersion,
    name: cluster.name,
    paused: settings.paused,
    pitEnabled: settings.pitEnabled,
    replicationSpecs: settings.replicationSpecs.map(specView),
    stateName: cluster.stateName,
    tags: settings.tags,
    terminationProtectionEnabled: settings.terminationProtectionEnabled,
  };
}

/** Empty until the cluster can be reached. No credentials; TLS is off on loopback. */
export function connectionStrings(cluster: Cluster): object {
  if (cluster.data === undefined) return {};
  return { standard: `mongodb://${cluster.data.host}/?authSource=admin&replicaSet=${cluster.replicaSetName}` };
}

export const linkTo = (emulator: Emulator, path: string): string =>
  `${emulator.origin}/api/atlas/v2/groups/${emulator.store.groupId}${path}`;

const specView = (spec: ReplicationSpec): object => ({
  id: spec.id,
  regionConfigs: spec.regionConfigs.map(regionView),
  zoneId: spec.zoneId,
  zoneName: spec.zoneName,
});

function regionView(region: RegionConfig): object {
  const { cloud, backing, regionName, priority, electableSpecs, more } = region;
  const where = { priority, providerName: cloud, regionName };
  if (backing !== undefined)
    return { ...where, backingProviderName: backing, electableSpecs: { diskSizeGB: 0.5, instanceSize: electableSpecs.instanceSize } };
  return { ...more, ...where, electableSpecs: { ...electableSpecs, ...(cloud === "AWS" ? { ebsVolumeType: "STANDARD" } : {}) } };
}
