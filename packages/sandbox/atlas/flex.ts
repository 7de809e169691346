// Flex clusters: an API of their own.
import { iso, oneOf, onlyKnown, optional, required } from "./body.ts";
import { readSettings } from "./cluster-settings.ts";
import { specsFor } from "./cluster-spec.ts";
import { connectionStrings, linkTo } from "./cluster-view.ts";
import { beginCreation, beginDeletion, makeCluster } from "./cluster-work.ts";
import { readName, requireDeletable } from "./clusters.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { missingAttribute } from "./errors.ts";
import { page } from "./paging.ts";
import { type Cluster, type ClusterSettings, regionOf } from "./state.ts";
import { FLEX, FREE } from "./tiers.ts";

function view(emulator: Emulator, cluster: Cluster): object {
  const region = regionOf(cluster);
  return {
    backupSettings: { enabled: true },
    clusterType: "REPLICASET",
    connectionStrings: connectionStrings(cluster),
    createDate: iso(cluster.createDate),
    groupId: emulator.store.groupId,
    id: cluster.id,
    links: [{ href: linkTo(emulator, `/flexClusters/${cluster.name}`), rel: "self" }],
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

export function listFlex(emulator: Emulator, request: ApiRequest): Answer {
  const all = [...emulator.store.clusters.values()].filter((cluster) => cluster.kind === "flex");
  return ok(page(request.url, all, (cluster) => view(emulator, cluster)));
}

export const getFlex = (emulator: Emulator, request: ApiRequest): Answer => ok(view(emulator, emulator.flex(request)));

export function createFlex(emulator: Emulator, request: ApiRequest): Answer {
  const { body } = request;
  onlyKnown(body, ["name", "providerSettings", "tags", "terminationProtectionEnabled"]);
  const name = readName(emulator.store, body);
  const wanted = required(body, "providerSettings", "object");
  onlyKnown(wanted, ["backingProviderName", "regionName", "diskSizeGB", "providerName"]);
  const provider = oneOf(wanted, "backingProviderName", ["AWS", "AZURE", "GCP"]);
  if (provider === undefined) throw missingAttribute("backingProviderName");
  const cluster = makeCluster(emulator, name, "flex", flexSettings(emulator, body, provider, required(wanted, "regionName", "string")));
  beginCreation(emulator, cluster);
  return { status: 201, body: view(emulator, cluster) };
}

/** The settings of a free cluster, on Flex's hardware. */
function flexSettings(emulator: Emulator, body: ApiRequest["body"], provider: string, region: string): ClusterSettings {
  const { tags, terminationProtectionEnabled } = body;
  const mint = (): string => emulator.mint();
  const own = { replicationSpecs: specsFor(FREE.name, provider, region), tags, terminationProtectionEnabled };
  const settings = readSettings(own, { ...emulator.store, compliance: undefined }, mint);
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
export function updateFlex(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = emulator.flex(request);
  onlyKnown(request.body, ["tags", "terminationProtectionEnabled"]);
  const { tags } = readSettings(
    { tags: request.body.tags },
    { ...emulator.store, compliance: undefined },
    () => emulator.mint(),
    cluster.settings,
  );
  const protect = optional(request.body, "terminationProtectionEnabled", "boolean") ?? cluster.settings.terminationProtectionEnabled;
  cluster.settings = { ...cluster.settings, tags, terminationProtectionEnabled: protect };
  return ok(view(emulator, cluster));
}

export function deleteFlex(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = emulator.flex(request);
  requireDeletable(emulator, cluster);
  beginDeletion(emulator, cluster, false);
  return GONE;
}
