// The clusters that a sandbox begins with: ready at once, their first snapshot taken.
import { readSettings } from "./cluster-settings.ts";
import { specsFor } from "./cluster-spec.ts";
import { finishCreation, makeCluster } from "./cluster-work.ts";
import type { MongoState } from "./data.ts";
import type { Emulator } from "./emulator.ts";
import { completeNow } from "./snapshot-work.ts";
import type { Cluster } from "./state.ts";
import { FLEX, FREE } from "./tiers.ts";

export interface ClusterWish {
  readonly name?: string | undefined;
  /** `M10` unless told; `M0` and `FLEX` are the shared ones. */
  readonly tier?: string | undefined;
  /** `AWS` and `EU_CENTRAL_1` unless told. */
  readonly provider?: string | undefined;
  readonly region?: string | undefined;
  /** `8.0` unless told. */
  readonly majorVersion?: string | undefined;
  /** On unless told, where the tier has it. */
  readonly backup?: boolean | undefined;
  readonly pit?: boolean | undefined;
  readonly protect?: boolean | undefined;
  /** A key of the customer's: `AWS`, `AZURE`, `GCP`. */
  readonly encryption?: string | undefined;
  readonly state?: MongoState | undefined;
  /** Port of its data; one that is free, unless told. */
  readonly port?: number | undefined;
  /** Pretends that snapshots are so much larger. */
  readonly extraBytes?: number | undefined;
}

export const FIRST_NAME = "Cluster0";

export async function addCluster(emulator: Emulator, request: ClusterWish): Promise<Cluster> {
  const tier = request.tier ?? "M10";
  const shared = tier === FREE.name || tier === FLEX.name;
  const backup = !shared && (request.backup ?? true);
  const body = {
    replicationSpecs: specsFor(shared ? FREE.name : tier, request.provider ?? "AWS", request.region ?? "EU_CENTRAL_1"),
    backupEnabled: backup,
    pitEnabled: backup && (request.pit ?? true),
    terminationProtectionEnabled: request.protect ?? false,
    encryptionAtRestProvider: request.encryption ?? "NONE",
    ...(request.majorVersion === undefined ? {} : { mongoDBMajorVersion: request.majorVersion }),
  };
  const settings = readSettings(body, emulator.world, () => emulator.mint());
  const kind = tier === FLEX.name ? "flex" : tier === FREE.name ? "free" : "dedicated";
  const cluster = makeCluster(emulator, request.name ?? FIRST_NAME, kind, settings);
  cluster.extraBytes = request.extraBytes ?? 0;
  cluster.seed = request.state;
  await finishCreation(emulator, cluster, request.port);
  for (const snapshot of cluster.snapshots.values()) completeNow(emulator, cluster, snapshot);
  return cluster;
}
