// Findings about the repository as a whole, and about the keys of this machine.
import { formatBytes } from "../../core/duration.ts";
import { isLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { keyFits } from "../../seal/keys.ts";
import type { Context, Watch } from "../context.ts";

/** Backups of every source that must still fit. */
const BACKUPS_TO_COME = 2;

/** `backups`: the newest stored backup of each source. */
export async function repositoryReasons(
  context: Context,
  backups: readonly { readonly sizeBytes: number }[],
  watch: Pick<Watch, "signal">,
): Promise<HealthReason[]> {
  return [...(await keyReasons(context)), ...(await roomReasons(context, backups, watch))];
}

/** A machine that only makes backups has no identity, unless drills are scheduled on it. */
async function keyReasons({ openKey, sealKey, sources }: Context): Promise<HealthReason[]> {
  try {
    const ours = "recipients" in sealKey ? sealKey.recipients : ["passphrase"];
    if (await keyFits(await openKey(), ours)) return [];
    return [{ code: "KEY_MISSING", message: "the configured identity belongs to none of the recipients: it cannot open a new backup" }];
  } catch (error) {
    if (!isLifeboatError(error)) throw error;
    const isConfigured = error.details.configured !== false;
    if (!isConfigured && [...sources.values()].every(({ drills = [] }) => drills.length === 0)) return [];
    return [{ code: "KEY_MISSING", message: isConfigured ? error.message : `${error.message}, and drills are scheduled` }];
  }
}

async function roomReasons(
  { repository: { storage, trust } }: Context,
  backups: readonly { readonly sizeBytes: number }[],
  { signal }: Pick<Watch, "signal">,
): Promise<HealthReason[]> {
  const neededBytes = BACKUPS_TO_COME * backups.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const freeBytes = await storage.freeBytes?.({ signal });
  if (freeBytes === 0) {
    // A machine without a writer key only looks.
    const message = "nothing can be stored in the repository: it is full or read-only, or this user may not write there";
    return trust.writer === undefined ? [] : [{ code: "REPOSITORY_FILLING", message }];
  }
  if (freeBytes === undefined || freeBytes >= neededBytes) return [];
  const message = `${formatBytes(freeBytes)} are free in the repository, and the next two backups of every source take ${formatBytes(neededBytes)}`;
  return [{ code: "REPOSITORY_FILLING", message }];
}
