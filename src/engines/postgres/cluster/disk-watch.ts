// Watches the disk that a scratch server writes to: foreign data, or code in it, must not fill it for the whole machine.
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../../core/duration.ts";
import { LifeboatError } from "../../../core/errors.ts";

export interface DiskWatch {
  /** Rejects with DISK_FULL when the reserve is touched; else pending. */
  readonly short: Promise<never>;
  /** The same as a value, looked at now: the server itself may have met a full disk just before we looked. */
  shortage(): Promise<LifeboatError | undefined>;
  end(): void;
}

const LOOK_MS = 250;
const RESERVE_BYTES = 512 * 1024 * 1024;
/** Of a small disk, so much stays free. */
const RESERVE_SHARE = 0.05;

export function watchDisk(directory: string): DiskWatch {
  let found: LifeboatError | undefined;
  let tell: (error: LifeboatError) => void = () => {};
  const short = new Promise<never>((_resolve, reject) => {
    tell = reject;
  });
  short.catch(() => {}); // not everybody waits for it
  const look = async (): Promise<void> => {
    const disk = await statfs(directory).catch(() => undefined);
    if (disk === undefined || found) return;
    const freeBytes = disk.bavail * disk.bsize;
    const reserveBytes = Math.min(RESERVE_BYTES, Math.floor(disk.blocks * disk.bsize * RESERVE_SHARE));
    if (freeBytes >= reserveBytes) return;
    found = new LifeboatError(
      "DISK_FULL",
      `the server over ${directory} was ended before it filled the disk: ${formatBytes(freeBytes)} are free`,
      {
        hint: "free space there, or set scratch.directory (tools.spoolDirectory for base backups) to a larger disk",
        details: { directory, freeBytes, reserveBytes },
      },
    );
    tell(found);
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();
  return {
    short,
    async shortage() {
      await look();
      return found;
    },
    end: () => clearInterval(timer),
  };
}
