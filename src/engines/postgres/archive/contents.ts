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
  /** OID of the catalog that describes the object; 0 for entries about another one, such as rows, comments and privileges. */
  readonly classOid: number;
  readonly oid: number;
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
  /** The SQL that removes it: where it names the object with its arguments. */
  readonly dropStatement: string;
  readonly copyStatement: string;
  /** Empty: the database's own. */
  readonly tablespace: string;
  readonly dependencies: readonly number[];
  /** Where in the archive the entry keeps the position of its data: a state byte, then `offsetSize` bytes. */
  readonly offsetFieldAt: number;
  /** Position of the data block as the archive says it; undefined when it was written to a pipe. */
  readonly dataAt: number | undefined;
}

export interface Contents {
  readonly header: ArchiveHeader;
  readonly entries: readonly TocEntry[];
  /** Where the first entry begins: the integer before it is their number. */
  readonly entriesAt: number;
  /** Length of header and table of contents: where the first data block begins. */
  readonly sizeBytes: number;
}

/** State of an entry's offset field when its position is known. */
export const OFFSET_KNOWN = 2;

/** Of a definition or a COPY statement; far more than any server's, and short enough for one string. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;
/** Of the names in the header. */
const MAX_NAME_BYTES = 64 * 1024;
/** A dump id in decimal digits, with room. */
const MAX_DEPENDENCY_BYTES = 20;
/** Of header and table of contents together. */
const MAX_CONTENTS_BYTES = 2 ** 31;
const CUSTOM_FORMAT = 1;
const [OLDEST_MINOR, NEWEST_MINOR] = [12, 16];

/** Fields of an entry up to its dependencies. `none`: passed over. */
type Field = "number" | "text" | "none";

/** As `WriteToc` writes them. Access methods came with archive version 1.14, kinds of relations with 1.16. */
const fieldsOf = (minor: number): readonly Field[] => [
  ...(["number", "number", "text", "text", "text", "text", "number"] as const), // id, has data, two OIDs, name, kind, section
  ...(["text", "text", "text", "text", "text"] as const), // definition, DROP, COPY, schema, tablespace
  ...(minor >= 14 ? (["none"] as const) : []),
  ...(minor >= 16 ? (["number"] as const) : []),
  ...(["text", "none"] as const), // owner, "WITH OIDS"
];

/** Thrown inside when bytes are missing; one value, because it is thrown once a chunk and its stack says nothing. */
const NEEDS_MORE = new Error("more bytes are required");

/**
 * Collects fed bytes until header and contents are complete. Each field is read once, however small the pieces are: what is cut by
 * the end of a piece waits for the next one. Memory: the entries, and the field that is cut.
 */
export class ContentsReader {
  #buffer = new Uint8Array(64 * 1024);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;
  #at = 0;
  /** Where the first field begins that has not been read whole. */
  #kept = 0;
  /** Bytes before the buffer's first. */
  #before = 0;
  #intSize = 4;
  #offsetSize = 8;
  #header: ArchiveHeader | undefined;
  #count = -1;
  #entriesAt = 0;
  #fields: readonly Field[] = [];
  readonly #entries: TocEntry[] = [];
  /** Of the entry under way. */
  #values: (number | string)[] = [];
  #dependencies: number[] = [];
  #hasDependencies = false;

  /**
   * Takes the next bytes. Returns the contents once they are complete (bytes after them are ignored), else undefined.
   * Throws FORMAT_UNKNOWN for what is not such an archive or is newer than we know, INTEGRITY for nonsense.
   */
  feed(chunk: Uint8Array): Contents | undefined {
    this.#append(chunk);
    try {
      this.#header ??= this.#done(this.#readHeader());
      if (this.#count < 0) this.#count = this.#done(this.#readCount());
      while (this.#entries.length < this.#count) this.#entries.push(this.#readEntry());
    } catch (error) {
      if (error !== NEEDS_MORE) throw error;
      this.#at = this.#kept;
      if (this.#before + this.#length > MAX_CONTENTS_BYTES) throw nonsense("its table of contents is larger than any server's");
      return undefined;
    }
    return { header: this.#header, entries: this.#entries, entriesAt: this.#entriesAt, sizeBytes: this.#before + this.#at };
  }

  #append(chunk: Uint8Array): void {
    if (this.#kept > 0) {
      this.#buffer.copyWithin(0, this.#kept, this.#length);
      this.#length -= this.#kept;
      this.#before += this.#kept;
      this.#at = 0;
      this.#kept = 0;
    }
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

  /** What was read whole is not read again. */
  #done<T>(value: T): T {
    this.#kept = this.#at;
    return value;
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
    const [intSize, offsetSize, format] = [this.#readByte(), this.#readByte(), this.#readByte()];
    if (intSize < 4 || intSize > 8 || offsetSize < 4 || offsetSize > 8) {
      throw nonsense(`it claims integers of ${intSize} and offsets of ${offsetSize} bytes`);
    }
    if (format !== CUSTOM_FORMAT) throw new LifeboatError("FORMAT_UNKNOWN", "this pg_dump archive is not in the custom format");
    this.#intSize = intSize;
    this.#offsetSize = offsetSize;
    this.#fields = fieldsOf(minor);
    const compression = minor >= 15 ? this.#readByte() : this.#readInt();
    for (let dateField = 0; dateField < 7; dateField++) this.#readInt();
    const name = (): string => this.#readString(MAX_NAME_BYTES);
    const [database, serverVersion, dumpVersion] = [name(), name(), name()];
    return { version, intSize, offsetSize, plain: compression === 0, database, serverVersion, dumpVersion };
  }

  #readCount(): number {
    const count = this.#readInt();
    if (count < 0) throw nonsense(`its table of contents has ${count} entries`);
    this.#entriesAt = this.#before + this.#at;
    return count;
  }

  #readEntry(): TocEntry {
    const values = this.#values;
    while (values.length < this.#fields.length) values.push(this.#done(this.#readField(this.#fields[values.length] as Field)));
    while (!this.#hasDependencies) {
      const dependency = this.#done(this.#readDependency());
      if (dependency === undefined) this.#hasDependencies = true;
      else this.#dependencies.push(dependency);
    }
    const offsetFieldAt = this.#before + this.#at;
    const state = this.#readByte();
    const position = this.#littleEndian(this.#offsetSize);
    const entry = this.#entryOf(values, this.#dependencies, offsetFieldAt, state === OFFSET_KNOWN ? position : undefined);
    this.#values = [];
    this.#dependencies = [];
    this.#hasDependencies = false;
    return this.#done(entry);
  }

  #entryOf(
    values: readonly (number | string)[],
    dependencies: readonly number[],
    offsetFieldAt: number,
    dataAt: number | undefined,
  ): TocEntry {
    const [dumpId, data, classOid, oid, name, kind, section, definition, dropStatement, copyStatement, schema, tablespace] = values;
    const owner = values[values.length - 2];
    return {
      ...{ dumpId: Number(dumpId), classOid: Number(classOid), oid: Number(oid) },
      hasData: data !== 0,
      kind: String(kind),
      schema: String(schema),
      name: String(name),
      owner: String(owner),
      section: Number(section),
      definition: String(definition),
      dropStatement: String(dropStatement),
      copyStatement: String(copyStatement),
      tablespace: String(tablespace),
      dependencies,
      offsetFieldAt,
      dataAt,
    };
  }

  #readField(field: Field): number | string {
    if (field === "number") return this.#readInt();
    if (field === "text") return this.#readString(MAX_TEXT_BYTES);
    const length = this.#textLength(MAX_TEXT_BYTES);
    if (length > 0) this.#take(length);
    return "";
  }

  /** Undefined: there are none left. */
  #readDependency(): number | undefined {
    const length = this.#textLength(MAX_DEPENDENCY_BYTES);
    return length < 0 ? undefined : Number(this.#text(length));
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

  /** Negative: there is no text. */
  #textLength(most: number): number {
    const length = this.#readInt();
    if (length > most) throw nonsense(`its table of contents claims a text of ${length} bytes`);
    return length;
  }

  #text(length: number): string {
    const start = this.#take(length);
    return utf8.decode(this.#buffer.subarray(start, start + length));
  }

  #readString(most: number): string {
    const length = this.#textLength(most);
    return length < 0 ? "" : this.#text(length);
  }
}

const nonsense = (why: string): LifeboatError => new LifeboatError("INTEGRITY", `the archive is damaged: ${why}`);

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
