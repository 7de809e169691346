// Backups as they lie in the storage: sealed parts, the manifest last; reading them back; removing them manifest first.
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import { BACKUP_KINDS, type BackupKind, type Manifest, type ManifestPart } from "../core/manifest.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { backupFolder, backupsFolder, idOfFolder, manifestName, partName, sourcesFolder } from "./layout.ts";
import type { OpenKey, SealKey } from "./seal/keys.ts";
import { seal, sealFrame } from "./seal/seal.ts";
import { unseal } from "./seal/unseal.ts";

export interface StoreOptions {
  readonly storageClass?: string | undefined;
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Where a backup lies. */
export interface BackupPlace {
  readonly source: string;
  readonly folder: string;
}

/** A part on its way. With `plain`: the bytes are one zstd frame already, and once they have ended it says what they hold. */
export interface PartToStore {
  readonly name: string;
  readonly content: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly plain?: (() => ByteFacts) | undefined;
}

/** Seals the bytes on their way to the storage. When `bytes` throws, nothing is kept under the part's name. */
export async function storePart(
  storage: Storage,
  place: BackupPlace,
  part: PartToStore,
  key: SealKey,
  options: StoreOptions = {},
): Promise<ManifestPart> {
  const sealed = part.plain ? sealFrame(part.bytes, part.plain, key) : seal(part.bytes, key, { signal: options.signal });
  const { storageClass, lockUntil, signal } = options;
  // No condition: the folder's name is this backup's own, and some servers cannot commit large uploads conditionally.
  await storage.put(partName(place.source, place.folder, part.name), sealed.bytes, {
    storageClass,
    lockUntil,
    signal,
  });
  return { name: part.name, content: part.content, ...sealed.facts() };
}

/** The stored bytes of a part, as they are. */
export function readStored(storage: Storage, place: BackupPlace, part: ManifestPart, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  return storage.get(partName(place.source, place.folder, part.name), { signal });
}

/** The plain bytes of a part. They are proven only once this has ended without throwing: act on nothing before. */
export function readPart(
  storage: Storage,
  place: BackupPlace,
  part: ManifestPart,
  key: OpenKey,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  return unseal(readStored(storage, place, part, signal), key, { plain: part.plain, stored: part.stored });
}

/** The act in which a backup comes into being. */
export async function commitManifest(storage: Storage, place: BackupPlace, manifest: Manifest, lockUntil?: Date): Promise<void> {
  await putJson(storage, manifestName(place.source, place.folder), manifest, { ifAbsent: true, lockUntil });
}

/** Reads and checks a manifest; undefined where there is none, which means: no backup. */
export async function readManifest(storage: Storage, place: BackupPlace, signal?: AbortSignal): Promise<Manifest | undefined> {
  const name = manifestName(place.source, place.folder);
  const found = await getJson(storage, name, signal);
  if (found === undefined || found.abandoned === true) return undefined; // being removed: see removeUnfinished
  if (found.format !== 1) {
    throw new LifeboatError("FORMAT_UNKNOWN", `${name} has format ${String(found.format)}; this version knows format 1`);
  }
  const flaw = flawOf(found, place);
  if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
  return found as unknown as Manifest;
}

/** What a manifest needs so that nothing built on it can go wrong silently. */
function flawOf(found: Record<string, unknown>, place: BackupPlace): string | undefined {
  const { id, source, kind, snapshotAt, endedAt, parts, fingerprint, base } = found as Partial<Manifest>;
  if (source !== place.source || id !== idOfFolder(place.folder)) return "it belongs to another backup";
  if (!BACKUP_KINDS.includes(kind as BackupKind)) return `its kind is ${String(kind)}`;
  if (Number.isNaN(Date.parse(String(snapshotAt))) || Number.isNaN(Date.parse(String(endedAt)))) return "its instants are unreadable";
  if (!Array.isArray(parts) || parts.length === 0) return "it lists no parts";
  for (const part of parts as readonly Partial<ManifestPart>[]) {
    for (const facts of [part.plain, part.stored]) {
      if (!Number.isSafeInteger(facts?.sizeBytes) || !/^[0-9a-f]{64}$/.test(facts?.sha256 ?? ""))
        return `part ${String(part.name)} has no sizes or digests`;
    }
  }
  if (kind === "base" ? base === undefined : fingerprint === undefined) return "it has no fingerprint";
  return undefined;
}

/** Folders of backups, begun ones included: only a manifest makes them a backup. */
export async function* listBackupFolders(storage: Storage, source: string): AsyncIterable<string> {
  for await (const folder of storage.listFolders(backupsFolder(source))) {
    if (idOfFolder(folder) !== undefined) yield folder;
  }
}

/** Sources that have anything in this repository, whether the configuration still names them or not. */
export async function listStoredSources(storage: Storage): Promise<string[]> {
  const sources: string[] = [];
  for await (const source of storage.listFolders(sourcesFolder)) sources.push(source);
  return sources;
}

/** Removes a backup: manifest first, so that from the first moment on nobody takes it for one. */
export async function removeBackup(storage: Storage, place: BackupPlace): Promise<void> {
  const manifest = manifestName(place.source, place.folder);
  await storage.delete(manifest);
  const folder = backupFolder(place.source, place.folder);
  for await (const { name } of storage.list(folder)) await storage.delete(name);
}

/**
 * Removes what a backup that never came to be has left. When its manifest is there after all (the crash came after the
 * commit), the backup is whole and stays: returns false.
 */
export async function removeUnfinished(storage: Storage, place: BackupPlace, now: Date): Promise<boolean> {
  const name = manifestName(place.source, place.folder);
  try {
    // Occupies the manifest's name: a writer that only seemed dead can no longer commit.
    await putJson(storage, name, { format: 0, abandoned: true }, { ifAbsent: true });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    const found = await getJson(storage, name);
    if (found?.abandoned !== true) return false;
  }
  const folder = backupFolder(place.source, place.folder);
  await storage.sweep(folder, now);
  for await (const object of storage.list(folder)) if (object.name !== name) await storage.delete(object.name);
  await storage.delete(name);
  return true;
}
