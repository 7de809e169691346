// The spool: plain bytes of one part on a local disk, for tools that must seek. Private, and gone after use.
//
// Where the system shows the open files of a process (Linux), the file has no name once the first byte is written: its path is a link
// to it among our open files. However this process ends, also by `kill -9`, the system gives the space back with it, and what is left
// is a link to nowhere beside the note of the job, for the next start to remove. Elsewhere the file keeps its name until then.
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, stat, statfs, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { LifeboatError } from "../core/errors.ts";
import { type Maker, markOf, type Resource, type Undone } from "../ports/resource.ts";
import { thisOwner } from "./owner.ts";

const RESERVE_BYTES = 64 * 1024 * 1024;

export interface SpoolPlace {
  /** The file, or a link to it, alone in a private directory: tools that need a place beside it may use that, and all of it goes together. */
  readonly path: string;
  /** What the note in its directory holds. */
  readonly mark: string;
  readonly resource: Resource;
  /** Keeps a file without a name. */
  handle?: FileHandle | undefined;
}

const NOTE = "lifeboat.note";

/** Names a spool file without making it, so that it can be declared first. */
export function planSpool(maker: Maker, directory: string | undefined): SpoolPlace {
  const path = join(directory ?? tmpdir(), folderOf(maker), "archive");
  return { path, mark: markOf(maker, "spool", path), resource: { kind: "spool", locator: { path, machine: thisOwner().machine } } };
}

const folderOf = ({ jobId }: Maker): string => `lifeboat-${jobId}.spool`;

/**
 * Writes the bytes to the file, 0600, after checking that they fit. Whatever fails, no file is left.
 * @param sizeBytes how many bytes will come
 */
export async function fillSpool(place: SpoolPlace, bytes: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void> {
  const directory = dirname(dirname(place.path));
  await mkdir(directory, { recursive: true, mode: 0o700 });
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

/** One piece is written while the next one is decrypted. */
async function writeAll(file: FileHandle, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let writing: Promise<void> = Promise.resolve();
  for await (const piece of bytes) {
    await writing;
    writing = writePiece(file, piece);
    writing.catch(() => {}); // heard in the next round
  }
  await writing;
}

async function writePiece(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) done += (await file.write(piece, done)).bytesWritten;
}

/** The empty file that the path leads to, without a name of its own where that is possible. */
async function openSpool(place: SpoolPlace): Promise<FileHandle> {
  const named = `${place.path}.named`;
  const file = await open(named, "wx+", 0o600);
  place.handle = file;
  if (await linked(file, place.path)) await unlink(named);
  else await rename(named, place.path);
  return file;
}

/** Whether a link among our open files leads to it. */
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

/** Bytes that can be written in a directory. */
export async function freeBytesIn(directory: string = tmpdir()): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

/** The note goes last: until then, a clean-up that is interrupted is taken up again. */
export async function emptySpool(place: Pick<SpoolPlace, "path" | "handle">): Promise<void> {
  await place.handle?.close();
  delete place.handle;
  const directory = dirname(place.path);
  const names = await readdir(directory).catch(() => []);
  for (const name of names) if (name !== NOTE) await rm(join(directory, name), { recursive: true, force: true });
  await rm(directory, { recursive: true, force: true });
}

/**
 * Undoes a spool that a crash left, where the note in it is that of the job. Elsewhere: it lies on another machine. STORAGE_FAILED
 * for a directory that is not proven to be the job's.
 */
export async function undoSpool({ locator: { path = "", machine = "" } }: Resource, maker: Maker): Promise<Undone> {
  if (!sameHost(machine)) return "elsewhere";
  const directory = dirname(path);
  const facts = await lstat(directory).catch(() => undefined);
  if (facts === undefined) return "absent";
  const own = basename(directory) === folderOf(maker) && facts.isDirectory() && facts.uid === process.geteuid?.();
  const note = own ? await readNote(directory) : undefined;
  const mark = markOf(maker, "spool", path);
  // A crash before its note was whole leaves a directory that holds nothing else.
  const unborn = own && mark.startsWith(note ?? "") && (await readdir(directory)).every((name) => name === NOTE);
  if (note === mark || unborn) {
    await emptySpool({ path });
    return "removed";
  }
  throw new LifeboatError("STORAGE_FAILED", `${directory} is not proven to be the spool of job ${maker.jobId}; it is left as it is`);
}

/** A file of our own user's, and not a link to one; undefined when there is none such. */
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
