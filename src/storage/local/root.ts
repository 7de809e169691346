// The directory a local storage lives in: where names are in it, and that nothing leads out of it.
import { randomUUID } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, realpath, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { LifeboatError } from "../../core/errors.ts";
import type { ObjectInfo } from "../../ports/storage.ts";
import { assertObjectName } from "../names.ts";
import { errnoOf } from "./errors.ts";

/** Private folder of unfinished writes and of the lock, in the root so that a rename never crosses file systems. */
export const PRIVATE_FOLDER = ".tmp";

/** Where the storage is to be. */
export interface Place {
  readonly directory: string;
  /** The object that the directory must contain. Without it, the directory is the empty one under a share that is not mounted. */
  anchor?: string;
}

export interface Root {
  /** Absolute, with no symbolic link in it. */
  readonly path: string;
}

/** Finds the root. Throws STORAGE_NOT_FOUND. Called anew for every call of the storage, because a share can be unmounted at any time. */
export async function findRoot({ directory, anchor }: Place): Promise<Root> {
  let path: string;
  try {
    path = await realpath(directory);
    if (!(await stat(path)).isDirectory()) throw new LifeboatError("STORAGE_NOT_FOUND", `the storage ${directory} is not a directory`);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    throw new LifeboatError("STORAGE_NOT_FOUND", `the storage directory ${directory} does not exist`, { cause: error });
  }
  if (anchor !== undefined && (await factsAt(join(path, anchor))) === undefined)
    throw new LifeboatError("STORAGE_NOT_FOUND", `${anchor} is no longer in ${directory}`, {
      hint: `mount the share at ${directory} again; nothing is written there until then`,
    });
  return { path };
}

/** The name as it is, checked; `.tmp/` belongs to us. */
export function checkedName(name: string): string {
  assertObjectName(name);
  if (name === PRIVATE_FOLDER || name.startsWith(`${PRIVATE_FOLDER}/`)) {
    throw new LifeboatError("NAME_INVALID", `names in ${PRIVATE_FOLDER}/ are kept for unfinished writes`);
  }
  return name;
}

/**
 * Absolute path of a name, after making sure that no symbolic link on the way leads out of the root.
 * A folder that is missing leads nowhere and is fine.
 */
export async function pathOf(root: Root, name: string): Promise<string> {
  const path = join(root.path, ...checkedName(name).split("/"));
  const folder = dirname(path);
  if (folder === root.path) return path;
  let real: string;
  try {
    real = await realpath(folder);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return path;
    throw error;
  }
  if (real !== root.path && !real.startsWith(root.path + sep)) {
    throw new LifeboatError("STORAGE_REFUSED", `${name} lies behind a symbolic link that leads out of ${root.path}`);
  }
  return path;
}

/** Makes the folder of a file, 0700, and makes each new folder's entry survive a power cut. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(first);
  for (let made = dirname(folder); made.length >= top.length; made = dirname(made)) await syncFolder(made);
}

/** Removes a folder and those above it while they are empty, never the root. A file put there meanwhile keeps them. */
export async function removeEmptyFolders(root: Root, folder: string): Promise<void> {
  for (let at = folder; at.startsWith(root.path + sep); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if (["ENOTEMPTY", "EEXIST", "ENOENT", "EBUSY", "ENOTDIR"].includes(errnoOf(error) ?? "")) return;
      throw error;
    }
  }
}

/** Makes names created in, moved to or removed from a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems refuse to sync a folder because their server already has.
    if (!["EINVAL", "ENOTSUP", "EBADF"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    await handle.close();
  }
}

/** Facts of the regular file at a path; undefined when there is none. Symbolic links are not objects. */
export async function factsAt(path: string): Promise<BigIntStats | undefined> {
  try {
    const facts = await lstat(path, { bigint: true });
    return facts.isFile() ? facts : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

export async function openForReading(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * The etag is inode, size and the time in nanoseconds that every write sets itself (see `stamp` in write.ts): two writes
 * of one name never share all three.
 */
export function infoOf(name: string, facts: BigIntStats): ObjectInfo {
  return {
    name,
    sizeBytes: Number(facts.size),
    // The change of the inode, which the file system's own clock stamps: the other time is the writer's to choose.
    modifiedAt: new Date(Number(facts.ctimeNs / 1_000_000n)),
    etag: `${facts.ino.toString(36)}-${facts.size.toString(36)}-${facts.mtimeNs.toString(36)}`,
  };
}

/**
 * The present by the file system's clock, which on a network share is its server's: the stamp of a file made for it. Where none can
 * be made, this machine's clock.
 */
export async function fileSystemTime(root: Root): Promise<Date> {
  const path = join(root.path, PRIVATE_FOLDER, `${randomUUID()}+now`); // a kill leaves it to `sweep`
  try {
    await makeFolder(dirname(path));
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      return (await handle.stat()).ctime;
    } finally {
      await handle.close();
      await unlink(path);
    }
  } catch (error) {
    if (!["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) throw error;
    return new Date();
  }
}
