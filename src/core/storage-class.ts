// Storage classes by temperature: the class of a backup while tiers keep it.
import type { Tier } from "./tiers.ts";

/** The classes of S3, warmest first. The first is the default of a point or tier without one. */
export const STORAGE_CLASSES: readonly string[] = [
  "STANDARD",
  "INTELLIGENT_TIERING",
  "STANDARD_IA",
  "ONEZONE_IA",
  "GLACIER_IR",
  "GLACIER",
  "DEEP_ARCHIVE",
];

/** Returns the warmest class of the tiers. Undefined without tiers, or when a class is unknown to the storage. */
export function warmestClass(tiers: readonly Tier[], classes: readonly string[] = STORAGE_CLASSES): string | undefined {
  const ranks = tiers.map((tier) => classes.indexOf(tier.storageClass ?? classes[0] ?? ""));
  return classes[Math.min(...ranks)];
}

/** Tells whether the second class is colder than the first. Never true for a class that is unknown to the storage. */
export function isColder(to: string, from: string, classes: readonly string[] = STORAGE_CLASSES): boolean {
  return classes.includes(from) && classes.indexOf(to) > classes.indexOf(from);
}
