// Which size of cluster a restore needs. Data, with its source.
//
// Source: Atlas's documentation of cluster sizes and storage (2026-11): each size takes disks up to a cap. A target must hold at
// least the disk of the snapshot, and a restore is fastest onto a disk of the same size; sizes with local NVMe disks are no targets.
import { LifeboatError } from "../../core/errors.ts";
import type { AtlasCluster } from "./api/types.ts";

interface Size {
  readonly name: string;
  readonly maxDiskGb: number;
}

/** Smallest, and cheapest, first. */
const SIZES: readonly Size[] = [
  { name: "M10", maxDiskGb: 128 },
  { name: "M20", maxDiskGb: 256 },
  { name: "M30", maxDiskGb: 512 },
  { name: "M40", maxDiskGb: 1024 },
  { name: "M50", maxDiskGb: 4096 },
];

/** What a scratch cluster is made of: the smallest size that takes the source's disk, or the one that was asked for. */
export function scratchSize(
  { name, kind, diskGb, tier }: AtlasCluster,
  wanted: string | undefined,
): { tier: string; diskGb?: number | undefined } {
  if (kind === "flex") return { tier: "FLEX" };
  if (wanted !== undefined) {
    if (!/^[MR]\d{2,3}(_GEN_2)?$/.test(wanted)) {
      throw new LifeboatError("CONFIG_INVALID", `"${wanted}" is no size of a scratch cluster: write one as M10, without a local NVMe disk`);
    }
    return { tier: wanted, diskGb };
  }
  const size = SIZES.find(({ maxDiskGb }) => maxDiskGb >= (diskGb ?? 0));
  if (size !== undefined) return { tier: size.name, diskGb };
  throw new LifeboatError("PROVIDER_LIMIT", `no common size of cluster takes the ${diskGb} GB of ${name} (${tier})`, {
    hint: "name one with `scratchTier` in the source",
  });
}
