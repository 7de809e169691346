// Backups as they lie in the storage: sealed parts, the manifest last; reading them back; removing them manifest first.
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Manifest, ManifestPart } from "../core/manifest.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal, sealFrame } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { encodeJson, getBytes } from "./json-object.ts";
import { backupFolder, backupFolderName, backupsFolder, idOfFolder, manifestName, partName, sourcesFolder } from "./layout.ts";
import { manifestSchema } from "./manifest-schema.ts";
import { recordRemoval } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { getSigned, putSigned, type Signed } from "./signed.ts";

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

/** The act in which a backup comes into being. Returns the digest of its manifest. */
export async function commitManifest(repository: Repository, place: BackupPlace, manifest: Manifest, lockUntil?: Date): Promise<string> {
  const name = manifestName(place.source, place.folder);
  const { digest } = await putSigned(repository, "manifest", name, manifest, { ifAbsent: true, lockUntil });
  const { id, name: called, snapshotAt } = manifest;
  repository.memory.seePoints(place.source, [{ id, name: called, digest, time: snapshotAt }], []);
  return digest;
}

/**
 * Reads a manifest and who signed it; undefined where there is none, which means: no backup. INTEGRITY: it is not a valid manifest, or
 * it is that of another backup: a folder that was copied, or given another date.
 */
export async function readManifest(
  repository: Repository,
  place: BackupPlace,
  signal?: AbortSignal,
): Promise<Signed<Manifest> | undefined> {
  const name = manifestName(place.source, place.folder);
  const found = await getSigned(repository, "manifest", name, manifestSchema, signal).catch(async (error: unknown) => {
    if (isLifeboatError(error, "INTEGRITY") && (await isAbandoned(repository.storage, name, signal))) return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  const { source, id, kind, snapshotAt, startedAt } = found.value;
  // The folder's name has the instant that was known when the backup began.
  const stamps = [snapshotAt, startedAt].map((at) => backupFolderName(new Date(at), kind, id));
  if (source === place.source && stamps.includes(place.folder)) return found;
  throw new LifeboatError("INTEGRITY", `${name} is damaged: it belongs to another backup`);
}

/** What a clean-up puts in place of a manifest, so that a writer that only seemed dead can no longer commit. */
const ABANDONED = { format: 0, abandoned: true } as const;

async function isAbandoned(storage: Storage, name: string, signal: AbortSignal | undefined): Promise<boolean> {
  const bytes = await getBytes(storage, name, signal).catch(() => undefined);
  try {
    const found = JSON.parse(Buffer.from(bytes ?? []).toString("utf8")) as Partial<typeof ABANDONED> | null;
    return found?.format === 0 && found.abandoned === true;
  } catch {
    return false;
  }
}

/** Folders of backups, begun ones included: only a manifest makes them a backup. */
export async function* listBackupFolders(storage: Storage, source: string): AsyncIterable<string> {
  for await (const folder of storage.listFolders(backupsFolder(source))) {
    if (idOfFolder(folder) !== undefined) yield folder;
  }
}

/**
 * Sources that have anything in this repository, whether the configuration still names them or not. A bucket with versions may list
 * folders of which nothing is left: they are looked into.
 */
export async function listStoredSources(storage: Storage): Promise<string[]> {
  const sources: string[] = [];
  for await (const source of storage.listFolders(sourcesFolder)) {
    if (await holdsAnything(storage, `${sourcesFolder}${source}/`)) sources.push(source);
  }
  return sources;
}

async function holdsAnything(storage: Storage, prefix: string): Promise<boolean> {
  for await (const _ of storage.list(prefix)) return true;
  return false;
}

/**
 * Removes a backup: manifest first, so that from the first moment on nothing takes it for one. That it was removed on purpose is
 * written down before; on a storage that is full, as soon as there is room.
 */
export async function removeBackup(repository: Repository, place: BackupPlace, clock: Pick<Clock, "now">, reason?: string): Promise<void> {
  const { storage } = repository;
  const { source } = place;
  const name = manifestName(source, place.folder);
  const found = await readManifest(repository, place).catch((error: unknown) => {
    if (isLifeboatError(error, "INTEGRITY") || isLifeboatError(error, "FORMAT_UNKNOWN")) return undefined;
    throw error;
  });
  const record = async (): Promise<void> => {
    if (found === undefined) return;
    const { id, name: called } = found.value;
    await recordRemoval(repository, source, { id, name: called, sha256: found.digest, reason }, clock);
    repository.memory.seePoints(source, [], [id]);
  };
  const full = await record().catch((error: unknown) => {
    if (isLifeboatError(error, "STORAGE_FULL")) return error;
    throw error;
  });
  await storage.delete(name);
  for await (const object of storage.list(backupFolder(source, place.folder))) await storage.delete(object.name);
  if (full !== undefined) await record();
}

/**
 * Removes what a backup that never came to be has left. When its manifest is there after all (the crash came after the
 * commit), the backup is whole and stays: returns false. Parts that are locked stay until somebody removes them, and so does what says
 * that they are no backup: a lock must not keep the next backup from being made.
 */
export async function removeUnfinished({ storage }: Repository, place: BackupPlace, now: Date): Promise<boolean> {
  const name = manifestName(place.source, place.folder);
  try {
    await storage.put(name, encodeJson(ABANDONED), { ifAbsent: true });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    if (!(await isAbandoned(storage, name, undefined))) return false;
  }
  const folder = backupFolder(place.source, place.folder);
  await storage.sweep(folder, now);
  let locked = false;
  for await (const object of storage.list(folder)) {
    if (object.name === name) continue;
    try {
      await storage.delete(object.name);
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_REFUSED")) throw error;
      locked = true;
    }
  }
  if (!locked) await storage.delete(name);
  return true;
}
