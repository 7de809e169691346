// Writes the files of a tar archive below a directory, through the thread pool, several files and pieces at a time, while the
// next bytes are being decrypted: a disk that is busy takes a millisecond to make a file, and a cluster has thousands.
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { ServerUser } from "../../../process/server-user.ts";
import type { TarEntry, TarEvent } from "../base/tar.ts";

/** Pieces are gathered to so much before they are written. */
const PIECE_BYTES = 1024 * 1024;
/** So much may be on its way to the disk. */
const UNDER_WAY_BYTES = 4 * PIECE_BYTES;

/** So many files may be open. */
const FILES_UNDER_WAY = 32;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  readonly path: string;
  pieces: Uint8Array[];
  gatheredBytes: number;
  position: number;
  readonly writes: Promise<void>[];
}

export class FileWriter {
  readonly #root: string;
  readonly #owner: ServerUser | undefined;
  readonly #skip: (path: string) => boolean;
  readonly #made = new Set<string>();
  readonly #closing = new Set<Promise<void>>();
  #file: OpenFile | undefined;
  #underWayBytes = 0;
  #wake: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** `skip`: files that are not written. */
  constructor(root: string, owner: ServerUser | undefined, skip: (path: string) => boolean) {
    this.#root = root;
    this.#owner = owner;
    this.#skip = skip;
  }

  /** Takes the next event. A promise comes back only when too much is under way: await it before the next. */
  take(event: TarEvent): Promise<void> | undefined {
    if (this.#failure) throw this.#failure.error;
    const { entry } = event;
    if (event.kind === "entry") this.#begin(entry);
    else if (this.#file !== undefined && event.kind === "data") this.#add(this.#file, event.bytes);
    else if (this.#file !== undefined) this.#end(this.#file);
    return this.#underWayBytes > UNDER_WAY_BYTES || this.#closing.size > FILES_UNDER_WAY ? this.#room() : undefined;
  }

  /** Resolves when all is written and closed. */
  async end(): Promise<void> {
    await Promise.all(this.#closing);
    if (this.#failure) throw this.#failure.error;
  }

  /** Gives everything back that is open, after a failure elsewhere. */
  async abandon(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file) this.#close(file);
    await Promise.all(this.#closing);
  }

  #begin(entry: TarEntry): void {
    if (entry.type === "symlink" || this.#skip(entry.path)) return;
    const path = join(this.#root, entry.path);
    this.#directory(entry.type === "directory" ? path : dirname(path), entry.type === "directory" ? entry.mode : 0o700);
    if (entry.type === "directory") return;
    const handle = create(path, entry.mode & 0o777, this.#owner);
    handle.catch(() => {}); // told when it is closed, at the latest
    this.#file = { handle, path, pieces: [], gatheredBytes: 0, position: 0, writes: [] };
  }

  #directory(path: string, mode: number): void {
    if (path === this.#root || this.#made.has(path)) return;
    if (dirname(path) !== this.#root) this.#directory(dirname(path), 0o700);
    translated(path, () => {
      mkdirSync(path, { mode: (mode & 0o777) | 0o700 }); // the next entries are in it
      if (this.#owner) chownSync(path, this.#owner.uid, this.#owner.gid);
    });
    this.#made.add(path);
  }

  #add(file: OpenFile, bytes: Uint8Array): void {
    file.pieces.push(bytes);
    file.gatheredBytes += bytes.length;
    if (file.gatheredBytes >= PIECE_BYTES) this.#write(file);
  }

  #write(file: OpenFile): void {
    const { handle, path, pieces, gatheredBytes, position } = file;
    file.pieces = [];
    file.gatheredBytes = 0;
    file.position += gatheredBytes;
    this.#underWayBytes += gatheredBytes;
    const writing = handle
      .then((open) => writeAll(open, pieces, position, gatheredBytes))
      .catch((error: unknown) => this.#fail(path, error))
      .finally(() => {
        this.#underWayBytes -= gatheredBytes;
        this.#wake?.();
      });
    file.writes.push(writing);
  }

  #end(file: OpenFile): void {
    this.#file = undefined;
    if (file.gatheredBytes > 0) this.#write(file);
    this.#close(file);
  }

  #close({ handle, path, writes }: OpenFile): void {
    const closing = Promise.all(writes)
      .then(async () => (await handle).close())
      .catch((error: unknown) => this.#fail(path, error))
      .finally(() => {
        this.#closing.delete(closing);
        this.#wake?.();
      });
    this.#closing.add(closing);
  }

  #fail(path: string, error: unknown): void {
    this.#failure ??= { error: translate(path, error) };
  }

  async #room(): Promise<void> {
    const full = (): boolean => this.#underWayBytes > UNDER_WAY_BYTES / 2 || this.#closing.size > FILES_UNDER_WAY / 2;
    while (full() && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure) throw this.#failure.error;
  }
}

async function create(path: string, mode: number, owner: ServerUser | undefined): Promise<FileHandle> {
  const handle = await open(path, "wx", mode);
  if (owner) await handle.chown(owner.uid, owner.gid);
  return handle;
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], position: number, sizeBytes: number): Promise<void> {
  let left = pieces;
  for (let done = 0; done < sizeBytes; ) {
    const { bytesWritten } = await handle.writev([...left], position + done);
    if (bytesWritten === 0) throw new Error("nothing could be written");
    done += bytesWritten;
    if (done < sizeBytes) left = [Buffer.concat(left).subarray(bytesWritten)];
  }
}

function translated(path: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    throw translate(path, error);
  }
}

function translate(path: string, error: unknown): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return full(path, error);
  if (code === "EEXIST" || code === "ENOTDIR" || code === "EISDIR") {
    return new LifeboatError("INTEGRITY", `the base backup holds ${path} twice, or as a file and as a directory`, { cause: error });
  }
  return new LifeboatError("RESTORE_TARGET_INVALID", `${path} cannot be written: ${message}`, { cause: error });
}

const full = (path: string, cause?: unknown): LifeboatError =>
  new LifeboatError("DISK_FULL", `the disk of ${path} is full; what was restored so far is removed`, { cause });

/** The mode of a data directory: what the server requires, with any umask of the process. */
export function ownDirectory(path: string, owner: ServerUser | undefined): void {
  chmodSync(path, 0o700);
  if (owner) chownSync(path, owner.uid, owner.gid);
}
