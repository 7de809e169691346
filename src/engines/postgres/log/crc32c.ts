// CRC-32C (Castagnoli), the checksum of every log record: sixteen bytes a step, by tables. Node's own `zlib.crc32` is another polynomial.

const POLYNOMIAL = 0x82f63b78;
const STRIDE = 16;

/** Table `i` (256 entries each): what a byte contributes when `i` more bytes follow it in the same step. */
const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(STRIDE * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as number;
    tables[at] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}

/** Where a checksum begins; `finishCrc` ends it. Between them the state is one integer, so it can be set aside and taken up again. */
export const CRC_BEGIN = -1;

export function finishCrc(state: number): number {
  return ~state >>> 0;
}

/**
 * The state after `bytes[from, to)`. `words` is the same memory as 32-bit little-endian words, so `from` must be a multiple of 4:
 * records and the data of continued ones always begin at a multiple of 8.
 */
export function updateCrc(state: number, words: Int32Array, bytes: Uint8Array, from: number, to: number): number {
  const T = TABLES;
  let crc = state;
  let at = from;
  for (const last = to - STRIDE; at <= last; at += STRIDE) {
    const word = at >> 2;
    const a = crc ^ (words[word] as number);
    const b = words[word + 1] as number;
    const c = words[word + 2] as number;
    const d = words[word + 3] as number;
    crc =
      (T[3840 + (a & 0xff)] as number) ^
      (T[3584 + ((a >>> 8) & 0xff)] as number) ^
      (T[3328 + ((a >>> 16) & 0xff)] as number) ^
      (T[3072 + (a >>> 24)] as number) ^
      (T[2816 + (b & 0xff)] as number) ^
      (T[2560 + ((b >>> 8) & 0xff)] as number) ^
      (T[2304 + ((b >>> 16) & 0xff)] as number) ^
      (T[2048 + (b >>> 24)] as number) ^
      (T[1792 + (c & 0xff)] as number) ^
      (T[1536 + ((c >>> 8) & 0xff)] as number) ^
      (T[1280 + ((c >>> 16) & 0xff)] as number) ^
      (T[1024 + (c >>> 24)] as number) ^
      (T[768 + (d & 0xff)] as number) ^
      (T[512 + ((d >>> 8) & 0xff)] as number) ^
      (T[256 + ((d >>> 16) & 0xff)] as number) ^
      (T[d >>> 24] as number);
  }
  // Most records are short: what is left over matters as much as the long run.
  for (const last = to - 4; at <= last; at += 4) {
    const a = crc ^ (words[at >> 2] as number);
    crc =
      (T[768 + (a & 0xff)] as number) ^
      (T[512 + ((a >>> 8) & 0xff)] as number) ^
      (T[256 + ((a >>> 16) & 0xff)] as number) ^
      (T[a >>> 24] as number);
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ (T[(crc ^ (bytes[at] as number)) & 0xff] as number);
  return crc;
}
