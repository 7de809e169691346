// What settings are judged by, read anew.

import type { Limit } from "../../../core/limits.ts";
import type { Work } from "../../../ports/connection.ts";
import { type Account, sourceCluster } from "../account.ts";
import type { AtlasCluster, AtlasCompliance, AtlasKeyProvider } from "../api/types.ts";
import { limitsOf } from "./limits.ts";
import { type Window, type WindowFacts, windowOf } from "./window.ts";

export interface Survey extends WindowFacts {
  readonly clusters: readonly AtlasCluster[];
  readonly window: Window | undefined;
  readonly compliance: AtlasCompliance | undefined | "unknown";
  /** Asked for only where the policy desired for a key provider. */
  readonly keys: readonly AtlasKeyProvider[];
  readonly limits: readonly Limit[];
}

export async function survey(account: Account, work?: Work): Promise<Survey> {
  const { api, options, clock, timeouts } = account;
  const cluster = await sourceCluster(account, work);
  const hasSchedule = cluster.kind === "dedicated" && cluster.backupEnabled;
  const [clusters, schedule, snapshots, restores, compliance, keys] = await Promise.all([
    api.clusters(work),
    hasSchedule ? api.schedule(cluster, work) : undefined,
    cluster.kind === "free" ? [] : api.snapshots(cluster, work),
    hasSchedule ? api.restoreJobs(cluster.name, work) : [],
    api.compliance(work),
    options.desired.encryptionProvider === undefined ? [] : api.keyProviders(work),
  ]);
  const facts = { groupId: options.groupId, cluster, schedule, snapshots, restores };
  const window = windowOf(facts, clock.now(), timeouts.lagMs);
  return { ...facts, clusters, window, compliance, keys, limits: limitsOf(clusters, snapshots) };
}
