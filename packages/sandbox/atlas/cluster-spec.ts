// Where a cluster runs and how large it is: replicationSpecs of a request.
import { onlyKnown, optional, required } from "./body.ts";
import { invalidAttribute, refused } from "./errors.ts";
import type { Json, RegionConfig, ReplicationSpec } from "./state.ts";
import { FREE, TIERS, type Tier } from "./tiers.ts";

const CLOUDS = ["AWS", "AZURE", "GCP", "TENANT"];
const REGION = /^[A-Z0-9_]+$/;
const KEPT = ["analyticsAutoScaling", "analyticsSpecs", "autoScaling", "readOnlySpecs"];
const EFFECTIVE = ["effectiveAnalyticsSpecs", "effectiveElectableSpecs", "effectiveReadOnlySpecs"];
const SPECS = ["instanceSize", "nodeCount", "diskSizeGB", "diskIOPS", "ebsVolumeType", "diskThroughput", "effectiveInstanceSize"];

/** `before`: what was there, whose ids stay. One element per shard; the sandbox knows replica sets only. */
export function readSpecs(given: unknown, mint: () => string, before?: readonly ReplicationSpec[]): ReplicationSpec[] {
  if (!Array.isArray(given) || given.length === 0) throw invalidAttribute("replicationSpecs");
  if (given.length > 1) throw refused("INVALID_CLUSTER_CONFIGURATION", "A replica set has exactly one replicationSpecs element.");
  return given.map((raw: Json, at) => {
    onlyKnown(raw, ["id", "zoneId", "zoneName", "regionConfigs", "numShards"]);
    const regions = required(raw, "regionConfigs", "array");
    if (regions.length === 0) throw invalidAttribute("regionConfigs");
    const old = before?.[at];
    return {
      id: old?.id ?? mint(),
      zoneId: old?.zoneId ?? mint(),
      zoneName: optional(raw, "zoneName", "string") ?? old?.zoneName ?? "Zone 1",
      regionConfigs: regions.map((region, index) => readRegion(region as Json, old?.regionConfigs[index])),
    };
  });
}

function readRegion(raw: Json, old: RegionConfig | undefined): RegionConfig {
  onlyKnown(raw, ["providerName", "backingProviderName", "regionName", "priority", "electableSpecs", ...KEPT, ...EFFECTIVE]);
  const cloud = required(raw, "providerName", "string");
  const specs = optional(raw, "electableSpecs", "object") ?? {};
  if (cloud === "FLEX" || specs.instanceSize === "FLEX")
    throw refused("CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", "Flex clusters are made by the Flex API.");
  if (!CLOUDS.includes(cloud)) throw invalidAttribute("providerName");
  const regionName = required(raw, "regionName", "string");
  if (!REGION.test(regionName)) throw refused("INVALID_REGION", `No region ${regionName} exists for provider ${cloud}.`, regionName);
  const priority = optional(raw, "priority", "number") ?? 7;
  if (!Number.isInteger(priority) || priority < 0 || priority > 7) throw invalidAttribute("priority");
  const backing = optional(raw, "backingProviderName", "string");
  if ((cloud === "TENANT") !== (backing !== undefined)) throw invalidAttribute("backingProviderName");
  return {
    cloud,
    backing,
    regionName,
    priority,
    electableSpecs: readHardware(specs, cloud, old),
    more: Object.fromEntries(KEPT.filter((key) => raw[key] !== undefined).map((key) => [key, raw[key]])),
  };
}

function readHardware(specs: Json, cloud: string, old: RegionConfig | undefined): RegionConfig["electableSpecs"] {
  onlyKnown(specs, SPECS);
  const instanceSize = optional(specs, "instanceSize", "string") ?? old?.electableSpecs.instanceSize ?? "";
  const tier = tierOf(instanceSize, cloud);
  const sameSize = old !== undefined && old.electableSpecs.instanceSize === instanceSize;
  const diskSizeGB = optional(specs, "diskSizeGB", "number") ?? (sameSize ? old.electableSpecs.diskSizeGB : tier.diskGB);
  if (diskSizeGB > tier.maxDiskGB || diskSizeGB < Math.min(tier.diskGB, 10))
    throw refused("INVALID_DISK_SIZE", `A disk of ${diskSizeGB} GB does not fit ${instanceSize}.`, diskSizeGB, instanceSize);
  const nodeCount = optional(specs, "nodeCount", "number") ?? 3;
  if (![3, 5, 7].includes(nodeCount) && cloud !== "TENANT") throw invalidAttribute("nodeCount");
  return { instanceSize, nodeCount, diskSizeGB, diskIOPS: optional(specs, "diskIOPS", "number") ?? tier.iops };
}

function tierOf(instanceSize: string, cloud: string): Tier {
  const tier = cloud === "TENANT" ? (instanceSize === FREE.name ? FREE : undefined) : TIERS.get(instanceSize);
  if (tier === undefined)
    throw refused("INVALID_INSTANCE_SIZE", `No instance size ${instanceSize} exists for provider ${cloud}.`, instanceSize, cloud);
  return tier;
}

/** As it was when nothing was said: one region. */
export function specsFor(tier: string, cloud: string, region: string): readonly Json[] {
  const free = tier === FREE.name;
  const where = {
    providerName: free ? "TENANT" : cloud,
    ...(free ? { backingProviderName: cloud } : {}),
    regionName: region,
    priority: 7,
  };
  return [{ regionConfigs: [{ ...where, electableSpecs: { instanceSize: tier, ...(free ? {} : { nodeCount: 3 }) } }] }];
}
