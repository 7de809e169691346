// The storage port: bytes by name. It knows nothing about backups, manifests or keys.
//
// Names are relative, "/"-separated, made of [A-Za-z0-9._-] segments, never "." or "..".
// Every method takes a signal and has a deadline for each request; a server that does not answer causes STORAGE_TIMEOUT.
// Errors are LifeboatErrors with a STORAGE_*, OBJECT_* or CANCELLED code; adapters translate foreign errors.
import { isLifeboatError, type LifeboatError } from "../core/errors.ts";

export interface StorageCapabilities {
  /** The classes for `put` and `setStorageClass`, warmest first. Empty: the storage has no classes and ignores the option. */
  readonly storageClasses: readonly string[];
  /** The classes whose objects must be restored from archive before `get`. */
  readonly archivedClasses: readonly string[];
  /** Whether `lockUntil` is supported. Otherwise a put with `lockUntil` is refused rather than silently unlocked. */
  readonly objectLock: boolean;
}

export interface ObjectInfo {
  readonly name: string;
  readonly sizeBytes: number;
  /** When the storage received it, by the storage's clock. A writer cannot choose it. */
  readonly modifiedAt: Date;
  /** An opaque version for conditional replacement. It changes with every write. */
  readonly etag: string;
  readonly storageClass?: string | undefined;
}

export interface PutOptions {
  /** Creates only. An existing object is unchanged and causes STORAGE_CONFLICT. Of several concurrent writers exactly one succeeds. */
  readonly ifAbsent?: boolean;
  /** Replaces only the version with this etag. Any other version, or none, causes STORAGE_CONFLICT. */
  readonly ifMatch?: string;
  readonly storageClass?: string | undefined;
  /** The object cannot be deleted or replaced before this instant. */
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
  /** The first byte, from 0. */
  readonly start?: number;
  /** The last byte, inclusive. */
  readonly end?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The state of a folder and of those directly in it. */
export interface FolderVersion {
  /** Opaque. It changes when an object directly in one of these folders is created, replaced or deleted, or when one of the folders is. */
  readonly version: string;
  /** The newest change, by the storage's clock, which may be coarse: a second change right after it can leave the version as it is. */
  readonly changedAt: Date;
}

export interface Storage {
  /** The location for messages, without credentials. */
  readonly url: string;
  readonly capabilities: StorageCapabilities;

  /**
   * Stores the bytes under the name atomically: no reader sees a part of them, and a crash, an abort or a body that throws leaves nothing
   * under the name. (Remains of an upload may exist elsewhere until `sweep`.) The body is consumed as fast as the storage accepts it; the
   * last chunk is not committed before the body has *ended*.
   */
  put(name: string, body: AsyncIterable<Uint8Array> | Uint8Array, options?: PutOptions): Promise<ObjectInfo>;

  /** Streams the bytes. Never ends short: a broken connection is resumed or throws. Throws OBJECT_MISSING, OBJECT_ARCHIVED. */
  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /** Returns the facts of an object. Undefined: it does not exist. */
  head(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined>;

  /** Lists the objects whose name starts with the prefix (a plain string prefix), in ascending order of names. */
  list(prefix: string, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<ObjectInfo>;

  /** Lists the folders directly under a prefix that ends in "/", without prefix and slash, ascending. Much cheaper than `list`. A folder may be empty. */
  listFolders(prefix: string, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<string>;

  /**
   * Returns the version of the folder at a prefix that ends in "/", with its direct entries: far cheaper than `list`. A program that
   * writes into a file of a deeper folder where it lies, past this port, does not change it. So it saves a reader that only shows something
   * from listing again, and decides nothing that deletes or restores. Undefined: there is no such folder. Absent: the storage keeps no
   * versions.
   */
  folderVersion?(prefix: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<FolderVersion | undefined>;

  /** Deletes the object. A missing one is not an error. A locked one throws STORAGE_REFUSED. */
  delete(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /** Moves an object to another class. */
  setStorageClass(name: string, storageClass: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /** Requests the restore of an object from archive for some days. "ready" at once for an object that is not archived. Idempotent. */
  thaw(name: string, days: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<"ready" | "thawing">;

  /**
   * Returns the present by the clock of `modifiedAt`, to the second. The age of an object is the difference of the two, independent of
   * this machine's clock. Where the storage reports no time, this machine's clock.
   */
  now(options?: { readonly signal?: AbortSignal | undefined }): Promise<Date>;

  /** Returns how many bytes can still be stored; 0 where nothing can be written. Absent: the storage has no limit, or does not report it. */
  freeBytes?(options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;

  /** Removes remains of uploads under the prefix that are unchanged since the instant (multipart uploads, temporary files). Returns their number. */
  sweep(prefix: string, untouchedSince: Date, options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;

  /**
   * From now on every call throws STORAGE_NOT_FOUND while this object does not exist. Absent: an empty storage cannot appear in the place
   * of this one, as the directory under an unmounted share does.
   */
  anchor?(name: string): void;

  /** Closes connections. */
  close(): Promise<void>;
}

const REFUSALS: ReadonlySet<string> = new Set(["STORAGE_AUTH", "STORAGE_REFUSED", "STORAGE_FULL"]);

/** Tells whether the storage refuses to write: it is full, read-only, or the credentials lack the permission. */
export function isRefusal(error: unknown): error is LifeboatError {
  return isLifeboatError(error) && REFUSALS.has(error.code);
}
