// Names of the log's files: `<timeline><segment number in two parts>`, 24 hexadecimal digits; `<timeline>.history`.
import { LifeboatError } from "../../../core/errors.ts";
import { parseLsn, segmentNameAt } from "../../../core/lsn.ts";

const SEGMENT = /^([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?$/;
const HISTORY = /^[0-9A-F]{8}\.history$/;

export interface SegmentName {
  /** Without `.partial`. */
  readonly name: string;
  readonly timeline: number;
  readonly high: number;
  readonly low: number;
  /** The name says that the file is not full: `….partial`. */
  readonly partial: boolean;
}

/** A name of the log as recovery may ask for it. A partial file's own name (`….partial`) is neither: no server asks for it. */
export function logFileKind(name: string): "segment" | "history" | undefined {
  if (HISTORY.test(name)) return "history";
  const match = SEGMENT.exec(name);
  return match !== null && match[4] === undefined ? "segment" : undefined;
}

/** Of a segment, whole or `….partial`; undefined when it is no such name. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = SEGMENT.exec(name);
  if (!match) return undefined;
  const [timeline = 0, high = 0, low = 0] = match.slice(1, 4).map((part) => Number.parseInt(part, 16));
  return { name: name.slice(0, 24), timeline, high, low, partial: match[4] !== undefined };
}

/** First position of a segment's file. */
export function segmentStart(name: SegmentName, segmentBytes: number): bigint {
  return (BigInt(name.high) << 32n) + BigInt(name.low) * BigInt(segmentBytes);
}

/** Segments from one position to another on a timeline, both ends included. Throws USAGE for a size that no server has. */
export function segmentNames(timeline: number, fromLsn: string, toLsn: string, segmentBytes: number): string[] {
  if (!isSegmentSize(segmentBytes)) throw new LifeboatError("USAGE", `log segments of ${segmentBytes} bytes do not exist`);
  const names: string[] = [];
  const last = parseLsn(toLsn);
  const size = BigInt(segmentBytes);
  for (let at = (parseLsn(fromLsn) / size) * size; at <= last; at += size) names.push(segmentNameAt(timeline, at, segmentBytes));
  return names;
}

/** 1 MB to 1 GB, a power of two. */
export function isSegmentSize(sizeBytes: number): boolean {
  return sizeBytes >= 1 << 20 && sizeBytes <= 1 << 30 && Number.isInteger(Math.log2(sizeBytes));
}
