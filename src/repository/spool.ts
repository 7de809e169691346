// The spool: the plain bytes of one part on a local disk, for tools that require seeking. Private, and deleted after use.
//
// On Linux the file has no name once the first byte is written: its path is a link into /proc/<pid>/fd. When the process ends, even by
// `kill -9`, the system frees the space, and a dangling link remains beside the note of the job for the next run to delete. On other
// systems the file keeps its name until then.
import { constants } from "node:fs";
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { LifeboatError } from "../core/errors.ts";
import { type Maker, markOf, type Resource, type Undone } from "../ports/resource.ts";
import { thisOwner } from "./owner.ts";

/** Kept free beside what a spool holds. */
export const RESERVE_BYTES = 64 * 1024 * 1024;

export interface SpoolPlace {
  /** The file, or a link to it, alone in a private directory. Tools may use the directory; it is deleted with the file. */
  readonly path: string;
  /** The content of the note in its directory. */
  readonly mark: string;
  readonly resource: Resource;
  /** Keeps a file without a name open. */
  handle?: FileHandle | undefined;
}

const NOTE = "lifeboat.note";

/** Names a spool file without creating it, so that it can be declared first. */
export function planSpool(maker: Maker, directory: string | undefined): SpoolPlace {
  const path = join(directory ?? tmpdir(), folderOf(maker), "archive");
  return { path, mark: markOf(maker, "spool", path), resource: { kind: "spool", locator: { path, machine: thisOwner().machine } } };
}

const folderOf = ({ jobId }: Maker): string => `lifeboat-${jobId}.spool`;

/**
 * Writes the bytes to the file with mode 0600, after checking free space. After a failure no file is left.
 * @param sizeBytes the number of bytes to expect
 */
export async function fillSpool(place: SpoolPlace, bytes: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void> {
  const directory = dirname(dirname(place.path));
  const made = await mkdir(directory, { recursive: true, mode: 0o711 });
  // A directory for temporary files that was missing: scratch servers of another user are made in it, too.
  if (made !== undefined) await chmod(directory, 0o711);
  const freeBytes = await freeBytesIn(directory);
  if (freeBytes < sizeBytes + RESERVE_BYTES) {
    throw new LifeboatError(
      "DISK_FULL",
      `${directory} has ${freeBytes} bytes free, and the restore needs ${sizeBytes + RESERVE_BYTES} there`,
      {
        details: { directory, freeBytes, neededBytes: sizeBytes + RESERVE_BYTES },
      },
    );
  }
  try {
    await mkdir(dirname(place.path), { mode: 0o700 });
    await writeFile(join(dirname(place.path), NOTE), place.mark, { mode: 0o600, flag: "wx" });
    await writeAll(await openSpool(place), bytes);
  } catch (cause) {
    await emptySpool(place);
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new LifeboatError("DISK_FULL", `${directory} is full: the restore needs ${sizeBytes} bytes there`, { cause });
    }
    throw cause;
  }
}

/** Writes one piece while the next one is decrypted. */
async function writeAll(file: FileHandle, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  for await (const piece of bytes) {
    await writing;
    writing = writePiece(file, piece);
    writing.catch(() => {}); // awaited in the next round
  }
  await writing;
}

async function writePiece(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
}

/** Creates the empty file that the path leads to, without a name where possible. */
async function openSpool(place: SpoolPlace): Promise<FileHandle> {
  const named = `${place.path}.named`;
  const file = await open(named, "wx+", 0o600);
  place.handle = file;
  if (await linked(file, place.path)) await unlink(named);
  else await rename(named, place.path);
  return file;
}

/** Links the path to the open file. Returns whether that worked. */
async function linked(file: FileHandle, path: string): Promise<boolean> {
  try {
    await symlink(`/proc/${process.pid}/fd/${file.fd}`, path);
  } catch {
    return false; // a file system without links
  }
  const [own, found] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  if (found?.ino === own.ino && found.dev === own.dev) return true;
  await unlink(path);
  return false;
}

/** Returns the free bytes of a directory. */
export async function freeBytesIn(directory: string = tmpdir()): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** Deletes the note last, so that an interrupted clean-up can be repeated. */
export async function emptySpool(place: Pick<SpoolPlace, "path" | "handle">): Promise<void> {
  await place.handle?.close();
  delete place.handle;
  const directory = dirname(place.path);
  const names = await readdir(directory).catch(() => []);
  for (const name of names) if (name !== NOTE) await rm(join(directory, name), { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
}

/**
 * Deletes a spool that a crash left when its note is that of the job. "elsewhere": it is on another machine. Throws STORAGE_FAILED for a
 * directory that is not proven to be the job's.
 */
export async function undoSpool({ locator: { path = "", machine = "" } }: Resource, maker: Maker): Promise<Undone> {
  if (!sameHost(machine)) return "elsewhere";
  const directory = dirname(path);
  const facts = await lstat(directory).catch(() => undefined);
  if (facts === undefined) return "absent";
  const own = basename(directory) === folderOf(maker) && facts.isDirectory() && facts.uid === process.geteuid?.();
  const note = own ? await readNote(directory) : undefined;
  const mark = markOf(maker, "spool", path);
  // A crash before its note was complete leaves a directory with no other file.
  const unborn = own && mark.startsWith(note ?? "") && (await readdir(directory)).every((name) => name === NOTE);
  if (note === mark || unborn) {
    await emptySpool({ path });
    return "removed";
  }
  throw new LifeboatError("STORAGE_FAILED", `${directory} is not proven to be the spool of job ${maker.jobId} and is left unchanged`);
}

/** Reads a regular file of this user. Undefined: there is none. */
async function readNote(directory: string): Promise<string | undefined> {
  const file = await open(join(directory, NOTE), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const facts = await file.stat();
    return facts.isFile() && facts.uid === process.geteuid?.() ? await file.readFile("utf8") : undefined;
  } finally {
    await file.close();
  }
}

/** After a reboot the boot id differs, but the disk is the same. */
function sameHost(machine: string): boolean {
  return machine.split(" ")[0] === thisOwner().host;
}
