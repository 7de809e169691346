// Which transactions of a WAL may have written a row: those that changed the block that it is in, those that changed its table while it
// was not there, those that may have given the table other files, and those that began before the WAL does. Whether they did is asked of
// the data.
//
// The segments have been proven before: records are taken apart here, whole ones, wherever pages and segments cut them.
import { LifeboatError } from "../../../core/errors.ts";
import { formatLsn } from "../../../core/lsn.ts";
import type { RowWrite, WriteLog } from "../../../ports/row-history.ts";
import { CONTINUES, LONG_HEADER_BYTES, OVERWRITES, SHORT_HEADER_BYTES } from "../log/page.ts";
import type { RowPlace } from "./database.ts";

const HEADER_BYTES = 24;
const [XLOG, TRANSACTION, RELMAP, STANDBY, HEAP2, HEAP] = [0, 1, 7, 8, 9, 10];
const RUNNING_XACTS = 0x10;
/** In `xl_running_xacts`: two counts and a flag come before it. */
const NEXT_XID_AT = 12;
const SWITCH = 0x40;
const IN_PLACE = 0x70;
const [COMMIT, ABORT, COMMIT_PREPARED, ABORT_PREPARED] = [0x00, 0x20, 0x30, 0x40];
const MAGIC_15 = 0xd110;
const MAGIC_18 = 0xd118;

interface Touched {
  /** `file/block`. */
  readonly blocks: Set<string>;
  /** The table may have other files once it commits. */
  catalog: boolean;
}

interface OpenRecord {
  readonly begin: bigint;
  readonly bytes: Buffer;
  seenBytes: number;
}

export class RowWrites implements WriteLog {
  #place: RowPlace | undefined;
  readonly #touched = new Map<number, Touched>();
  #open: OpenRecord | undefined;
  /** From this number on, transactions began after the first record: all that they wrote is seen. Undefined: not told yet. */
  #firstWhole: number | undefined;

  watch(place: object | "no database" | undefined): void {
    this.#place = place === "no database" ? NO_DATABASE : isPlace(place) ? place : undefined;
  }

  *take(segment: Uint8Array): Generator<RowWrite> {
    const bytes = Buffer.from(segment.buffer, segment.byteOffset, segment.byteLength);
    try {
      for (const record of this.#records(bytes)) {
        const write = this.#read(record.bytes, record.begin, record.end, bytes.readUInt16LE(0));
        if (write !== undefined) yield write;
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new LifeboatError("INTEGRITY", "a record of the log is not laid out as one", { cause: error });
    }
  }

  *#records(bytes: Buffer): Generator<{ readonly bytes: Buffer; readonly begin: bigint; readonly end: bigint }> {
    const start = bytes.readBigUInt64LE(8);
    const pageBytes = bytes.readUInt32LE(36);
    for (let page = 0; page < bytes.length; page += pageBytes) {
      const flags = bytes.readUInt16LE(page + 2);
      const pageEnd = page + pageBytes;
      if (bytes.readUInt16LE(page) === 0) return; // the log ends here
      let at = page + (page === 0 ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES);
      if (flags & OVERWRITES) this.#open = undefined;
      if (flags & CONTINUES) {
        const left = bytes.readUInt32LE(page + 16);
        const to = Math.min(at + left, pageEnd);
        const open = this.#open;
        if (open !== undefined) {
          bytes.copy(open.bytes, open.seenBytes, at, to);
          open.seenBytes += to - at;
          if (open.seenBytes >= open.bytes.length) {
            this.#open = undefined;
            yield { bytes: open.bytes, begin: open.begin, end: start + BigInt(aligned(to)) };
          }
        }
        if (at + left > pageEnd) continue;
        at = aligned(to);
      } else this.#open = undefined;
      while (at < pageEnd) {
        const sizeBytes = bytes.readUInt32LE(at);
        if (sizeBytes < HEADER_BYTES) return;
        const begin = start + BigInt(at);
        if (at + sizeBytes > pageEnd) {
          this.#open = { begin, bytes: Buffer.alloc(sizeBytes), seenBytes: pageEnd - at };
          bytes.copy(this.#open.bytes, 0, at, pageEnd);
          break;
        }
        const record = bytes.subarray(at, at + sizeBytes);
        at = aligned(at + sizeBytes);
        yield { bytes: record, begin, end: start + BigInt(at) };
        if (record[17] === XLOG && ((record[16] ?? 0) & 0xf0) === SWITCH) return;
      }
    }
  }

  #read(bytes: Buffer, begin: bigint, end: bigint, magic: number): RowWrite | undefined {
    const [info = 0, manager = 0] = [bytes[16], bytes[17]];
    const xid = bytes.readUInt32LE(4);
    if (manager === RELMAP) this.#of(xid).catalog = true;
    else if (manager === STANDBY && (info & 0xf0) === RUNNING_XACTS)
      this.#firstWhole ??= bytes.readUInt32LE(headOf(bytes, magic).main + NEXT_XID_AT);
    else if (manager === HEAP2 || (manager === HEAP && (info & 0x70) !== IN_PLACE)) this.#touch(bytes, xid, magic);
    else if (manager === TRANSACTION) return this.#end(bytes, info, xid, begin, end, magic);
    return undefined;
  }

  #touch(bytes: Buffer, xid: number, magic: number): void {
    const place = this.#place;
    if (xid === 0) return;
    // Where the row is, is not known now, but may be when the transaction ends.
    if (place === undefined) {
      this.#of(xid).catalog = true;
      return;
    }
    for (const { database, file, block } of headOf(bytes, magic).blocks) {
      if (database !== place.database) continue;
      if (file === place.catalog) this.#of(xid).catalog = true;
      else if (place.files.has(file)) this.#of(xid).blocks.add(`${file}/${block}`);
    }
  }

  #of(xid: number): Touched {
    let touched = this.#touched.get(xid);
    if (touched === undefined) {
      touched = { blocks: new Set(), catalog: false };
      this.#touched.set(xid, touched);
    }
    return touched;
  }

  #end(bytes: Buffer, info: number, own: number, begin: bigint, end: bigint, magic: number): RowWrite | undefined {
    const operation = info & 0x70;
    if (operation !== COMMIT && operation !== COMMIT_PREPARED && operation !== ABORT && operation !== ABORT_PREPARED) return undefined;
    const { main, origin } = headOf(bytes, magic);
    const { children, prepared } = endOf(bytes.subarray(main), (info & 0x80) !== 0, magic);
    const xid = prepared ?? own;
    const touched = [xid, ...children].flatMap((one) => {
      const found = this.#touched.get(one);
      this.#touched.delete(one);
      return found ?? [];
    });
    if (operation === ABORT || operation === ABORT_PREPARED) return undefined;
    if (this.#isWhole(xid) && !this.#mayWrite(touched)) return undefined;
    return { lsn: formatLsn(begin), end: formatLsn(end), xid, origin };
  }

  /** Numbers are compared in their circle. */
  #isWhole(xid: number): boolean {
    return this.#firstWhole !== undefined && ((xid - this.#firstWhole) | 0) >= 0;
  }

  #mayWrite(touched: readonly Touched[]): boolean {
    if (this.#place === undefined) return true;
    const { block } = this.#place;
    return touched.some(
      ({ blocks, catalog }) => catalog || (block === undefined ? blocks.size > 0 : blocks.has(`${block.file}/${block.block}`)),
    );
  }
}

const isPlace = (place: object | undefined): place is RowPlace => place !== undefined && "files" in place;

/** A database is a row of `pg_database`, which belongs to no database; OID 1262. */
const NO_DATABASE: RowPlace = { database: 0, files: new Set([1262]), catalog: -1 };

const aligned = (at: number): number => (at + 7) & ~7;

interface Head {
  readonly blocks: readonly { readonly database: number; readonly file: number; readonly block: number }[];
  /** Where the main data begins. */
  readonly main: number;
  readonly origin?: number | undefined;
}

const [DATA_SHORT, DATA_LONG, ORIGIN, TOP_LEVEL] = [255, 254, 253, 252];
const MOST_BLOCKS = 32;
const [HAS_IMAGE, SAME_FILE, FORK] = [0x10, 0x80, 0x0f];

/** As `DecodeXLogRecord` reads it: headers first, until what is left is what they announced. */
function headOf(bytes: Buffer, magic: number): Head {
  const blocks: { database: number; file: number; block: number }[] = [];
  let [database, file] = [0, 0];
  let origin: number | undefined;
  let at = HEADER_BYTES;
  let announced = 0;
  let mainBytes = 0;
  while (bytes.length - at > announced) {
    const id = bytes.readUInt8(at);
    if (id === DATA_SHORT || id === DATA_LONG) {
      mainBytes = id === DATA_SHORT ? bytes.readUInt8(at + 1) : bytes.readUInt32LE(at + 1);
      break; // always the last one
    }
    if (id === ORIGIN) {
      origin = bytes.readUInt16LE(at + 1);
      at += 3;
    } else if (id === TOP_LEVEL) at += 5;
    else if (id <= MOST_BLOCKS) {
      const flags = bytes.readUInt8(at + 1);
      announced += bytes.readUInt16LE(at + 2);
      at += 4;
      if (flags & HAS_IMAGE) {
        announced += bytes.readUInt16LE(at);
        const image = bytes.readUInt8(at + 4);
        const isCompressed = (image & (magic >= MAGIC_15 ? 0x1c : 0x02)) !== 0;
        at += 5 + (isCompressed && image & 0x01 ? 2 : 0);
      }
      if ((flags & SAME_FILE) === 0) {
        [database, file] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
        at += 12;
      }
      const block = bytes.readUInt32LE(at);
      at += 4;
      if ((flags & FORK) === 0) blocks.push({ database, file, block });
    } else throw new LifeboatError("INTEGRITY", `a record of the log has a part of kind ${id}`);
  }
  return { blocks, main: bytes.length - mainBytes, origin };
}

const [HAS_DATABASE, HAS_CHILDREN, HAS_FILES, HAS_MESSAGES, HAS_PREPARED, HAS_STATISTICS] = [1, 2, 4, 8, 16, 256];

/** As `ParseCommitRecord` reads it: the numbers of its subtransactions, and that of the transaction which was prepared. */
function endOf(main: Buffer, hasInfo: boolean, magic: number): { readonly children: number[]; readonly prepared?: number | undefined } {
  const children: number[] = [];
  if (!hasInfo) return { children };
  const info = main.readUInt32LE(8);
  let at = 12;
  const skipList = (itemBytes: number): void => {
    at += 4 + main.readInt32LE(at) * itemBytes;
  };
  if (info & HAS_DATABASE) at += 8;
  if (info & HAS_CHILDREN) {
    const count = main.readInt32LE(at);
    for (let index = 0; index < count; index++) children.push(main.readUInt32LE(at + 4 + 4 * index));
    skipList(4);
  }
  if (info & HAS_FILES) skipList(12);
  if (info & HAS_STATISTICS) skipList(magic >= MAGIC_18 ? 16 : 12);
  if (info & HAS_MESSAGES) skipList(16);
  return { children, prepared: info & HAS_PREPARED ? main.readUInt32LE(at) : undefined };
}
