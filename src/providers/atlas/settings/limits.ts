// Use against limits. Atlas's API tells few: the one that a scratch cluster can meet is in its documentation.
import type { Limit } from "../../../core/limits.ts";
import type { AtlasCluster, AtlasSnapshot } from "../api/types.ts";

/** Clusters of one project, of every kind (Atlas's documentation of its limits, 2026-11); support can raise it. */
export const MOST_CLUSTERS = 25;

export function limitsOf(clusters: readonly AtlasCluster[], snapshots: readonly AtlasSnapshot[]): Limit[] {
  const sizes = snapshots.map(({ sizeBytes }) => sizeBytes ?? 0);
  return [
    { name: "clusters", used: clusters.length, max: MOST_CLUSTERS, unit: "count" },
    { name: "snapshot storage", used: sizes.reduce((sum, size) => sum + size, 0), unit: "bytes" },
  ];
}

const WARN_SHARE = 0.8;

/** A sentence for each limit of which four fifths are used (R3). */
export function limitsNear(limits: readonly Limit[]): string[] {
  return limits
    .filter(({ used, max }) => max !== undefined && used >= max * WARN_SHARE)
    .map(({ name, used, max }) => `${used} of ${max} ${name} that a project may have are in use; a scratch cluster needs one`);
}
