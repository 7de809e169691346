// A segment of the archived oplog: a header, then a run of consecutive entries, all raw BSON documents one after another.
//
// A segment says of itself what it covers: its name holds the first position (16 hexadecimal digits after the timeline), and it ends
// right after its last entry. So a missing one leaves a gap between two positions, and sizes need not be equal.
import { hash } from "node:crypto";
import { type Document, Long, serialize, Timestamp } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import type { CommitMark, LogChange, Micros, SegmentFacts } from "../../../core/log.ts";
import { compareLsn } from "../../../core/lsn.ts";
import { maxMicros } from "../../../core/micros.ts";
import { assertWellFormed, elementNamed, elementsOf, TYPE, textOf, walkDocuments } from "../bson/bson.ts";
import { readEntry, stampAndWall } from "./entry.ts";
import { after, positionOf, type Stamp, stampOf, startOfSegment, TIMELINE } from "./position.ts";

/** What the header of the next segment must name: kept in the facts. */
export interface Tail {
  readonly position: string;
  /** SHA-256 of the last entry. */
  readonly sha256: string;
}

/** An entry, and when it was made. */
export interface Slice {
  readonly stamp: Stamp;
  readonly wall: Micros;
  readonly bytes: Uint8Array;
}

export const entryDigest = (entry: Uint8Array): string => hash("sha256", entry, "hex");

/** The documents of a segment. Damaged bytes, order or edges: INTEGRITY. */
export function openSegment(name: string, bytes: Uint8Array): { readonly header: Header; readonly entries: readonly Slice[] } {
  const start = stampOf(startOfSegment(name));
  try {
    let header: Header | undefined;
    const entries: Slice[] = [];
    let previous = start - 1n;
    walkDocuments(bytes, (from, to) => {
      const document = bytes.subarray(from, to);
      assertWellFormed(document);
      if (from === 0) {
        header = readHeader(document);
        return;
      }
      const slice = { ...stampAndWall(document), bytes: document };
      if (slice.stamp <= previous) {
        throw new LifeboatError("INTEGRITY", `the entry at ${positionOf(slice.stamp)} does not lie after ${positionOf(previous)}`);
      }
      entries.push(slice);
      previous = slice.stamp;
    });
    if (header === undefined || entries.length === 0) throw new LifeboatError("INTEGRITY", "it holds no entry");
    if (after(header.stamp) !== start) {
      throw new LifeboatError(
        "INTEGRITY",
        `it says that it begins after ${positionOf(header.stamp)}, and its name that it begins at ${positionOf(start)}`,
      );
    }
    return { header, entries };
  } catch (error) {
    if (!(error instanceof LifeboatError)) throw error;
    throw new LifeboatError("INTEGRITY", `log segment ${name} is damaged: ${error.message}`, { cause: error });
  }
}

/** As the port says. `linked`: the entry right before it is the last one of the segment before, byte for byte. */
export function readSegment(
  name: string,
  bytes: Uint8Array,
  before?: SegmentFacts,
): { readonly facts: SegmentFacts; readonly linked: boolean } {
  const { header, entries } = openSegment(name, bytes);
  const last = entries.at(-1) as Slice;
  const startLsn = startOfSegment(name);
  const endLsn = positionOf(after(last.stamp));
  let maxCommitAt: Micros | undefined;
  for (const { wall } of entries) maxCommitAt = maxMicros(maxCommitAt, wall);
  const facts: SegmentFacts = {
    name,
    timeline: TIMELINE,
    startLsn,
    nextLsn: endLsn,
    systemIdentifier: header.system,
    free: true,
    records: entries.length,
    endLsn,
    partial: false,
    firstCommit: markAt(entries, 0, startLsn),
    lastCommit: markAt(entries, entries.length - 1, startLsn),
    maxCommitAt,
    tail: { position: positionOf(last.stamp), sha256: entryDigest(last.bytes) } satisfies Tail,
  };
  return { facts, linked: isLinked(header, startLsn, before) };
}

function isLinked({ system, previous }: Header, startLsn: string, before: SegmentFacts | undefined): boolean {
  if (before === undefined || previous === undefined || before.partial) return false;
  return before.systemIdentifier === system && compareLsn(before.nextLsn, startLsn) === 0 && tailOf(before)?.sha256 === previous;
}

/** Returns what is recorded of a segment's last entry; undefined for segments other than of an oplog. */
export function tailOf({ tail }: Pick<SegmentFacts, "tail">): Tail | undefined {
  const found = tail as Partial<Tail> | undefined;
  return typeof found?.position === "string" && typeof found.sha256 === "string" ? (found as Tail) : undefined;
}

/** Every entry is a mark: each has its own instant, and replay can stop before any. */
function markAt(entries: readonly Slice[], index: number, startLsn: string): CommitMark {
  const entry = entries[index] as Slice;
  const previous = entries[index - 1];
  return {
    lsn: positionOf(entry.stamp),
    previousEnd: previous === undefined ? startLsn : positionOf(after(previous.stamp)),
    at: entry.wall,
  };
}

/** The first entry, in log order, made later than the instant, at or after `from`. */
export function firstCommitAfter(
  name: string,
  bytes: Uint8Array,
  _before: SegmentFacts | undefined,
  at: Micros,
  from?: string,
): CommitMark | undefined {
  const { entries } = openSegment(name, bytes);
  const least = from === undefined ? 0n : stampOf(from);
  const index = entries.findIndex(({ stamp, wall }) => stamp >= least && wall > at);
  return index < 0 ? undefined : markAt(entries, index, startOfSegment(name));
}

/** The first entry at or after the position. */
export function recordAt(
  name: string,
  bytes: Uint8Array,
  _before: SegmentFacts | undefined,
  lsn: string,
): { readonly lsn: string; readonly previousEnd: string } | undefined {
  const { entries } = openSegment(name, bytes);
  const least = stampOf(lsn);
  const index = entries.findIndex(({ stamp }) => stamp >= least);
  if (index < 0) return undefined;
  const { lsn: found, previousEnd } = markAt(entries, index, startOfSegment(name));
  return { lsn: found, previousEnd };
}

const OPERATIONS: Readonly<Record<string, string>> = { i: "insert into", u: "update of", d: "delete from", c: "command in" };

/** The entries of the segment; those that do nothing change nothing. */
export function changesIn(name: string, bytes: Uint8Array): LogChange[] {
  return openSegment(name, bytes).entries.map(({ stamp, wall, bytes: document }) => {
    const { op, ns, o } = readEntry(document);
    const command = op === "c" ? `${elementsOf(o)[0]?.name ?? "command"} in` : OPERATIONS[op];
    return {
      lsn: positionOf(stamp),
      end: positionOf(after(stamp)),
      at: wall,
      id: `${command ?? op} ${op === "c" ? ns.replace(/\.\$cmd$/, "") : ns}`,
      changes: op !== "n",
    };
  });
}

// The first document of every archived segment of the oplog. It has the form of an entry that does nothing, so that tools which read
// an oplog's file (`bsondump`, `mongorestore --oplogReplay`) read a segment, or several in a row, as they are.
//
//   { op: "n", ns: "", o: { lifeboat: 1, system: "…", previous: "64 digits" }, ts: (just before the segment), t: -1, v: 2, wall: … }
//
// `system`: which set of servers the entries come from. `previous`: SHA-256 of the entry that the oplog held right before the first
// one, in the same reading: it proves that no entry is between two segments. Absent where a new recovery window begins.

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

/** Throws INTEGRITY for other documents. */
export function readHeader(bytes: Uint8Array): Header {
  const { op, o, stamp } = readEntry(bytes);
  const fields = new Map(elementsOf(o).map((element) => [element.name, element]));
  const [system, previous] = [fields.get("system"), fields.get("previous")];
  if (op !== "n" || elementNamed(o, "lifeboat") === undefined || system?.type !== TYPE.string) {
    throw new LifeboatError("INTEGRITY", "it does not begin as a segment of the oplog does");
  }
  return { stamp, system: textOf(system), previous: previous?.type === TYPE.string ? textOf(previous) : undefined };
}
