// The storage port: bytes by name. It knows nothing of backups, manifests or keys.
//
// Names are relative, "/"-separated, made of [A-Za-z0-9._-] segments, never "." or "..".
// Every method takes a signal and has a deadline of its own for each request; a silent server ends as STORAGE_TIMEOUT.
// Errors are LifeboatError with a STORAGE_*, OBJECT_* or CANCELLED code; adapters translate foreign errors at their edge.
import { isLifeboatError, type LifeboatError } from "../core/errors.ts";

export interface StorageCapabilities {
  /** Classes `put` and `setStorageClass` accept, warmest first; empty: the storage has no classes and ignores the option. */
  readonly storageClasses: readonly string[];
  /** Classes whose objects must be thawed before `get`. */
  readonly archivedClasses: readonly string[];
  /** `lockUntil` is honoured; without it, put with lockUntil is refused rather than silently unlocked. */
  readonly objectLock: boolean;
}

export interface ObjectInfo {
  readonly name: string;
  readonly sizeBytes: number;
  /** When the storage saw it written, by its own clock; a writer cannot choose it. */
  readonly modifiedAt: Date;
  /** Opaque version mark for conditional replacement. Changes whenever the bytes are written anew. */
  readonly etag: string;
  readonly storageClass?: string | undefined;
}

export interface PutOptions {
  /** Create only: an existing object of that name gives STORAGE_CONFLICT and stays as it is. Exactly one of any number of racers wins. */
  readonly ifAbsent?: boolean;
  /** Replace only the version with this etag; any other version, or none, gives STORAGE_CONFLICT. */
  readonly ifMatch?: string;
  readonly storageClass?: string | undefined;
  /** The object cannot be deleted or replaced before this instant. */
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions {
  /** First byte, from 0. */
  readonly start?: number;
  /** Last byte, inclusive. */
  readonly end?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Storage {
  /** Where this is, for messages: without credentials. */
  readonly url: string;
  readonly capabilities: StorageCapabilities;

  /**
   * Stores the bytes under the name, all or nothing: nobody ever sees a part of them, and a crash, an abort or a body
   * that throws leaves nothing under the name. (Remains of an upload may lie aside until `sweep`.)
   * The body is drawn as fast as the storage takes it; its last chunk is not committed before the body has *ended*.
   */
  put(name: string, body: AsyncIterable<Uint8Array> | Uint8Array, options?: PutOptions): Promise<ObjectInfo>;

  /** The bytes, as a stream. Ends short never: a connection that breaks is resumed or throws. Missing: OBJECT_MISSING. Archived: OBJECT_ARCHIVED. */
  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array>;

  /** Facts, or undefined when there is no such object. */
  head(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined>;

  /** Every object whose name starts with the prefix (a plain string prefix), in ascending order of names. */
  list(prefix: string, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<ObjectInfo>;

  /** Names of the folders directly under a prefix that ends in "/", without prefix and slash, ascending. Far cheaper than `list` over their contents; a folder may prove empty. */
  listFolders(prefix: string, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<string>;

  /** Removes the object; one that is not there is no error. A locked one: STORAGE_REFUSED. */
  delete(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /** Moves an object to another class. */
  setStorageClass(name: string, storageClass: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /** Asks for an archived object to be readable for some days. "ready" at once for what is not archived. Idempotent. */
  thaw(name: string, days: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<"ready" | "thawing">;

  /**
   * The present by the clock that stamps `modifiedAt`, to the second: how long ago an object was written is the difference of the
   * two, whatever this machine's clock says. Where the storage tells no time, this machine's.
   */
  now(options?: { readonly signal?: AbortSignal | undefined }): Promise<Date>;

  /** Removes remains of uploads under the prefix that nobody has touched since the instant (multipart uploads, temporary files). Returns how many. */
  sweep(prefix: string, untouchedSince: Date, options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;

  /** Ends connections. */
  close(): Promise<void>;
}

const REFUSALS: ReadonlySet<string> = new Set(["STORAGE_AUTH", "STORAGE_REFUSED", "STORAGE_FULL"]);

/** Whether the storage says that it will not: it is full, read-only, or these credentials may not. */
export function isRefusal(error: unknown): error is LifeboatError {
  return isLifeboatError(error) && REFUSALS.has(error.code);
}
