// Storage in a local directory (or a mounted share): one file an object, the name its path.
//
// Everything is 0600 in folders 0700. Writes lie complete and synced in `.tmp/` before they get their name.
import { constants } from "node:fs";
import { access, statfs, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { LifeboatError } from "../../core/errors.ts";
import type { GetOptions, ObjectInfo, Storage } from "../../ports/storage.ts";
import { orCancelled, throwIfCancelled, within } from "../deadline.ts";
import { assertFolderPrefix, assertObjectPrefix } from "../names.ts";
import { errnoOf, translated } from "./errors.ts";
import { folderVersion } from "./folder-version.ts";
import { listFolderNames, listObjects, sweepUnfinished } from "./list.ts";
import { openReplaceLock } from "./lock.ts";
import {
  checkedName,
  factsAt,
  fileSystemTime,
  findRoot,
  infoOf,
  openForReading,
  type Place,
  pathOf,
  type Root,
  removeEmptyFolders,
  syncFolder,
} from "./root.ts";
import { putObject } from "./write.ts";

export interface LocalStorageOptions {
  /** Must exist (else every call says STORAGE_NOT_FOUND): made here, it could fill the disk under an unmounted share. */
  readonly directory: string;
  /** What messages call it; the directory's file: URL unless told. */
  readonly url?: string;
  /** Longest wait for one call of the file system; 60 s unless told. */
  readonly callTimeoutMs?: number;
  /** Longest wait for one object's data to reach the disk; 10 min unless told. */
  readonly syncTimeoutMs?: number;
}

/** Opens nothing yet: the first call finds the directory. */
export function openLocalStorage(options: LocalStorageOptions): Storage {
  const directory = resolve(options.directory);
  const place: Place = { directory };
  const callMs = options.callTimeoutMs ?? 60_000;
  const timeouts = { callMs, syncMs: options.syncTimeoutMs ?? 600_000 };
  const lock = openReplaceLock(callMs);
  let finding: Promise<Root> | undefined;
  /** Calls that begin while the root is being found share what is found. */
  const root = (): Promise<Root> => {
    finding ??= findRoot(place).finally(() => {
      finding = undefined;
    });
    return finding;
  };

  /** One operation with its deadline, its cancellation and its errors in our words. */
  const attempt = async <T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    const doing = `${what} in ${directory}`;
    throwIfCancelled(signal);
    try {
      return await orCancelled(
        within(work(), callMs, () => doing),
        signal,
      );
    } catch (error) {
      throw translated(error, doing);
    }
  };

  /** The same for something that is walked through: each step, which gives some of it, has a deadline of its own. */
  async function* stepwise<T>(
    what: string,
    signal: AbortSignal | undefined,
    walkOf: (root: Root) => AsyncGenerator<readonly T[]>,
  ): AsyncGenerator<T> {
    const walk = walkOf(await attempt(what, signal, root));
    for (;;) {
      const next = await attempt(what, signal, () => walk.next());
      if (next.done) return;
      for (const one of next.value) {
        throwIfCancelled(signal);
        yield one;
      }
    }
  }

  const head = async (name: string): Promise<ObjectInfo | undefined> => {
    try {
      const facts = await factsAt(await pathOf(await root(), name));
      return facts === undefined ? undefined : infoOf(name, facts);
    } catch (error) {
      if (errnoOf(error) === "ENOTDIR") return undefined; // a file lies where a folder of the name would
      throw error;
    }
  };

  const mustExist = async (name: string): Promise<void> => {
    if ((await head(name)) === undefined) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${directory}`);
  };

  return {
    url: options.url ?? pathToFileURL(directory).href,
    capabilities: { storageClasses: [], archivedClasses: [], objectLock: false },

    async put(name, body, putOptions = {}) {
      checkedName(name);
      if (putOptions.lockUntil !== undefined) {
        throw new LifeboatError("STORAGE_REFUSED", `${name} cannot be locked: a directory has no object lock`);
      }
      return putObject(place, lock, timeouts, name, body, putOptions);
    },

    async *get(name, getOptions = {}) {
      checkedName(name);
      yield* getObject(place, callMs, name, getOptions);
    },

    async head(name, { signal } = {}) {
      checkedName(name);
      return attempt(`looking at ${name}`, signal, () => head(name));
    },

    async *list(prefix, { signal } = {}) {
      assertObjectPrefix(prefix);
      yield* stepwise(`listing ${prefix}`, signal, (root) => listObjects(root, prefix, signal));
    },

    async *listFolders(prefix, { signal } = {}) {
      assertFolderPrefix(prefix);
      yield* stepwise(`listing ${prefix}`, signal, (root) => listFolderNames(root, prefix, signal));
    },

    async folderVersion(prefix, { signal } = {}) {
      assertFolderPrefix(prefix);
      return attempt(`looking at ${prefix}`, signal, async () => folderVersion(join((await root()).path, prefix)));
    },

    async delete(name, { signal } = {}) {
      checkedName(name);
      await attempt(`removing ${name}`, signal, async () => {
        const root = await findRoot(place);
        const path = await pathOf(root, name);
        // Under the lock: a replacement that has just compared must not bring the object back.
        const removed = await lock.during(root, () => removeFile(path), signal);
        if (removed) await syncFolder(dirname(path)).catch(ignoreMissing);
        await removeEmptyFolders(root, dirname(path));
      });
    },

    async setStorageClass(name, _storageClass, { signal } = {}) {
      checkedName(name);
      await attempt(`looking at ${name}`, signal, () => mustExist(name));
    },

    async thaw(name, _days, { signal } = {}) {
      checkedName(name);
      await attempt(`looking at ${name}`, signal, () => mustExist(name));
      return "ready";
    },

    async now({ signal } = {}) {
      return attempt("asking for the time", signal, async () => fileSystemTime(await findRoot(place)));
    },

    async freeBytes({ signal } = {}) {
      return attempt("asking for the free space", signal, async () => {
        await findRoot(place);
        // A file system that was mounted again read-only after an error has room, and takes nothing.
        const isWritable = await access(directory, constants.W_OK).then(
          () => true,
          () => false,
        );
        if (!isWritable) return 0;
        const { bavail, bsize } = await statfs(directory);
        return bavail * bsize;
      });
    },

    async sweep(prefix, untouchedSince, { signal } = {}) {
      assertObjectPrefix(prefix);
      return attempt(`sweeping ${prefix}`, signal, async () => sweepUnfinished(await findRoot(place), prefix, untouchedSince, signal));
    },

    anchor(name) {
      place.anchor = checkedName(name);
    },

    close: () => lock.close(),
  };
}

async function removeFile(path: string): Promise<boolean> {
  if ((await factsAt(path)) === undefined) return false;
  await unlink(path);
  return true;
}

function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== "ENOENT") throw error;
}

const CHUNK_BYTES = 256 * 1024;

/** The bytes from `start` to `end` or the object's last; an object that shrinks under the reader ends as INTEGRITY. */
export async function* getObject(place: Place, callMs: number, name: string, options: GetOptions): AsyncGenerator<Uint8Array> {
  const { start = 0, end = Number.POSITIVE_INFINITY, signal } = options;
  const { directory } = place;
  const doing = `reading ${name} in ${directory}`;
  const call = <T>(promise: Promise<T>): Promise<T> =>
    orCancelled(
      within(promise, callMs, () => doing),
      signal,
    );
  throwIfCancelled(signal);
  try {
    const root = await call(findRoot(place));
    const opening = pathOf(root, name).then(openForReading);
    const file = await call(opening).catch((error: unknown) => {
      // It was cancelled or took too long: a file that opens later is closed.
      opening.then((late) => late?.close()).catch(() => undefined);
      throw error;
    });
    if (file === undefined) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${directory}`);
    try {
      const facts = await call(file.stat());
      if (!facts.isFile()) throw new LifeboatError("OBJECT_MISSING", `${name} is not in ${directory}`);
      if (start > facts.size) {
        throw new LifeboatError("INTEGRITY", `${name} holds ${facts.size} bytes; byte ${start} was wanted`);
      }
      const stop = Math.min(end + 1, facts.size);
      for (let at = start; at < stop; ) {
        // A buffer of its own for every chunk: the consumer may keep it.
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, stop - at));
        const { bytesRead } = await call(file.read(chunk, 0, chunk.length, at));
        if (bytesRead === 0) throw new LifeboatError("INTEGRITY", `${name} was cut off at byte ${at} while it was read`);
        yield chunk.subarray(0, bytesRead);
        at += bytesRead;
      }
    } finally {
      await within(file.close(), callMs, () => doing);
    }
  } catch (error) {
    throw translated(error, doing);
  }
}
