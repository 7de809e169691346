// The form that clusters had before 2024-08-05, which Atlas's own command line still sends and reads: the disk's size belongs to the
// cluster and not to its hardware, and shards are a number.
import type { Json } from "./state.ts";

const CHANGED = "2024-08-05";
const SPECS = ["electableSpecs", "analyticsSpecs", "readOnlySpecs"] as const;

export const isOlder = (version: string): boolean => version < CHANGED;

type Change = (hardware: Json) => Json;

function withHardware(cluster: Json, change: Change): Json {
  const { replicationSpecs } = cluster;
  if (!Array.isArray(replicationSpecs)) return cluster;
  const regionOf = (region: Json): Json => ({
    ...region,
    ...Object.fromEntries(SPECS.flatMap((key) => (isObject(region[key]) ? [[key, change(region[key])]] : []))),
  });
  return {
    ...cluster,
    replicationSpecs: replicationSpecs.map((spec: Json) =>
      Array.isArray(spec.regionConfigs) ? { ...spec, regionConfigs: spec.regionConfigs.map(regionOf) } : spec,
    ),
  };
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

/** A body of then as one of now. What it does not say of the disk stays as it is. */
export function fromOlder({ diskSizeGB, ...cluster }: Json): Json {
  return typeof diskSizeGB === "number" ? withHardware(cluster, (hardware) => ({ ...hardware, diskSizeGB })) : cluster;
}

/** An answer of now as one of then. */
export function toOlder({ effectiveReplicationSpecs: _, ...cluster }: Json): Json {
  let size: unknown;
  const changed = withHardware(cluster, ({ diskSizeGB, ...hardware }) => {
    size ??= diskSizeGB;
    return hardware;
  });
  const specs = Array.isArray(changed.replicationSpecs) ? changed.replicationSpecs : [];
  return {
    ...changed,
    diskSizeGB: size,
    replicationSpecs: specs.map(({ zoneId: _zone, ...spec }: Json) => ({ ...spec, numShards: 1 })),
  };
}
