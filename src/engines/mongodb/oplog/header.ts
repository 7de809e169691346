// The first document of every archived segment of the oplog. It has the form of an entry that does nothing, so that whatever reads
// an oplog's file (`bsondump`, `mongorestore --oplogReplay`) reads a segment, or several in a row, as they are.
//
//   { op: "n", ns: "", o: { lifeboat: 1, system: "…", previous: "64 digits" }, ts: (just before the segment), t: -1, v: 2, wall: … }
//
// `system`: which set of servers the entries come from. `previous`: SHA-256 of the entry that the oplog held right before the first
// one, in the same reading: what proves that nothing lies between two segments. It is absent where a new stretch of log begins.
import { type Document, Long, serialize, Timestamp } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { elementNamed, elementsOf, TYPE, textOf } from "../bson/bson.ts";
import { readEntry } from "./entry.ts";
import type { Stamp } from "./position.ts";

export interface Header {
  /** Position just before the segment's first. */
  readonly stamp: Stamp;
  readonly system: string;
  readonly previous?: string | undefined;
}

export function writeHeader({ stamp, system, previous }: Header, at: Date): Uint8Array {
  const about: Document = { lifeboat: 1, system, ...(previous === undefined ? {} : { previous }) };
  const ts = new Timestamp({ t: Number(stamp >> 32n), i: Number(stamp & 0xffffffffn) });
  return serialize({ op: "n", ns: "", o: about, ts, t: Long.fromNumber(-1), v: Long.fromNumber(2), wall: at });
}

/** INTEGRITY when it is none of ours. */
export function readHeader(bytes: Uint8Array): Header {
  const { op, o, stamp } = readEntry(bytes);
  const fields = new Map(elementsOf(o).map((element) => [element.name, element]));
  const [system, previous] = [fields.get("system"), fields.get("previous")];
  if (op !== "n" || elementNamed(o, "lifeboat") === undefined || system?.type !== TYPE.string) {
    throw new LifeboatError("INTEGRITY", "it does not begin as a segment of the oplog does");
  }
  return { stamp, system: textOf(system), previous: previous?.type === TYPE.string ? textOf(previous) : undefined };
}
