// The operation log: what was done, in order, as `local.oplog.rs` shows it. Entries become bytes only when they are read.
// https://github.com/mongodb/mongo/blob/master/src/mongo/db/repl/oplog_entry.idl
import { Binary, type Document, Long } from "bson";
import { LATEST, type Position, timestampOf } from "./position.ts";
import { assemble, bytesOf, encode, type Raw } from "./raw.ts";

export interface OplogEntry {
  readonly position: Position;
  readonly wallMs: number;
  readonly op: "i" | "u" | "d" | "c" | "n";
  readonly ns: string;
  readonly uuid?: Buffer | undefined;
  readonly o: Raw;
  readonly o2?: Buffer | undefined;
  /** Fields that stand before everything: `lsid`, `txnNumber`, `stmtId` of a retryable write. */
  readonly session?: Document | undefined;
}

const NULL_OP_TIME = { ts: timestampOf(0), t: Long.fromNumber(-1) };

const embedded = (name: string, document: Buffer): Buffer => Buffer.concat([Buffer.from(`\x03${name}\0`, "latin1"), document]);
const inner = (document: Buffer): Buffer => document.subarray(4, -1);

/** The entry as a document. */
export function entryBytes(entry: OplogEntry): Buffer {
  const { position, wallMs, op, ns, uuid, session } = entry;
  const before = encode({ ...session, op, ns, ui: uuid === undefined ? undefined : new Binary(uuid, 4) });
  const after = encode({
    ts: timestampOf(position),
    t: Long.fromNumber(1),
    v: Long.fromNumber(2),
    wall: new Date(wallMs),
    ...(session?.txnNumber === undefined ? {} : { prevOpTime: NULL_OP_TIME }),
  });
  const second = entry.o2 === undefined ? [] : [embedded("o2", entry.o2)];
  return assemble([inner(before), embedded("o", bytesOf(entry.o)), ...second, inner(after)]);
}

export class Oplog {
  #entries: OplogEntry[] = [];
  #first = 0;
  #bytes = 0;
  readonly #limitBytes: number;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
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
    while (this.#bytes > this.#limitBytes && this.count > 1) {
      this.#bytes -= weight(this.#entries[this.#first] as OplogEntry);
      this.#first++;
    }
    if (this.#first > 4096 && this.#first > this.#entries.length / 2) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Forgets all: the next entry is the first. */
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
