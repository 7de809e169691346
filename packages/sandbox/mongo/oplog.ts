// The oplog: all writes, in order, as `local.oplog.rs` shows them. Entries become bytes only when they are read.
// https://github.com/mongodb/mongo/blob/master/src/mongo/db/repl/oplog_entry.idl
import { Binary, type Document, Int32, Long } from "bson";
import { instantOf, LATEST, type Position, timestampOf } from "./position.ts";
import { assemble, bytesOf, encode, idDocument, type Raw } from "./raw.ts";

export interface OplogEntry {
  readonly position: Position;
  readonly wallMs: number;
  readonly op: "i" | "u" | "d" | "c" | "n";
  readonly ns: string;
  readonly uuid?: Buffer | undefined;
  readonly o: Raw;
  /** Where it is not simply the `_id` of what was inserted or updated. */
  readonly o2?: Buffer | undefined;
  /** `lsid` and `txnNumber` of a retryable write: one object for all its statements. */
  readonly session?: Document | undefined;
  readonly stmtId?: number | undefined;
  /** Of an entry of a transaction: where its entry before this one is. */
  readonly prevOpTime?: Document | undefined;
}

export const NULL_OP_TIME = { ts: timestampOf(0), t: Long.fromNumber(-1) };

const inner = (document: Document): Buffer => encode(document).subarray(4, -1);

/** Fields at the end, in bytes, with places for the few that differ: reading a long log makes no objects. */
const TIMES = { ts: timestampOf(0), t: Long.fromNumber(1), v: Long.fromNumber(2), wall: new Date(0) };
const TAIL = inner(TIMES);
const RETRYABLE_TAIL = inner({ stmtId: new Int32(0), ...TIMES, prevOpTime: NULL_OP_TIME });
const STMT_AT = 8;
const TS_AT = 4;
const WALL_AT = TAIL.length - 8;
const O = Buffer.from("\x03o\0", "latin1");
const O2 = Buffer.from("\x03o2\0", "latin1");

interface Head extends Pick<OplogEntry, "ns" | "op" | "uuid" | "session"> {
  readonly bytes: Buffer;
}

let head: Head | undefined;

/** Fields at the beginning. Neighbours mostly have the same. */
function headBytes({ op, ns, uuid, session }: OplogEntry): Buffer {
  if (head === undefined || head.ns !== ns || head.op !== op || head.uuid !== uuid || head.session !== session) {
    head = { ns, op, uuid, session, bytes: inner({ ...session, op, ns, ui: uuid === undefined ? undefined : new Binary(uuid, 4) }) };
  }
  return head.bytes;
}

export const opTimeOf = (position: Position): Document => ({ ts: timestampOf(position), t: Long.fromNumber(1) });

function tailBytes({ position, wallMs, stmtId, prevOpTime }: OplogEntry): Buffer {
  if (prevOpTime !== undefined) return inner({ ...TIMES, ts: timestampOf(position), wall: new Date(wallMs), prevOpTime });
  const bytes = Buffer.from(stmtId === undefined ? TAIL : RETRYABLE_TAIL);
  const shift = stmtId === undefined ? 0 : STMT_AT + 4;
  if (stmtId !== undefined) bytes.writeInt32LE(stmtId, STMT_AT);
  const { t, i } = instantOf(position);
  bytes.writeUInt32LE(i, shift + TS_AT);
  bytes.writeUInt32LE(t, shift + TS_AT + 4);
  bytes.writeBigInt64LE(BigInt(wallMs), shift + WALL_AT);
  return bytes;
}

/** `{_id}` of the document that was inserted or updated. */
function secondOf({ op, o, o2 }: OplogEntry): Buffer | undefined {
  return o2 ?? (op === "i" || op === "u" ? idDocument(o) : undefined);
}

/** The entry as a document. */
export function entryBytes(entry: OplogEntry): Buffer {
  const second = secondOf(entry);
  const parts = [headBytes(entry), O, bytesOf(entry.o), ...(second === undefined ? [] : [O2, second]), tailBytes(entry)];
  return assemble(parts);
}

export class Oplog {
  #entries: OplogEntry[] = [];
  #first = 0;
  #bytes = 0;
  /** Above this size the oldest entries are deleted. */
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Entries that are still there. */
  get count(): number {
    return this.#entries.length - this.#first;
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  get first(): OplogEntry | undefined {
    return this.#entries[this.#first];
  }

  get last(): OplogEntry | undefined {
    return this.count === 0 ? undefined : this.#entries.at(-1);
  }

  append(entry: OplogEntry): void {
    this.#entries.push(entry);
    this.#bytes += weight(entry);
    while (this.#bytes > this.limitBytes && this.count > 1) {
      this.#bytes -= weight(this.#entries[this.#first] as OplogEntry);
      this.#first++;
    }
    if (this.#first > 4096 && this.#first > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Deletes all entries: the next one is the first. */
  clear(): void {
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
  }

  /** The first entry at or after a position. */
  from(position: Position): OplogEntry | undefined {
    return this.#entries[this.#indexOf(position)];
  }

  /** Entries from a position to another, both included, in order; ones appended meanwhile too. */
  *scan(from: Position, to: Position = LATEST): Generator<OplogEntry> {
    for (let entry = this.from(from); entry !== undefined && entry.position <= to; entry = this.from(entry.position + 1)) yield entry;
  }

  *scanBackwards(from: Position, to: Position): Generator<OplogEntry> {
    const entries = this.#entries.slice(this.#first);
    for (const entry of entries.reverse()) if (entry.position >= from && entry.position <= to) yield entry;
  }

  #indexOf(position: Position): number {
    let [low, high] = [this.#first, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as OplogEntry).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const weight = (entry: OplogEntry): number => entry.o.length + (entry.o2?.length ?? 0) + entry.ns.length + 90;
