// Backups in the storage: sealed parts are written first and the manifest last. A removal deletes the manifest first.
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Manifest, ManifestPart } from "../core/manifest.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal, sealFrame } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { segment } from "./fields.ts";
import { encodeJson, getBytes } from "./json-object.ts";
import {
  backupFolder,
  backupFolderName,
  backupsFolder,
  idOfFolder,
  manifestName,
  partName,
  sourceFolder,
  sourcesFolder,
} from "./layout.ts";
import { manifestSchema } from "./manifest-schema.ts";
import { recordRemoval } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { getSigned, putSigned, type Signed } from "./signed.ts";

export interface StoreOptions {
  readonly storageClass?: string | undefined;
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The location of a backup. */
export interface BackupPlace {
  readonly source: string;
  readonly folder: string;
}

/** A part to store. With `plain`, the bytes are already one zstd frame, and `plain` returns the facts of its content once they have ended. */
export interface PartToStore {
  readonly name: string;
  readonly content: string;
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly plain?: (() => ByteFacts) | undefined;
}

/** Seals and stores the bytes. When `bytes` throws, nothing is stored under the part's name. */
export async function storePart(
  storage: Storage,
  place: BackupPlace,
  part: PartToStore,
  key: SealKey,
  options: StoreOptions = {},
): Promise<ManifestPart> {
  const sealed = part.plain ? sealFrame(part.bytes, part.plain, key) : seal(part.bytes, key, { signal: options.signal });
  const { storageClass, lockUntil, signal } = options;
  // Unconditional, because the folder belongs to this backup and some servers cannot commit large uploads conditionally.
  await storage.put(partName(place.source, place.folder, part.name), sealed.bytes, {
    storageClass,
    lockUntil,
    signal,
  });
  return { name: part.name, content: part.content, ...sealed.facts() };
}

/** Reads the stored bytes of a part. */
export function readStored(storage: Storage, place: BackupPlace, part: ManifestPart, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  return storage.get(partName(place.source, place.folder, part.name), { signal });
}

/** Reads the plain bytes of a part. They are proven only once this has ended without throwing; act on nothing before. */
export function readPart(
  storage: Storage,
  place: BackupPlace,
  part: ManifestPart,
  key: OpenKey,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  return unseal(readStored(storage, place, part, signal), key, { plain: part.plain, stored: part.stored });
}

/** Commits a backup by writing its manifest. Returns the digest of the manifest. */
export async function commitManifest(repository: Repository, place: BackupPlace, manifest: Manifest, lockUntil?: Date): Promise<string> {
  const name = manifestName(place.source, place.folder);
  const { digest } = await putSigned(repository, "manifest", name, manifest, { ifAbsent: true, lockUntil });
  const { id, name: called, snapshotAt } = manifest;
  repository.memory.seePoints(place.source, [{ id, name: called, digest, time: snapshotAt }], []);
  return digest;
}

/**
 * Reads a manifest and its signer. Undefined: there is none, and so no backup. Throws INTEGRITY for an invalid manifest, or for that of
 * another backup, such as a folder that was copied or renamed to another date.
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
  // The folder's name contains the instant at which the backup began.
  const stamps = [snapshotAt, startedAt].map((at) => backupFolderName(new Date(at), kind, id));
  if (source === place.source && stamps.includes(place.folder)) return found;
  throw new LifeboatError("INTEGRITY", `${name} is damaged: it belongs to another backup`);
}

/** The content that a clean-up writes in place of a manifest, so that a writer that only seemed dead can no longer commit. */
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

/** Lists the folders of backups, including unfinished ones. Only a manifest makes a folder a backup. */
export async function* listBackupFolders(storage: Storage, source: string): AsyncIterable<string> {
  for await (const folder of storage.listFolders(backupsFolder(source))) {
    if (idOfFolder(folder) !== undefined) yield folder;
  }
}

/**
 * Lists the sources with objects in this repository, including those no longer in the configuration, without those of `others`. A versioned
 * bucket may list folders without objects, so each folder is examined.
 */
export async function listStoredSources(storage: Storage, others: ReadonlyMap<string, unknown> = new Map()): Promise<string[]> {
  const sources: string[] = [];
  for await (const source of storage.listFolders(sourcesFolder)) {
    if (!others.has(source) && (await isStoredSource(storage, source))) sources.push(source);
  }
  return sources;
}

/** Tells whether the source has objects in this repository. A text that cannot name a source has none. */
export const isStoredSource = async (storage: Storage, source: string): Promise<boolean> =>
  segment.safeParse(source).success && (await holdsAnything(storage, sourceFolder(source)));

async function holdsAnything(storage: Storage, prefix: string): Promise<boolean> {
  for await (const _ of storage.list(prefix)) return true;
  return false;
}

/**
 * Deletes a backup, the manifest first, so that from then on it does not count as one. The removal is recorded before; on a full storage,
 * as soon as there is room.
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
 * Deletes the remains of an unfinished backup. Returns false when its manifest exists (the crash came after the commit), because the
 * backup is then complete and stays. Locked parts stay until they are deleted by hand, as does the object that marks them as not being a
 * backup, because a lock must not prevent the next backup.
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
