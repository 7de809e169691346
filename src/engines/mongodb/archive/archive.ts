// Reads a mongodump archive as its bytes pass by, and judges it while it does: nothing counts as read that was not whole.
//
// An archive is its prelude, then blocks: a header, documents, a terminator. Blocks of several collections may follow each other in any
// order; an empty one with the checksum of all its documents ends a collection. Documents are not copied: they are given out as views
// of the chunks. Only one that crosses the border of two chunks is assembled first.
import { LifeboatError } from "../../../core/errors.ts";
import { documentFlaw, int32At, LARGEST_DOCUMENT_BYTES, SMALLEST_DOCUMENT_BYTES } from "../bson/bson.ts";
import { type BlockHeader, readBlockHeader } from "./block-header.ts";
import { CRC64_EMPTY, Crc64 } from "./crc64.ts";
import { type ArchiveCollection, dataCollection, MAGIC, type Prelude, readPreludeEntry, readPreludeHeader } from "./prelude.ts";

/** Some documents of one collection, or its end. */
export type ArchiveEvent =
  | { readonly kind: "documents"; readonly index: number; readonly documents: Uint8Array; readonly count: number }
  | { readonly kind: "end"; readonly index: number };

/** What was read of a collection, in the order of the prelude. */
export interface ArchiveTotal {
  readonly rows: number;
  readonly sizeBytes: number;
  readonly crc: bigint;
}

interface Namespace {
  readonly words: string;
  readonly crc: Crc64;
  state: "unopened" | "open" | "closed";
  rows: number;
  sizeBytes: number;
}

/** What may come next: the four bytes, the prelude's header, a collection or its end, a block's header, a document or the block's end. */
type Expecting = "magic" | "prelude" | "entry" | "header" | "body" | "block end";

const TERMINATOR_LENGTH = -1;

/**
 * Feed it every chunk in order, then `end()`. Both throw INTEGRITY as soon as something is wrong: a wrong checksum, a collection that is
 * not listed, opened again or not ended, a document too long or of the wrong length, bytes too few or too many.
 */
export class ArchiveReader {
  #expecting: Expecting = "magic";
  #header: Omit<Prelude, "collections"> | undefined;
  readonly #collections: ArchiveCollection[] = [];
  #prelude: Prelude | undefined;
  #namespaces: readonly Namespace[] = [];
  readonly #indexes = new Map<string, number>();
  /** Collection of the present block. */
  #index = 0;
  /** Bytes fed before the present chunk. */
  #fedBytes = 0;

  /** What the end of a chunk has cut: its first bytes, and how many it has in all; 4 while its length is not known. */
  #cut: Uint8Array = new Uint8Array(4);
  #cutBytes = 0;
  #cutSize = 4;

  /** Undefined until it has been read whole. */
  get prelude(): Prelude | undefined {
    return this.#prelude;
  }

  /** Checksum of the documents of a collection, by its place in the prelude, as far as they were read. */
  checksum(index: number): bigint {
    return this.#namespaces[index]?.crc.value() ?? CRC64_EMPTY;
  }

  /** What the chunk brought. Documents are views of the chunk: they are valid as long as it is. */
  feed(chunk: Uint8Array): ArchiveEvent[] {
    const events: ArchiveEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#cutBytes === 0 && this.#expecting === "body") at = this.#run(chunk, at, events);
      if (at < chunk.length) at = this.#assemble(chunk, at, events);
    }
    this.#fedBytes += chunk.length;
    return events;
  }

  /** Judges the whole. */
  end(): { readonly prelude: Prelude; readonly totals: readonly ArchiveTotal[] } {
    const prelude = this.#prelude;
    if (prelude === undefined) throw damaged(`the archive ends inside its list of collections, at byte ${this.#fedBytes}`);
    if (this.#cutBytes > 0 || this.#expecting !== "header") {
      const { words } = this.#namespaces[this.#index] ?? { words: "a block" };
      throw damaged(`the archive ends inside ${words}, at byte ${this.#fedBytes}`);
    }
    const missing = this.#namespaces.filter(({ state }) => state !== "closed");
    if (missing[0] !== undefined) {
      const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
      throw damaged(`the archive ends before ${missing[0].words}${more} has ended, at byte ${this.#fedBytes}`);
    }
    return { prelude, totals: this.#namespaces.map(({ rows, sizeBytes, crc }) => ({ rows, sizeBytes, crc: crc.value() })) };
  }

  /** Documents that lie whole in the chunk, all at once; returns where they end. */
  #run(chunk: Uint8Array, from: number, events: ArchiveEvent[]): number {
    const last = chunk.length;
    let at = from;
    let count = 0;
    while (at + 4 <= last) {
      const sizeBytes = int32At(chunk, at);
      const to = at + sizeBytes;
      // A terminator, or cut off by the end of the chunk, or an invalid length: that is checked more closely.
      if (sizeBytes < SMALLEST_DOCUMENT_BYTES || sizeBytes > LARGEST_DOCUMENT_BYTES || to > last) break;
      if (chunk[to - 1] !== 0) throw this.#flaw(documentFlaw(sizeBytes, chunk[to - 1] as number), at);
      at = to;
      count += 1;
    }
    if (count > 0) this.#give(chunk.subarray(from, at), count, events);
    return at;
  }

  /** Continues or begins a document that crosses a border of chunks. Its first four bytes say its length. */
  #assemble(chunk: Uint8Array, from: number, events: ArchiveEvent[]): number {
    const taken = Math.min(this.#cutSize - this.#cutBytes, chunk.length - from);
    this.#cut.set(chunk.subarray(from, from + taken), this.#cutBytes);
    this.#cutBytes += taken;
    const at = from + taken;
    if (this.#cutBytes < this.#cutSize) return at;
    if (this.#cutSize === 4 && this.#expecting === "magic") {
      if (MAGIC.some((byte, index) => byte !== this.#cut[index])) throw damaged("this is not a mongodump archive: its first bytes differ");
      this.#expecting = "prelude";
    } else if (this.#cutSize === 4) {
      const sizeBytes = int32At(this.#cut, 0);
      if (sizeBytes !== TERMINATOR_LENGTH) {
        const flaw = documentFlaw(sizeBytes, 0);
        if (flaw !== undefined) throw this.#flaw(flaw, at - 4);
        if (this.#expecting === "block end") throw this.#flaw("a document after its end", at - 4);
        const whole = new Uint8Array(sizeBytes);
        whole.set(this.#cut);
        this.#cut = whole;
        this.#cutSize = sizeBytes;
        return at;
      }
      this.#terminate(at - 4, events);
    } else {
      const whole = this.#cut;
      const flaw = documentFlaw(whole.length, whole[whole.length - 1] as number);
      if (flaw !== undefined) throw this.#flaw(flaw, at - whole.length);
      this.#document(whole, events);
    }
    this.#cut = new Uint8Array(4);
    this.#cutBytes = 0;
    this.#cutSize = 4;
    return at;
  }

  #document(bytes: Uint8Array, events: ArchiveEvent[]): void {
    if (this.#expecting === "body") this.#give(bytes, 1, events);
    else if (this.#expecting === "header") this.#open(readBlockHeader(bytes));
    else if (this.#expecting === "entry") this.#collections.push(readPreludeEntry(bytes));
    else {
      this.#header = readPreludeHeader(bytes);
      this.#expecting = "entry";
    }
  }

  #terminate(at: number, events: ArchiveEvent[]): void {
    if (this.#expecting === "entry" && this.#header !== undefined) this.#endPrelude(this.#header);
    else if (this.#expecting === "block end") events.push({ kind: "end", index: this.#index });
    else if (this.#expecting !== "body") throw damaged(`the archive ends a block that never began, at byte ${this.#fedBytes + at}`);
    this.#expecting = "header";
  }

  #endPrelude(header: Omit<Prelude, "collections">): void {
    const prelude = { ...header, collections: this.#collections };
    this.#namespaces = prelude.collections.map((entry, index) => {
      const data = dataCollection(entry, prelude.serverVersion);
      const key = keyOf(entry.db, data);
      if (this.#indexes.has(key)) throw damaged(`the archive lists ${wordsOf(entry.db, data)} twice`);
      this.#indexes.set(key, index);
      return { words: wordsOf(entry.db, data), crc: new Crc64(), state: "unopened", rows: 0, sizeBytes: 0 };
    });
    this.#prelude = prelude;
  }

  #open({ db, collection, ends, crc }: BlockHeader): void {
    const index = this.#indexes.get(keyOf(db, collection));
    const namespace = index === undefined ? undefined : this.#namespaces[index];
    if (index === undefined || namespace === undefined) {
      throw damaged(`the archive holds ${wordsOf(db, collection)}, which it does not list`);
    }
    if (namespace.state === "closed") throw damaged(`the archive holds more of ${namespace.words} after its end`);
    this.#index = index;
    this.#expecting = ends ? "block end" : "body";
    namespace.state = ends ? "closed" : "open";
    if (!ends && crc !== 0n) throw damaged(`the archive holds a block of ${namespace.words} whose header is none`);
    if (ends && crc !== namespace.crc.value()) {
      throw damaged(`the documents of ${namespace.words} are not those that were written: their checksum is wrong`);
    }
  }

  #give(documents: Uint8Array, count: number, events: ArchiveEvent[]): void {
    const namespace = this.#namespaces[this.#index] as Namespace;
    namespace.crc.update(documents);
    namespace.rows += count;
    namespace.sizeBytes += documents.length;
    events.push({ kind: "documents", index: this.#index, documents, count });
  }

  #flaw(flaw: string | undefined, at: number): LifeboatError {
    const { words } = this.#namespaces[this.#index] ?? { words: "the archive's list of collections" };
    return damaged(`${words} holds ${flaw ?? "a damaged document"}, at byte ${this.#fedBytes + at} of the archive`);
  }
}

const keyOf = (db: string, collection: string): string => `${db}\0${collection}`;
const wordsOf = (db: string, collection: string): string => (db === "" ? `the ${collection}` : `collection ${db}.${collection}`);
const damaged = (message: string): LifeboatError => new LifeboatError("INTEGRITY", message);

/** Some documents of a collection as a restore takes them. */
export interface ArchiveBatch {
  readonly prelude: Prelude;
  readonly event: ArchiveEvent;
}

/** Reads a whole archive. Ends only when it was whole. INTEGRITY. */
export async function* readArchive(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveBatch, void> {
  const reader = new ArchiveReader();
  for await (const chunk of bytes) {
    for (const event of reader.feed(chunk)) yield { prelude: reader.prelude as Prelude, event };
  }
  reader.end();
}

// The collections of an archive, from as few of its bytes as name them.

/** Stops reading as soon as the prelude is whole. INTEGRITY when it is not. */
export async function readPrelude(bytes: AsyncIterable<Uint8Array>): Promise<Prelude> {
  const reader = new ArchiveReader();
  for await (const chunk of bytes) {
    reader.feed(chunk);
    if (reader.prelude !== undefined) return reader.prelude;
  }
  throw new LifeboatError("INTEGRITY", "the archive ends inside its list of collections");
}
