// One entry of the oplog, as far as archiving and replay look into it. What it says of the data stays raw.
// https://github.com/mongodb/mongo/blob/master/src/mongo/db/repl/oplog_entry.idl
import { LifeboatError } from "../../../core/errors.ts";
import type { Micros } from "../../../core/log.ts";
import { microsOf } from "../../../core/micros.ts";
import { type Element, elementsOf, TYPE, textOf } from "../bson/bson.ts";
import type { Stamp } from "./position.ts";

export interface Entry {
  readonly stamp: Stamp;
  /** `i`, `u`, `d`, `c`, `n`, or what a server newer than us writes. */
  readonly op: string;
  readonly ns: string;
  /** When the server did it, by its own clock. */
  readonly wall: Micros;
  readonly o: Uint8Array;
  readonly o2?: Uint8Array | undefined;
  /** Every field, for what is rarely asked. */
  readonly fields: ReadonlyMap<string, Element>;
  readonly bytes: Uint8Array;
}

/** Throws INTEGRITY for malformed BSON and for other documents. */
export function readEntry(bytes: Uint8Array): Entry {
  const fields = new Map(elementsOf(bytes).map((element) => [element.name, element]));
  return entryOf(fields, bytes, undefined);
}

/** An operation within an `applyOps`: it has what the whole has not, and the whole's time. */
export function readInner(bytes: Uint8Array, whole: Pick<Entry, "stamp" | "wall">): Entry {
  const fields = new Map(elementsOf(bytes).map((element) => [element.name, element]));
  return entryOf(fields, bytes, whole);
}

function entryOf(fields: ReadonlyMap<string, Element>, bytes: Uint8Array, whole: Pick<Entry, "stamp" | "wall"> | undefined): Entry {
  const [op, ns, o, o2] = ["op", "ns", "o", "o2"].map((name) => fields.get(name));
  if (op?.type !== TYPE.string || ns?.type !== TYPE.string || o?.type !== TYPE.document) throw malformed("it has no op, ns or o");
  return {
    stamp: whole?.stamp ?? stampIn(fields),
    op: textOf(op),
    ns: textOf(ns),
    wall: whole?.wall ?? wallIn(fields),
    o: o.value,
    o2: o2?.type === TYPE.document ? o2.value : undefined,
    fields,
    bytes,
  };
}

/** Position and time only. */
export function stampAndWall(bytes: Uint8Array): { readonly stamp: Stamp; readonly wall: Micros } {
  const fields = new Map(elementsOf(bytes).map((element) => [element.name, element]));
  return { stamp: stampIn(fields), wall: wallIn(fields) };
}

function stampIn(fields: ReadonlyMap<string, Element>): Stamp {
  const ts = fields.get("ts");
  if (ts?.type !== TYPE.timestamp) throw malformed("it has no ts");
  return Buffer.from(ts.value.buffer, ts.value.byteOffset, 8).readBigUInt64LE(0);
}

function wallIn(fields: ReadonlyMap<string, Element>): Micros {
  const wall = fields.get("wall");
  if (wall?.type !== TYPE.date) throw malformed("it has no wall");
  const at = new Date(Number(Buffer.from(wall.value.buffer, wall.value.byteOffset, 8).readBigInt64LE(0)));
  if (Number.isNaN(at.getTime())) throw malformed("its wall is not a valid instant");
  return microsOf(at);
}

const malformed = (why: string): LifeboatError => new LifeboatError("INTEGRITY", `the bytes are not an oplog entry: ${why}`);
