// Walks an archive while its bytes pass by and says at the end whether it is whole.
//
// `pg_restore -l` accepts every truncation, so a backup counts only after each table that the contents name was seen with
// its data, begun and properly ended. After the contents follow the blocks: a type byte, the entry's id, then pieces, each an
// integer length and bytes, closed by a length of 0; a block of large objects holds an object id before each such list and is
// closed by the id 0 (PostgreSQL's pg_backup_custom.c). pg_dump before 16 writes every row as a piece of its own, so ten million
// rows are ten million lengths: `feed` is one flat loop over numbers that allocates nothing.
import { LifeboatError } from "../../../core/errors.ts";
import { type Contents, ContentsReader, type TocEntry } from "./contents.ts";

export interface WalkedArchive {
  readonly contents: Contents;
  /** Where the data block of each entry begins, by dump id: bytes from the start of the archive. */
  readonly blocks: ReadonlyMap<number, number>;
  readonly sizeBytes: number;
}

/** Hears the content of an entry's data block, piece by piece: the bytes between two places of a chunk, valid during the call. */
export type Listener = (chunk: Uint8Array, from: number, to: number) => void;

/** Chooses the entries whose data is heard, as each block begins. Undefined: it is not. */
export type Tap = (entry: TocEntry, contents: Contents) => Listener | undefined;

const BLOCK_TABLE = 1;
const BLOCK_LARGE_OBJECTS = 3;

/** What the next byte is. */
const BLOCK_TYPE = 0;
const BLOCK_ID = 1;
const PIECE_LENGTH = 2;
const PIECE_BODY = 3;
const OBJECT_ID = 4;

/** How many last bytes of a block's data are remembered across fed chunks: enough for `\n\.\n\n\n`. */
const TAIL_BYTES = 8;

/** Feed it every chunk in order, then `end()`. Both throw DUMP_INCOMPLETE, naming the table, as soon as something is wrong. */
export class ArchiveWalker {
  #reader: ContentsReader | undefined = new ContentsReader();
  #contents: Contents | undefined;
  /** Entries that still wait for their block. */
  readonly #waiting = new Map<number, TocEntry>();
  readonly #blocks = new Map<number, number>();
  #entry: TocEntry | undefined;
  #blockType = 0;
  #blockAt = 0;
  /** Bytes fed before the present chunk. */
  #fedBytes = 0;

  #state = BLOCK_TYPE;
  #bodyLeft = 0;
  /** An integer cut by the end of a chunk: how many of its bytes were read, its sign, its value so far. */
  #intRead = 0;
  #intSign = 0;
  #intValue = 0;
  #intSize = 4;

  /** End of the block's data so far, to check the end marker of COPY data. */
  readonly #tail = new Uint8Array(TAIL_BYTES);
  #tailLength = 0;

  readonly #tap: Tap | undefined;
  #listener: Listener | undefined;

  constructor(tap?: Tap) {
    this.#tap = tap;
  }

  feed(chunk: Uint8Array): void {
    let from = 0;
    if (this.#reader !== undefined) {
      const contents = this.#readContents(chunk);
      if (contents === undefined) {
        this.#fedBytes += chunk.length;
        return;
      }
      from = contents.sizeBytes - this.#fedBytes;
    }
    this.#walk(chunk, from);
    this.#fedBytes += chunk.length;
  }

  /** Judges the whole. Throws when anything is cut, missing or more than it should be. */
  end(): WalkedArchive {
    if (this.#contents === undefined) throw incomplete("pg_dump's output ends inside its table of contents");
    if (this.#state !== BLOCK_TYPE) throw incomplete(`pg_dump's output ends inside ${this.#place()}`);
    const missing = [...this.#waiting.values()];
    const first = missing[0];
    if (first !== undefined) {
      const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
      throw incomplete(`pg_dump's output lacks ${describe(first)}${more}`);
    }
    return { contents: this.#contents, blocks: this.#blocks, sizeBytes: this.#fedBytes };
  }

  #readContents(chunk: Uint8Array): Contents | undefined {
    let contents: Contents | undefined;
    try {
      contents = this.#reader?.feed(chunk);
    } catch (error) {
      if (error instanceof LifeboatError && error.code === "INTEGRITY") throw incomplete(error.message, error);
      throw error;
    }
    if (contents === undefined) return undefined;
    this.#reader = undefined;
    this.#contents = contents;
    this.#intSize = contents.header.intSize;
    for (const entry of contents.entries) {
      if (!entry.hasData) continue;
      if (this.#waiting.has(entry.dumpId)) throw incomplete(`pg_dump's output lists data block ${entry.dumpId} twice`);
      this.#waiting.set(entry.dumpId, entry);
    }
    return contents;
  }

  #walk(chunk: Uint8Array, from: number): void {
    const end = chunk.length;
    const intBytes = this.#intSize + 1;
    const fastInts = this.#intSize === 4;
    let at = from;
    let state = this.#state;
    while (at < end) {
      if (state === PIECE_BODY) {
        const listener = this.#listener;
        let left = this.#bodyLeft;
        for (;;) {
          const stop = at + left;
          if (stop > end) {
            this.#remember(chunk, at, end);
            listener?.(chunk, at, end);
            this.#bodyLeft = stop - end;
            at = end;
            break;
          }
          // The common case: the next length lies whole in this chunk. Bit operations make a length over 2 GB negative, which takes the slow path.
          const near = fastInts && end - stop >= 5;
          const next = near
            ? (chunk[stop + 1] as number) |
              ((chunk[stop + 2] as number) << 8) |
              ((chunk[stop + 3] as number) << 16) |
              ((chunk[stop + 4] as number) << 24)
            : 0;
          const plainLength = next > 0 && chunk[stop] === 0;
          if (next < TAIL_BYTES || !plainLength) this.#remember(chunk, at, stop);
          listener?.(chunk, at, stop);
          if (!plainLength) {
            at = stop;
            state = PIECE_LENGTH;
            break;
          }
          at = stop + 5;
          left = next;
        }
        continue;
      }
      if (state === BLOCK_TYPE) {
        this.#beginBlock(chunk[at] as number, this.#fedBytes + at);
        at += 1;
        state = BLOCK_ID;
        continue;
      }
      // An integer, byte by byte: it may be cut anywhere.
      const byte = chunk[at] as number;
      at += 1;
      if (this.#intRead === 0) this.#intSign = byte;
      else this.#intValue += byte * 256 ** (this.#intRead - 1);
      this.#intRead += 1;
      if (this.#intRead < intBytes) continue;
      const value = this.#intSign === 0 ? this.#intValue : -this.#intValue;
      this.#intRead = 0;
      this.#intValue = 0;
      state = this.#afterInt(state, value);
    }
    this.#state = state;
  }

  #beginBlock(type: number, at: number): void {
    if (type !== BLOCK_TABLE && type !== BLOCK_LARGE_OBJECTS) {
      throw incomplete(`pg_dump's output continues after its last block with something that is not a data block (byte ${at})`);
    }
    this.#blockType = type;
    this.#blockAt = at;
    this.#entry = undefined;
  }

  #afterInt(state: number, value: number): number {
    if (state === BLOCK_ID) return this.#identifyBlock(value);
    if (state === OBJECT_ID) {
      if (value === 0) return this.#endBlock();
      this.#tailLength = 0;
      return PIECE_LENGTH;
    }
    if (value > 0) {
      this.#bodyLeft = value;
      return PIECE_BODY;
    }
    if (value < 0) throw incomplete(`${this.#place()} holds a piece of ${value} bytes`);
    if (this.#blockType === BLOCK_LARGE_OBJECTS) return OBJECT_ID;
    return this.#endBlock();
  }

  #identifyBlock(dumpId: number): number {
    const entry = this.#waiting.get(dumpId);
    if (entry === undefined) {
      const twice = this.#blocks.has(dumpId) ? "a second time" : "that its contents do not name";
      throw incomplete(`pg_dump's output holds data block ${dumpId} ${twice}`);
    }
    if ((entry.kind === "BLOBS") !== (this.#blockType === BLOCK_LARGE_OBJECTS)) {
      throw incomplete(`pg_dump's output holds ${describe(entry)} in a block of the wrong type`);
    }
    this.#entry = entry;
    this.#blocks.set(dumpId, this.#blockAt);
    this.#listener = this.#contents && this.#tap?.(entry, this.#contents);
    this.#tailLength = 0;
    return this.#blockType === BLOCK_LARGE_OBJECTS ? OBJECT_ID : PIECE_LENGTH;
  }

  #endBlock(): number {
    const entry = this.#entry;
    if (entry === undefined) throw new LifeboatError("BUG", "a block ended that never began");
    // COPY data is closed by a line of its own; a tool that died while it wrote rows cannot have written it.
    if (this.#blockType === BLOCK_TABLE && this.#contents?.header.plain === true && entry.copyStatement !== "") {
      if (!endsCopy(this.#tail, this.#tailLength)) throw incomplete(`${describe(entry)} ends without its end marker`);
    }
    this.#waiting.delete(entry.dumpId);
    this.#entry = undefined;
    return BLOCK_TYPE;
  }

  /** Keeps the last bytes of the block's data when they leave the loop's sight: at the end of a chunk, or of the block. */
  #remember(chunk: Uint8Array, from: number, to: number): void {
    const tail = this.#tail;
    const size = to - from;
    if (size >= TAIL_BYTES) {
      for (let index = 0; index < TAIL_BYTES; index++) tail[index] = chunk[to - TAIL_BYTES + index] as number;
      this.#tailLength = TAIL_BYTES;
      return;
    }
    const kept = Math.min(this.#tailLength, TAIL_BYTES - size);
    tail.copyWithin(0, this.#tailLength - kept, this.#tailLength);
    for (let index = 0; index < size; index++) tail[kept + index] = chunk[from + index] as number;
    this.#tailLength = kept + size;
  }

  #place(): string {
    return this.#entry === undefined ? "the head of a data block" : describe(this.#entry);
  }
}

/** Whether data ends with the line `\.` and nothing but line ends after it. */
function endsCopy(tail: Uint8Array, length: number): boolean {
  const [newline, dot, backslash] = [10, 46, 92];
  let end = length;
  while (end > 0 && tail[end - 1] === newline) end -= 1;
  return end < length && end >= 2 && tail[end - 1] === dot && tail[end - 2] === backslash && (end === 2 || tail[end - 3] === newline);
}

/** As `the data of table public.users`. */
function describe(entry: TocEntry): string {
  return entry.kind === "BLOBS" ? "the large objects" : `the data of table ${entry.schema}.${entry.name}`;
}

const incomplete = (message: string, cause?: unknown): LifeboatError => new LifeboatError("DUMP_INCOMPLETE", message, { cause });

/** Passes the bytes on unchanged, and ends only when they were a whole archive; `onWalked` is called just before the end. */
export async function* walkArchive(
  bytes: AsyncIterable<Uint8Array>,
  onWalked: (walked: WalkedArchive) => void,
): AsyncGenerator<Uint8Array> {
  const walker = new ArchiveWalker();
  for await (const chunk of bytes) {
    walker.feed(chunk);
    yield chunk;
  }
  onWalked(walker.end());
}
