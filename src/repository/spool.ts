// The spool: plain bytes of one part on a local disk, for tools that must seek. Private, and gone after use.
//
// Where the system shows the open files of a process (Linux), the file has no name once the first byte is written: its path is a link
// to it among our open files. However this process ends, also by `kill -9`, the system gives the space back with it, and what is left
// is a link to nowhere in an empty directory, for the next start to remove. Elsewhere the file keeps its name until then.
import { type FileHandle, mkdir, open, rename, rm, stat, statfs, symlink, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LifeboatError } from "../core/errors.ts";
import type { Resource } from "../ports/resource.ts";
import { thisOwner } from "./owner.ts";

const RESERVE_BYTES = 64 * 1024 * 1024;

export interface SpoolPlace {
  /** The file, or a link to it, alone in a private directory: tools that need a place beside it may use that, and all of it goes together. */
  readonly path: string;
  readonly resource: Resource;
  /** Keeps a file without a name. */
  handle?: FileHandle | undefined;
}

/** Names a spool file without making it, so that it can be declared first. */
export function planSpool(jobId: string, directory: string | undefined): SpoolPlace {
  const path = join(directory ?? tmpdir(), `lifeboat-${jobId}.spool`, "archive");
  return { path, resource: { kind: "spool", locator: { path, machine: thisOwner().machine } } };
}

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

export async function emptySpool(place: Pick<SpoolPlace, "path" | "handle">): Promise<void> {
  await place.handle?.close();
  delete place.handle;
  await rm(dirname(place.path), { recursive: true, force: true });
}

/** Undoes a spool that a crash left. False when it lies on another machine. */
export async function undoSpool(resource: Resource): Promise<boolean> {
  const { path, machine } = resource.locator;
  if (path === undefined || machine === undefined || !/lifeboat-[0-9a-z]+\.spool[\\/]archive$/.test(path)) return false; // never remove what is not a spool
  if (!sameHost(machine)) return false;
  await emptySpool({ path });
  return true;
}

/** After a reboot the boot id differs, but the disk is the same. */
function sameHost(machine: string): boolean {
  return machine.split(" ")[0] === thisOwner().host;
}
