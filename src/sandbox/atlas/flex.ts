// Flex clusters: an API of their own.
import { iso, oneOf, onlyKnown, optional, required } from "./body.ts";
import { readSettings } from "./cluster-settings.ts";
import { specsFor } from "./cluster-spec.ts";
import { connectionStrings, linkTo } from "./cluster-view.ts";
import { beginCreation, beginDeletion, makeCluster } from "./cluster-work.ts";
import { readName, requireDeletable } from "./clusters.ts";
import { missingAttribute } from "./errors.ts";
import { page } from "./paging.ts";
import { type Answer, type Call, GONE, ok, type Realm } from "./realm.ts";
import { type Cluster, type ClusterSettings, regionOf } from "./state.ts";
import { FLEX, FREE } from "./tiers.ts";

function view(realm: Realm, cluster: Cluster): object {
  const region = regionOf(cluster);
  return {
    backupSettings: { enabled: true },
    clusterType: "REPLICASET",
    connectionStrings: connectionStrings(cluster),
    createDate: iso(cluster.createDate),
    groupId: realm.world.groupId,
    id: cluster.id,
    links: [{ href: linkTo(realm, `/flexClusters/${cluster.name}`), rel: "self" }],
    mongoDBVersion: cluster.settings.mongoDBVersion,
    name: cluster.name,
    providerSettings: {
      backingProviderName: region.backing,
      diskSizeGB: FLEX.diskGB,
      providerName: "FLEX",
      regionName: region.regionName,
    },
    stateName: cluster.stateName,
    tags: cluster.settings.tags,
    terminationProtectionEnabled: cluster.settings.terminationProtectionEnabled,
    versionReleaseSystem: "LTS",
  };
}

export function listFlex(realm: Realm, call: Call): Answer {
  const all = [...realm.world.clusters.values()].filter((cluster) => cluster.kind === "flex");
  return ok(page(call.url, all, (cluster) => view(realm, cluster)));
}

export const getFlex = (realm: Realm, call: Call): Answer => ok(view(realm, realm.flex(call)));

export function createFlex(realm: Realm, call: Call): Answer {
  const { body } = call;
  onlyKnown(body, ["name", "providerSettings", "tags", "terminationProtectionEnabled"]);
  const name = readName(realm.world, body);
  const wanted = required(body, "providerSettings", "object");
  onlyKnown(wanted, ["backingProviderName", "regionName", "diskSizeGB", "providerName"]);
  const provider = oneOf(wanted, "backingProviderName", ["AWS", "AZURE", "GCP"]);
  if (provider === undefined) throw missingAttribute("backingProviderName");
  const cluster = makeCluster(realm, name, "flex", flexSettings(realm, body, provider, required(wanted, "regionName", "string")));
  beginCreation(realm, cluster);
  return { status: 201, body: view(realm, cluster) };
}

/** The settings of a free cluster, on Flex's hardware. */
function flexSettings(realm: Realm, body: Call["body"], provider: string, region: string): ClusterSettings {
  const { tags, terminationProtectionEnabled } = body;
  const mint = (): string => realm.mint();
  const own = { replicationSpecs: specsFor(FREE.name, provider, region), tags, terminationProtectionEnabled };
  const settings = readSettings(own, { ...realm.world, compliance: undefined }, mint);
  const specs = settings.replicationSpecs.map((spec) => ({
    ...spec,
    regionConfigs: spec.regionConfigs.map((each) => ({
      ...each,
      electableSpecs: { instanceSize: FLEX.name, nodeCount: 3, diskSizeGB: FLEX.diskGB, diskIOPS: FLEX.iops },
    })),
  }));
  return { ...settings, replicationSpecs: specs };
}

/** Only tags and termination protection can be changed. */
export function updateFlex(realm: Realm, call: Call): Answer {
  const cluster = realm.flex(call);
  onlyKnown(call.body, ["tags", "terminationProtectionEnabled"]);
  const { tags } = readSettings({ tags: call.body.tags }, { ...realm.world, compliance: undefined }, () => realm.mint(), cluster.settings);
  const protect = optional(call.body, "terminationProtectionEnabled", "boolean") ?? cluster.settings.terminationProtectionEnabled;
  cluster.settings = { ...cluster.settings, tags, terminationProtectionEnabled: protect };
  return ok(view(realm, cluster));
}

export function deleteFlex(realm: Realm, call: Call): Answer {
  const cluster = realm.flex(call);
  requireDeletable(realm, cluster);
  beginDeletion(realm, cluster, false);
  return GONE;
}
