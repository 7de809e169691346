// Which cluster may be restored onto.

import type { Emulator } from "./emulator.ts";
import { AtlasFault, conflict, refused } from "./errors.ts";
import { type Cluster, diskGBOf } from "./state.ts";
import { takesDataOf } from "./tiers.ts";

export interface Incoming {
  readonly version: string;
  readonly sizeBytes: number;
  readonly encryption: string;
}

const GB = 1024 ** 3;

export function requireTarget(emulator: Emulator, target: Cluster, { version, sizeBytes, encryption }: Incoming): void {
  const { name, settings } = target;
  const cannot = (detail: string): AtlasFault =>
    new AtlasFault(403, "CANNOT_RESTORE_TO_TARGET", `Cannot restore to ${name}: ${detail}.`, [name, emulator.world.groupId]);
  if (target.restoring !== undefined) throw conflict("ATLAS_CLUSTER_RESTORE_IN_PROGRESS", `A restore to ${name} is in progress.`, name);
  if (settings.paused) throw refused("CLUSTER_PAUSED_CANNOT_RESTORE", `Cluster ${name} is paused and cannot be restored to.`, name);
  if (target.stateName !== "IDLE" || target.data === undefined)
    throw conflict("CLUSTER_NOT_IDLE", `Cluster ${name} is ${target.stateName}: it cannot be restored to now.`, name);
  if (target.kind !== "dedicated") throw cannot("it is no dedicated cluster");
  if (!takesDataOf(settings.mongoDBVersion, version)) throw cannot(`its version ${settings.mongoDBVersion} is older than ${version}`);
  if (sizeBytes > diskGBOf(target) * GB) throw cannot(`its disk of ${diskGBOf(target)} GB is too small`);
  if (encryption !== "NONE" && settings.encryptionAtRestProvider !== encryption)
    throw refused("INVALID_SNAPSHOT_RESTORE_ENCRYPTION", `The data is encrypted with a key of ${encryption}, the target is not.`, name);
}
