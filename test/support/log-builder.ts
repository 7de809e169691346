// Builds a log by hand, record by record, so that the reader can be tried on layouts that a server makes only by chance.
import { CRC_BEGIN, finishCrc, updateCrc } from "../../src/engines/postgres/log/crc32c.ts";

const PAGE = 8192;
const SEGMENT = 1 << 20;

export interface BuiltRecord {
  /** Offsets from the start of the log. */
  readonly at: number;
  readonly end: number;
}

export interface BuiltLog {
  /** Whole segments; the first begins at 0/100000. */
  readonly segments: readonly { readonly name: string; readonly bytes: Uint8Array }[];
  readonly records: readonly BuiltRecord[];
}

/** Records of these data lengths (each at least 2), one after another, and padding records to the end of the last segment. */
export function buildLog(lengths: readonly number[]): BuiltLog {
  const memory = new Uint8Array(SEGMENT * (2 + Math.ceil(lengths.reduce((sum, length) => sum + length + 64, 0) / (SEGMENT * 0.99))));
  const view = new DataView(memory.buffer);
  const records: BuiltRecord[] = [];
  let at = 0;
  let previous = -40;

  const beginPage = (rest: number): void => {
    const first = at % SEGMENT === 0;
    view.setUint16(at, 0xd110, true);
    view.setUint16(at + 2, (first ? 2 : 0) | (rest > 0 ? 1 : 0), true);
    view.setUint32(at + 4, 1, true);
    view.setBigUint64(at + 8, BigInt(SEGMENT + at), true);
    view.setUint32(at + 16, rest, true);
    if (first) {
      view.setBigUint64(at + 24, 42n, true);
      view.setUint32(at + 32, SEGMENT, true);
      view.setUint32(at + 36, PAGE, true);
    }
    at += first ? 40 : 24;
  };
  const append = (dataBytes: number): void => {
    if (at % PAGE === 0) beginPage(0);
    const begin = at;
    const record = new Uint8Array((24 + dataBytes + 3) & ~3);
    const fields = new DataView(record.buffer);
    const total = 24 + dataBytes;
    for (let n = 24; n < total; n++) record[n] = (n * 31 + begin) & 255;
    fields.setUint32(0, total, true);
    fields.setBigUint64(8, BigInt(SEGMENT + previous), true);
    record[17] = 10;
    const words = new Int32Array(record.buffer);
    const data = updateCrc(CRC_BEGIN, words, record, 24, total);
    fields.setUint32(20, finishCrc(updateCrc(data, words, record, 0, 20)), true);
    for (let from = 0; from < total; ) {
      if (at % PAGE === 0) beginPage(total - from);
      const take = Math.min(total - from, PAGE - (at % PAGE));
      memory.set(record.subarray(from, from + take), at);
      from += take;
      at += take;
    }
    at = (at + 7) & ~7;
    previous = begin;
    records.push({ at: begin, end: at });
  };

  for (const length of lengths) append(length);
  while (at % SEGMENT !== 0) {
    // Fills the page to its end: what is left always has room for a header of one byte more, or is left to the next page.
    const room = PAGE - (at % PAGE);
    append(at % PAGE === 0 ? PAGE - 24 - 24 : room >= 32 ? room - 24 : room + 100);
  }
  const names = Array.from(
    { length: at / SEGMENT },
    (_, index) => `0000000100000000${(index + 1).toString(16).toUpperCase().padStart(8, "0")}`,
  );
  return {
    records,
    segments: names.map((name, index) => ({ name, bytes: memory.subarray(index * SEGMENT, (index + 1) * SEGMENT) })),
  };
}
