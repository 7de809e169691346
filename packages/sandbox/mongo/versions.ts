// One collection's documents, in record order, each as a chain of versions: a read of the past costs no copy.
import { LATEST, type Position } from "./position.ts";
import { findField, type Raw, valueAt } from "./raw.ts";
import { keyOf } from "./values.ts";

/** A document from one position on, until the next newer version of its record. `length` 0: it was deleted there. */
export interface DocumentVersion extends Raw {
  /** Changed once, when a pending one is committed. */
  from: Position;
  readonly prev: DocumentVersion | undefined;
}

/** A place in record order. A document keeps it through all its updates. */
export interface Slot {
  head: DocumentVersion;
}

/** The version that was there at a position. */
export function visible(slot: Slot, at: Position): DocumentVersion | undefined {
  let version: DocumentVersion | undefined = slot.head;
  while (version !== undefined && version.from > at) version = version.prev;
  return version === undefined || version.length === 0 ? undefined : version;
}

/** Equal for `_id`s that the server holds to be equal. */
export function idKeyOf(raw: Raw): string {
  const id = findField(raw, "_id");
  if (id === undefined) return "0";
  if (id.type === 7) return raw.chunk.toString("latin1", id.start, id.end);
  return keyOf(valueAt(raw.chunk, id));
}

export class Records {
  readonly uuid: Buffer;
  readonly slots: Slot[] = [];
  /** The present documents, by `_id`. */
  readonly byId = new Map<string, Slot>();
  sizeBytes = 0;
  /** All slots before it are deleted at present: where a scan of the present may begin. */
  firstLive = 0;
  /** A transaction has written here and not ended yet. */
  pending = false;

  constructor(uuid: Buffer) {
    this.uuid = uuid;
  }

  get count(): number {
    return this.byId.size;
  }

  insert(key: string, raw: Raw, from: Position): Slot {
    const slot: Slot = { head: { chunk: raw.chunk, offset: raw.offset, length: raw.length, from, prev: undefined } };
    this.slots.push(slot);
    this.byId.set(key, slot);
    this.sizeBytes += raw.length;
    return slot;
  }

  replace(slot: Slot, raw: Raw, from: Position): void {
    this.sizeBytes += raw.length - slot.head.length;
    slot.head = { chunk: raw.chunk, offset: raw.offset, length: raw.length, from, prev: slot.head };
  }

  remove(key: string, slot: Slot, from: Position): void {
    this.sizeBytes -= slot.head.length;
    const { chunk, offset } = slot.head;
    slot.head = { chunk, offset, length: 0, from, prev: slot.head };
    this.byId.delete(key);
    while (this.firstLive < this.slots.length && this.slots[this.firstLive]?.head.length === 0) this.firstLive++;
  }

  /** Documents as they were at a position, in record order. Those written while it runs are seen when `at` is LATEST. */
  *scan(at: Position): Generator<DocumentVersion> {
    for (let index = at >= LATEST && !this.pending ? this.firstLive : 0; index < this.slots.length; index++) {
      const version = visible(this.slots[index] as Slot, at);
      if (version !== undefined) yield version;
    }
  }

  *scanBackwards(at: Position): Generator<DocumentVersion> {
    for (let index = this.slots.length - 1; index >= 0; index--) {
      const version = visible(this.slots[index] as Slot, at);
      if (version !== undefined) yield version;
    }
  }
}
