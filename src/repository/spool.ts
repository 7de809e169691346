// The spool: plain bytes of one part on a local disk, for tools that must seek. Private, and gone after use, crash included.
import { mkdir, open, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { LifeboatError } from "../core/errors.ts";
import type { Resource } from "../ports/resource.ts";
import { thisOwner } from "./owner.ts";

const RESERVE_BYTES = 64 * 1024 * 1024;
const BUFFER_BYTES = 2 * 1024 * 1024;

export interface SpoolPlace {
  /** The file, alone in a private directory: tools that need a place beside it may use that, and all of it goes together. */
  readonly path: string;
  readonly resource: Resource;
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
    const file = await open(place.path, "wx", 0o600);
    await pipeline(bytes, file.createWriteStream({ highWaterMark: BUFFER_BYTES }));
  } catch (cause) {
    await emptySpool(place);
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC") {
      throw new LifeboatError("DISK_FULL", `${directory} is full: the restore needs ${sizeBytes} bytes there`, { cause });
    }
    throw cause;
  }
}

/** Bytes that can be written in a directory. */
export async function freeBytesIn(directory: string = tmpdir()): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

export async function emptySpool(place: Pick<SpoolPlace, "path">): Promise<void> {
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
