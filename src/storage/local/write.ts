// Writing one object: aside first, complete and on disk, then under its name in one act.
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LifeboatError } from "../../core/errors.ts";
import type { ObjectInfo, PutOptions } from "../../ports/storage.ts";
import { drawBody } from "../body.ts";
import { orCancelled, throwIfCancelled, within } from "../deadline.ts";
import { errnoOf, translated } from "./errors.ts";
import type { ReplaceLock } from "./lock.ts";
import { factsAt, findRoot, infoOf, makeFolder, type Place, PRIVATE_FOLDER, pathOf, type Root, syncFolder } from "./root.ts";

export interface Timeouts {
  /** Longest wait for one call of the file system. */
  readonly callMs: number;
  /** Longest wait for a file's data to reach the disk. */
  readonly syncMs: number;
}

const CLOSE_MS = 5_000;
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]; // file systems without hard links

export async function putObject(
  place: Place,
  lock: ReplaceLock,
  timeouts: Timeouts,
  name: string,
  body: AsyncIterable<Uint8Array> | Uint8Array,
  options: PutOptions,
): Promise<ObjectInfo> {
  const doing = `writing ${name} in ${place.directory}`;
  const call = <T>(promise: Promise<T>): Promise<T> => within(promise, timeouts.callMs, () => doing);
  throwIfCancelled(options.signal);
  try {
    const root = await call(findRoot(place));
    await call(pathOf(root, name));
    await refuseEarly(root, name, options, call);
    const aside = join(root.path, PRIVATE_FOLDER, asideName(name));
    try {
      await writeAside(aside, body, options.signal, timeouts, doing);
      return await commit({ root, name, aside, options, lock, timeouts, doing });
    } catch (error) {
      // A kill before this line leaves a file in .tmp for `sweep`, never an object.
      await within(unlink(aside), CLOSE_MS, () => doing).catch(() => undefined); // the first cause is what matters
      throw error;
    }
  } catch (error) {
    throw translated(error, doing);
  }
}

/** A lost race is told before the body is drawn, where it already shows; the commit decides anyway. */
async function refuseEarly(root: Root, name: string, options: PutOptions, call: <T>(p: Promise<T>) => Promise<T>): Promise<void> {
  if (options.ifAbsent !== true && options.ifMatch === undefined) return;
  const facts = await call(pathOf(root, name).then(factsAt));
  assertCondition(name, facts === undefined ? undefined : infoOf(name, facts).etag, options);
}

function assertCondition(name: string, etag: string | undefined, options: PutOptions): void {
  if (options.ifAbsent === true && etag !== undefined) throw new LifeboatError("STORAGE_CONFLICT", `${name} exists already`);
  if (options.ifMatch !== undefined && etag !== options.ifMatch) {
    throw new LifeboatError("STORAGE_CONFLICT", `${name} ${etag === undefined ? "is gone" : "was replaced by another writer"}`);
  }
}

/** `<uuid>+<name>`, with "+" for "/" (no name has one): `sweep` sees from it which prefix it belongs to. */
function asideName(name: string): string {
  return `${randomUUID()}+${name.replaceAll("/", "+")}`.slice(0, 240);
}

async function writeAside(
  path: string,
  body: AsyncIterable<Uint8Array> | Uint8Array,
  signal: AbortSignal | undefined,
  timeouts: Timeouts,
  doing: string,
): Promise<void> {
  const call = <T>(promise: Promise<T>, ms = timeouts.callMs): Promise<T> =>
    orCancelled(
      within(promise, ms, () => doing),
      signal,
    );
  await call(makeFolder(dirname(path)));
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await call(open(path, flags, 0o600));
  try {
    for await (const chunk of drawBody(body, signal)) await writeAll(file, chunk, call);
    await call(stamp(file));
    await call(file.sync(), timeouts.syncMs);
  } catch (error) {
    // Closing waits for a write that is stuck; the first cause does not.
    await within(file.close(), CLOSE_MS, () => doing).catch(() => undefined);
    throw error;
  }
  await call(file.close()); // a network file system reports late errors here
}

async function writeAll(file: FileHandle, chunk: Uint8Array, call: <T>(p: Promise<T>) => Promise<T>): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await call(file.write(chunk, done, chunk.length - done));
    done += bytesWritten;
  }
}

/**
 * Sets the file's time to the clock's microsecond. The kernel's own stamp moves in steps of milliseconds, and inodes are
 * used again at once, so without this two versions could look the same.
 */
async function stamp(file: FileHandle): Promise<void> {
  const seconds = (performance.timeOrigin + performance.now()) / 1000;
  await file.utimes(seconds, seconds);
}

interface Commit {
  readonly root: Root;
  readonly name: string;
  readonly aside: string;
  readonly options: PutOptions;
  readonly lock: ReplaceLock;
  readonly timeouts: Timeouts;
  readonly doing: string;
}

/** Gives the complete file its name. Before: nothing of it is visible. After: all of it is, and stays through a power cut. */
async function commit(work: Commit): Promise<ObjectInfo> {
  const { root, name, aside, options, lock, timeouts, doing } = work;
  const path = await pathOf(root, name);
  const facts = await factsAt(aside);
  if (facts === undefined) throw new LifeboatError("STORAGE_FAILED", `${doing}: the unfinished file was removed meanwhile`);
  const linked =
    options.ifAbsent === true &&
    (await within(
      inFolderOf(path, () => linkNew(aside, path, name)),
      timeouts.callMs,
      () => doing,
    ));
  if (!linked) {
    const replace = async (): Promise<void> => {
      const current = await factsAt(path);
      assertCondition(name, current === undefined ? undefined : infoOf(name, current).etag, options);
      await inFolderOf(path, () => rename(aside, path));
    };
    await lock.during(root, () => within(replace(), timeouts.callMs, () => doing), options.signal);
  }
  await within(syncFolder(dirname(path)), timeouts.syncMs, () => doing).catch((error: unknown) => {
    if (errnoOf(error) !== "ENOENT") throw error; // stored, and already removed by another caller
  });
  const named = await factsAt(path); // its name was the last change to it
  return infoOf(name, named?.ino === facts.ino ? named : facts);
}

/** Gives the file a second, final name and takes the first: link(2) has exactly one winner. False: no links on this file system. */
async function linkNew(aside: string, path: string, name: string): Promise<boolean> {
  try {
    await link(aside, path);
  } catch (error) {
    const errno = errnoOf(error) ?? "";
    if (errno === "EEXIST") throw new LifeboatError("STORAGE_CONFLICT", `${name} exists already`, { cause: error });
    if (NO_LINKS.includes(errno)) return false;
    throw error;
  }
  await unlink(aside);
  return true;
}

/** Makes the folder and acts; again when another caller removed the empty folder in between. */
async function inFolderOf<T>(path: string, act: () => Promise<T>): Promise<T> {
  for (let left = 100; ; left--) {
    try {
      await makeFolder(dirname(path));
      return await act();
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || left === 0) throw error;
    }
  }
}
