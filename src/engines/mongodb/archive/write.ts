// Writes a mongodump archive: the prelude, then blocks of documents in any order of collections, then the end of each.
import { type BlockHeader, writeBlockHeader } from "./block-header.ts";
import { dataCollection, type Prelude, TERMINATOR, writePrelude } from "./prelude.ts";

/** Returns the pieces of an archive in order. Documents are not checked: the caller passes whole ones. */
export class ArchiveWriter {
  readonly #prelude: Prelude;
  /** Index of the collection whose block is open. */
  #open: number | undefined;

  constructor(prelude: Prelude) {
    this.#prelude = prelude;
  }

  begin(): Uint8Array {
    return writePrelude(this.#prelude);
  }

  /** Before documents of the collection at that index of the prelude; empty while its block is open anyway. */
  head(index: number): Uint8Array {
    if (this.#open === index) return new Uint8Array(0);
    const head = this.#header(index, false, 0n);
    this.#open = index;
    return head;
  }

  /** After the last documents of a collection; `crc` is the checksum of all of them. Every collection needs it, an empty one and a view too. */
  close(index: number, crc: bigint): Uint8Array {
    const head = this.#header(index, true, crc);
    this.#open = undefined;
    return Buffer.concat([head, TERMINATOR]);
  }

  #header(index: number, ends: boolean, crc: bigint): Uint8Array {
    const entry = this.#prelude.collections[index];
    if (entry === undefined) throw new RangeError(`the archive has no collection ${index}`);
    const header: BlockHeader = { db: entry.db, collection: dataCollection(entry, this.#prelude.serverVersion), ends, crc };
    const bytes = writeBlockHeader(header);
    return this.#open === undefined ? bytes : Buffer.concat([TERMINATOR, bytes]);
  }
}
