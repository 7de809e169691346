// Writes the files of a tar archive below a directory. Large ones go through the thread pool, several pieces at a time, while
// the next bytes are being decrypted; small ones are written at once, for a round trip would cost more than they do.
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, writev, writevSync } from "node:fs";
import { dirname, join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { TarEntry, TarEvent } from "../base/tar.ts";
import type { ServerUser } from "../cluster/server-user.ts";

/** Pieces are gathered to so much before they are written. */
const PIECE_BYTES = 1024 * 1024;
/** So much may be on its way to the disk. */
const UNDER_WAY_BYTES = 8 * PIECE_BYTES;

interface OpenFile {
  readonly fd: number;
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
  #file: OpenFile | undefined;
  #underWayBytes = 0;
  #closing: Promise<void>[] = [];
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
    return this.#underWayBytes > UNDER_WAY_BYTES ? this.#room() : undefined;
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
    if (file) this.#closing.push(Promise.all(file.writes).then(() => closeSync(file.fd)));
    await Promise.all(this.#closing);
  }

  #begin(entry: TarEntry): void {
    if (entry.type === "symlink" || this.#skip(entry.path)) return;
    const path = join(this.#root, entry.path);
    this.#directory(entry.type === "directory" ? path : dirname(path), entry.type === "directory" ? entry.mode : 0o700);
    if (entry.type === "directory") return;
    translated(path, () => {
      const fd = openSync(path, "wx", entry.mode & 0o777);
      this.#file = { fd, path, pieces: [], gatheredBytes: 0, position: 0, writes: [] };
      if (this.#owner) chownSync(path, this.#owner.uid, this.#owner.gid);
    });
  }

  #directory(path: string, mode: number): void {
    if (path === this.#root || this.#made.has(path)) return;
    if (dirname(path) !== this.#root) this.#directory(dirname(path), 0o700);
    translated(path, () => {
      mkdirSync(path, { mode: mode & 0o777, recursive: true });
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
    const { pieces, gatheredBytes, position } = file;
    file.pieces = [];
    file.gatheredBytes = 0;
    file.position += gatheredBytes;
    this.#underWayBytes += gatheredBytes;
    file.writes.push(
      writeAll(file.fd, pieces, position, gatheredBytes)
        .catch((error: unknown) => this.#fail(file.path, error))
        .finally(() => {
          this.#underWayBytes -= gatheredBytes;
          this.#wake?.();
        }),
    );
  }

  #end(file: OpenFile): void {
    this.#file = undefined;
    const { fd, path, pieces, gatheredBytes, position, writes } = file;
    if (writes.length === 0) {
      translated(path, () => {
        if (gatheredBytes > 0 && writevSync(fd, pieces, position) !== gatheredBytes) throw full(path);
        closeSync(fd);
      });
      return;
    }
    if (gatheredBytes > 0) this.#write(file);
    // The descriptor is given back as soon as its last piece is written: a cluster may have very many files.
    this.#closing.push(Promise.all(file.writes).then(() => closeSync(fd)));
    if (this.#closing.length > 64) this.#closing = [Promise.all(this.#closing).then(() => undefined)];
  }

  #fail(path: string, error: unknown): void {
    this.#failure ??= { error: translate(path, error) };
  }

  async #room(): Promise<void> {
    while (this.#underWayBytes > UNDER_WAY_BYTES / 2 && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure) throw this.#failure.error;
  }
}

async function writeAll(fd: number, pieces: readonly Uint8Array[], position: number, sizeBytes: number): Promise<void> {
  let left = pieces;
  for (let done = 0; done < sizeBytes; ) {
    const written = await new Promise<number>((resolve, reject) => {
      writev(fd, left, position + done, (error, count) => (error ? reject(error) : resolve(count)));
    });
    if (written === 0) throw new Error("nothing could be written");
    done += written;
    if (done < sizeBytes) left = [Buffer.concat(left).subarray(written)];
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
  if (code === "EEXIST") return new LifeboatError("INTEGRITY", `the base backup holds ${path} twice`, { cause: error });
  return new LifeboatError("RESTORE_TARGET_INVALID", `${path} cannot be written: ${message}`, { cause: error });
}

const full = (path: string, cause?: unknown): LifeboatError =>
  new LifeboatError("DISK_FULL", `the disk of ${path} is full; what was restored so far is removed`, { cause });

/** The mode of a data directory: what the server asks of it, whatever the process's mask made of it. */
export function ownDirectory(path: string, owner: ServerUser | undefined): void {
  chmodSync(path, 0o700);
  if (owner) chownSync(path, owner.uid, owner.gid);
}
