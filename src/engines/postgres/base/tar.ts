// Reads tar archives as they stream, as PostgreSQL writes them (ustar: files, directories, symbolic links), without copying content.
import { LifeboatError } from "../../../core/errors.ts";
import { isEmptyBlock, readHeader, TAR_BLOCK_BYTES, type TarEntry } from "./tar-header.ts";

export type { TarEntry } from "./tar-header.ts";

/** `data` comes between `entry` and `end` of a file, as often as its bytes came apart; `bytes` is a view of what was fed. */
export type TarEvent =
  | { readonly kind: "entry" | "end"; readonly entry: TarEntry }
  | { readonly kind: "data"; readonly entry: TarEntry; readonly bytes: Uint8Array };

/** Feed it an archive in pieces of any size. Throws INTEGRITY for anything that is not a whole, well-formed archive. */
export class TarReader {
  readonly #header = Buffer.alloc(TAR_BLOCK_BYTES);
  #headerBytes = 0;
  #entry: TarEntry | undefined;
  /** Of the present file's content, and of the filling behind it. */
  #contentBytes = 0;
  #fillingBytes = 0;
  #emptyBlocks = 0;
  #position = 0;

  /** What these bytes bring, in order. */
  feed(chunk: Uint8Array): TarEvent[] {
    const events: TarEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      const taken = this.#take(chunk, at, events);
      at += taken;
      this.#position += taken;
    }
    return events;
  }

  /** Throws unless the archive has ended as one should: with two empty blocks. */
  end(): void {
    if (this.#emptyBlocks >= 2 && this.#headerBytes === 0) return;
    const where = this.#entry === undefined ? "" : ` inside of ${this.#entry.path}`;
    throw new LifeboatError("INTEGRITY", `the tar archive ends early${where}, at byte ${this.#position}`);
  }

  /** Deals with the next bytes of the chunk and says how many they were. */
  #take(chunk: Uint8Array, at: number, events: TarEvent[]): number {
    const available = chunk.length - at;
    const entry = this.#entry;
    if (entry !== undefined && this.#contentBytes > 0) {
      const taken = Math.min(this.#contentBytes, available);
      events.push({ kind: "data", entry, bytes: chunk.subarray(at, at + taken) });
      this.#contentBytes -= taken;
      if (this.#contentBytes === 0) this.#endEntry(entry, events);
      return taken;
    }
    if (this.#fillingBytes > 0) {
      const taken = Math.min(this.#fillingBytes, available);
      this.#fillingBytes -= taken;
      return taken;
    }
    const taken = Math.min(TAR_BLOCK_BYTES - this.#headerBytes, available);
    this.#header.set(chunk.subarray(at, at + taken), this.#headerBytes);
    this.#headerBytes += taken;
    if (this.#headerBytes === TAR_BLOCK_BYTES) this.#beginEntry(events);
    return taken;
  }

  #beginEntry(events: TarEvent[]): void {
    this.#headerBytes = 0;
    if (isEmptyBlock(this.#header)) {
      this.#emptyBlocks += 1;
      return;
    }
    const startByte = this.#position + 1 - TAR_BLOCK_BYTES;
    if (this.#emptyBlocks > 0) throw new LifeboatError("INTEGRITY", `the tar archive continues after its end, at about byte ${startByte}`);
    const entry = readHeader(this.#header, startByte);
    this.#entry = entry;
    this.#contentBytes = entry.sizeBytes;
    this.#fillingBytes = (TAR_BLOCK_BYTES - (entry.sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
    events.push({ kind: "entry", entry });
    if (entry.sizeBytes === 0) this.#endEntry(entry, events);
  }

  #endEntry(entry: TarEntry, events: TarEvent[]): void {
    events.push({ kind: "end", entry });
    this.#entry = undefined;
  }
}
