// Storage classes by temperature: which one a backup belongs in while tiers hold it.
import type { Tier } from "./tiers.ts";

/** S3's classes, warmest first; the first is the default of a point or tier that names none. */
export const STORAGE_CLASSES: readonly string[] = [
  "STANDARD",
  "INTELLIGENT_TIERING",
  "STANDARD_IA",
  "ONEZONE_IA",
  "GLACIER_IR",
  "GLACIER",
  "DEEP_ARCHIVE",
];

/** The warmest class that one of the tiers wants; undefined for no tier, or where a class is not one of the storage's. */
export function warmestClass(tiers: readonly Tier[], classes: readonly string[] = STORAGE_CLASSES): string | undefined {
  const ranks = tiers.map((tier) => classes.indexOf(tier.storageClass ?? classes[0] ?? ""));
  return classes[Math.min(...ranks)];
}

/** Whether a move from one class to the other goes colder; never true for a class that is not one of the storage's. */
export function isColder(to: string, from: string, classes: readonly string[] = STORAGE_CLASSES): boolean {
  return classes.includes(from) && classes.indexOf(to) > classes.indexOf(from);
}
