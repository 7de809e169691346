// Segments that were received and are not stored yet: one file each, in a directory that survives restarts.
//
// A file appears under its name only when it is whole and on the disk. What has not been cut yet is not kept here: the server's
// oplog still has it, and it is read again after a restart.
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { logFileKind } from "./position.ts";

const SUFFIX = ".bson";

export class Spool {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The log is the database in the clear: for its owner only. Removes what a crash left half written. */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const file of await readdir(this.#directory)) if (file.endsWith(`${SUFFIX}.part`)) await rm(this.#path(file), { force: true });
  }

  /** Names of the segments that wait, in log order. */
  async names(): Promise<string[]> {
    const files = await readdir(this.#directory);
    const names = files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
    return names.filter((name) => logFileKind(name) !== undefined).sort();
  }

  async put(name: string, bytes: readonly Uint8Array[]): Promise<void> {
    const path = this.#path(`${name}${SUFFIX}`);
    try {
      const file = await open(`${path}.part`, "w", 0o600);
      try {
        await file.writev(bytes.map((part) => part as Uint8Array<ArrayBuffer>));
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.part`, path);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== "ENOSPC" && code !== "EDQUOT") throw cause;
      throw new LifeboatError("DISK_FULL", `no space is left in ${this.#directory}, where log waits to be stored`, { cause });
    }
  }

  read(name: string): Promise<Uint8Array> {
    return readFile(this.#path(`${name}${SUFFIX}`));
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(`${name}${SUFFIX}`), { force: true });
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }
}
