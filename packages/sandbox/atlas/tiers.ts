// Sizes of clusters: what they hold, and which is the larger one.

export interface Tier {
  readonly name: string;
  readonly diskGB: number;
  readonly maxDiskGB: number;
  readonly iops: number;
}

const tier = (name: string, diskGB: number, maxDiskGB: number, iops = 3000): Tier => ({ name, diskGB, maxDiskGB, iops });

/** Smallest first. Dedicated ones only. */
const GENERAL: readonly Tier[] = [
  tier("M10", 10, 128),
  tier("M20", 20, 256),
  tier("M30", 40, 512),
  tier("M40", 80, 1024),
  tier("M50", 160, 4096),
  tier("M60", 320, 4096),
  tier("M80", 750, 4096),
  tier("M140", 1000, 4096),
  tier("M200", 1500, 4096),
  tier("M300", 2000, 4096),
];
const LOW_CPU: readonly Tier[] = ["40", "50", "60", "80", "200", "300", "400", "700"].map((size, at) =>
  tier(`R${size}`, 80 * 2 ** Math.min(at, 4), 4096),
);
const NVME: readonly Tier[] = ["40", "50", "60", "80", "200", "400"].map((size, at) =>
  tier(`M${size}_NVME`, 380 * 2 ** Math.min(at, 3), 4096),
);

export const TIERS: ReadonlyMap<string, Tier> = new Map([...GENERAL, ...LOW_CPU, ...NVME].map((each) => [each.name, each]));

export const FREE: Tier = tier("M0", 0.5, 0.5, 0);
export const FLEX: Tier = tier("FLEX", 5, 5, 0);

export const isNvme = (name: string): boolean => name.includes("NVME");

/** Version of the server by major version: what is installed today. */
export const VERSIONS: Readonly<Record<string, string>> = { "7.0": "7.0.28", "8.0": "8.0.16" };
export const DEFAULT_MAJOR = "8.0";

/** Whether a server of version `to` can take the data of one of version `from`: the same major version or a newer one. */
export function takesDataOf(to: string, from: string): boolean {
  return majorOf(to) >= majorOf(from);
}

const majorOf = (version: string): number => {
  const [major = "0", minor = "0"] = version.split(".");
  return Number(major) * 100 + Number(minor);
};
