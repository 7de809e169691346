// Reads the beginning of pg_dump's custom format: header and table of contents, fed in pieces, never more than it needs.
//
// Layout, after PostgreSQL's pg_backup_archiver.c (archive versions 1.12 of 9.0 to 1.16 of 17 and 18): the magic `PGDMP`, three bytes
// of version, sizes of integers and offsets, format, compression, date, names; then a count and that many entries.
// An integer is a sign byte and `intSize` little-endian bytes; a string is an integer length (-1: none) and bytes.
import { LifeboatError } from "../../../core/errors.ts";

/** What the first bytes of an archive say about it. */
export interface ArchiveHeader {
  /** As `1.14.0`. */
  readonly version: string;
  readonly intSize: number;
  readonly offsetSize: number;
  /** Whether data blocks hold plain rows; otherwise their content cannot be looked at without decompressing. */
  readonly plain: boolean;
  readonly database: string;
  readonly serverVersion: string;
  readonly dumpVersion: string;
}

/** One entry of the table of contents. */
export interface TocEntry {
  readonly dumpId: number;
  /** Whether a data block belongs to this entry. */
  readonly hasData: boolean;
  /** Object class in words: `TABLE`, `TABLE DATA`, `SEQUENCE SET`, `FK CONSTRAINT`, `BLOBS` … */
  readonly kind: string;
  readonly schema: string;
  /** Unquoted; for objects of a table often `table name`, as `users users_pkey`. */
  readonly name: string;
  readonly owner: string;
  readonly section: number;
  /** The SQL that creates it. */
  readonly definition: string;
  readonly copyStatement: string;
  readonly dependencies: readonly number[];
  /** Where in the archive the entry keeps the position of its data: a state byte, then `offsetSize` bytes. */
  readonly offsetFieldAt: number;
  /** Position of the data block as the archive says it; undefined when it was written to a pipe. */
  readonly dataAt: number | undefined;
}

export interface Contents {
  readonly header: ArchiveHeader;
  readonly entries: readonly TocEntry[];
  /** Length of header and table of contents: where the first data block begins. */
  readonly sizeBytes: number;
}

/** State of an entry's offset field when its position is known. */
export const OFFSET_KNOWN = 2;

const MAX_STRING_BYTES = 1 << 30;
const CUSTOM_FORMAT = 1;
const [OLDEST_MINOR, NEWEST_MINOR] = [12, 16];

/** Thrown inside when bytes are missing; one value, because it is thrown once a chunk and its stack says nothing. */
const NEEDS_MORE = new Error("more bytes are needed");

/** Collects fed bytes until header and contents are complete. Memory: the size of the contents, nothing of the data. */
export class ContentsReader {
  #buffer = new Uint8Array(64 * 1024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #at = 0;
  #minor = 0;
  #intSize = 4;
  #offsetSize = 8;
  #header: ArchiveHeader | undefined;
  #count = -1;
  readonly #entries: TocEntry[] = [];

  /**
   * Takes the next bytes. Returns the contents once they are complete (bytes after them are ignored), else undefined.
   * Throws FORMAT_UNKNOWN for what is not such an archive or is newer than we know, INTEGRITY for nonsense.
   */
  feed(chunk: Uint8Array): Contents | undefined {
    this.#append(chunk);
    try {
      this.#header ??= this.#retryable(() => this.#readHeader());
      if (this.#count < 0) this.#count = this.#retryable(() => this.#readInt());
      while (this.#entries.length < this.#count) this.#entries.push(this.#retryable(() => this.#readEntry()));
    } catch (error) {
      if (error === NEEDS_MORE) return undefined;
      throw error;
    }
    return { header: this.#header, entries: this.#entries, sizeBytes: this.#at };
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      larger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  /** Runs a reading step; when bytes are missing, the next feed begins the step anew. */
  #retryable<T>(step: () => T): T {
    const start = this.#at;
    try {
      return step();
    } catch (error) {
      this.#at = start;
      throw error;
    }
  }

  #readHeader(): ArchiveHeader {
    for (const letter of "PGDMP") {
      if (this.#readByte() !== letter.charCodeAt(0)) throw new LifeboatError("FORMAT_UNKNOWN", "these bytes are not a pg_dump archive");
    }
    const [major, minor, revision] = [this.#readByte(), this.#readByte(), this.#readByte()];
    const version = `${major}.${minor}.${revision}`;
    if (major !== 1 || minor < OLDEST_MINOR || minor > NEWEST_MINOR) {
      throw new LifeboatError("FORMAT_UNKNOWN", `pg_dump archive version ${version} is not one that this release reads (1.12 to 1.16)`);
    }
    this.#minor = minor;
    const [intSize, offsetSize, format] = [this.#readByte(), this.#readByte(), this.#readByte()];
    if (intSize < 4 || intSize > 8 || offsetSize < 4 || offsetSize > 8) {
      throw new LifeboatError("INTEGRITY", `the archive claims integers of ${intSize} and offsets of ${offsetSize} bytes`);
    }
    if (format !== CUSTOM_FORMAT) throw new LifeboatError("FORMAT_UNKNOWN", "this pg_dump archive is not in the custom format");
    this.#intSize = intSize;
    this.#offsetSize = offsetSize;
    const compression = minor >= 15 ? this.#readByte() : this.#readInt();
    for (let dateField = 0; dateField < 7; dateField++) this.#readInt();
    const [database, serverVersion, dumpVersion] = [this.#readString(), this.#readString(), this.#readString()];
    return { version, intSize, offsetSize, plain: compression === 0, database, serverVersion, dumpVersion };
  }

  #readEntry(): TocEntry {
    const dumpId = this.#readInt();
    const hasData = this.#readInt() !== 0;
    this.#skipString(); // catalog's OID
    this.#skipString(); // object's OID
    const name = this.#readString();
    const kind = this.#readString();
    const section = this.#readInt();
    const definition = this.#readString();
    this.#skipString(); // DROP statement
    const copyStatement = this.#readString();
    const schema = this.#readString();
    this.#skipString(); // tablespace
    if (this.#minor >= 14) this.#skipString(); // table access method
    if (this.#minor >= 16) this.#readInt(); // relkind
    const owner = this.#readString();
    this.#skipString(); // "WITH OIDS", always written
    const dependencies: number[] = [];
    for (let length = this.#readInt(); length >= 0; length = this.#readInt()) dependencies.push(Number(this.#text(length)));
    const offsetFieldAt = this.#at;
    const state = this.#readByte();
    const position = this.#littleEndian(this.#offsetSize);
    const dataAt = state === OFFSET_KNOWN ? position : undefined;
    return { dumpId, hasData, kind, schema, name, owner, section, definition, copyStatement, dependencies, offsetFieldAt, dataAt };
  }

  #take(size: number): number {
    const start = this.#at;
    if (start + size > this.#length) throw NEEDS_MORE;
    this.#at = start + size;
    return start;
  }

  #readByte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #littleEndian(size: number): number {
    const start = this.#take(size);
    let value = 0;
    for (let index = size - 1; index >= 0; index--) value = value * 256 + this.#view.getUint8(start + index);
    return value;
  }

  #readInt(): number {
    const sign = this.#readByte();
    const value = this.#littleEndian(this.#intSize);
    return sign === 0 ? value : -value;
  }

  #stringLength(): number {
    const length = this.#readInt();
    if (length > MAX_STRING_BYTES) throw new LifeboatError("INTEGRITY", `the archive's contents claim a text of ${length} bytes`);
    return length;
  }

  #text(length: number): string {
    if (length > MAX_STRING_BYTES) throw new LifeboatError("INTEGRITY", `the archive's contents claim a text of ${length} bytes`);
    const start = this.#take(length);
    return utf8.decode(this.#buffer.subarray(start, start + length));
  }

  #readString(): string {
    const length = this.#stringLength();
    return length < 0 ? "" : this.#text(length);
  }

  #skipString(): void {
    const length = this.#stringLength();
    if (length > 0) this.#take(length);
  }
}

const utf8 = new TextDecoder();

/** Reads an archive's contents from a stream and stops reading as soon as they are complete. A stream that ends before: INTEGRITY. */
export async function readContents(bytes: AsyncIterable<Uint8Array>): Promise<Contents> {
  const reader = new ContentsReader();
  for await (const chunk of bytes) {
    const contents = reader.feed(chunk);
    if (contents !== undefined) return contents;
  }
  throw new LifeboatError("INTEGRITY", "the archive ends inside its table of contents");
}
