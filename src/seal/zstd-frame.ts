// Walks the frame of zstd (RFC 8878, section 3.1.1) in a byte stream, without decompressing. Node's decompressor stops at the end of the
// first frame and reports success even when other bytes follow.
import { LifeboatError } from "../core/errors.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const LONGEST_HEADER = 14;

type Expecting = "magic" | "frame header" | "block header" | "block" | "checksum" | "nothing";

/** Verifies that all pushed bytes are exactly one whole zstd frame. Throws INTEGRITY otherwise. */
export class OneFrame {
  #expecting: Expecting = "magic";
  /** The remaining bytes of the expected item. */
  #missing = 4;
  /** The bytes of a small item, which may arrive in pieces. Blocks are skipped. */
  readonly #item = Buffer.alloc(LONGEST_HEADER);
  #itemLength = 0;
  #hasChecksum = false;
  #lastBlock = false;
  #position = 0;

  /** Examines the next bytes. Throws at the first byte that does not belong to the frame. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#ended) throw this.#afterEnd(chunk.subarray(at));
      const taken = Math.min(this.#missing, chunk.length - at);
      if (this.#expecting !== "block") {
        this.#item.set(chunk.subarray(at, at + taken), this.#itemLength);
        this.#itemLength += taken;
      }
      at += taken;
      this.#position += taken;
      this.#missing -= taken;
      while (this.#missing === 0 && !this.#ended) this.#next();
    }
  }

  /** Throws unless the frame has ended. */
  end(): void {
    if (this.#ended) return;
    const where = this.#position === 0 ? "is empty" : `ends inside a ${this.#expecting}, at about byte ${this.#position}`;
    throw new LifeboatError("INTEGRITY", `the compressed data ${where}; it should be one whole zstd frame`);
  }

  get #ended(): boolean {
    return this.#expecting === "nothing";
  }

  /** Parses the expected item, which has fully arrived, and decides what comes next. */
  #next(): void {
    const item = this.#item;
    if (this.#expecting === "magic") {
      this.#checkMagic(item.readUInt32LE(0));
      this.#expect("frame header", 1);
    } else if (this.#expecting === "frame header") {
      const descriptor = item[0] as number;
      const rest = lengthAfterDescriptor(descriptor);
      if (this.#itemLength === 1 && rest > 0) {
        this.#missing = rest;
        return;
      }
      this.#hasChecksum = (descriptor & 4) !== 0;
      this.#expect("block header", 3);
    } else if (this.#expecting === "block header") {
      const header = item.readUIntLE(0, 3);
      const type = (header >> 1) & 3;
      if (type === 3)
        throw new LifeboatError("INTEGRITY", `the compressed data is damaged at about byte ${this.#position}: reserved block type`);
      this.#lastBlock = (header & 1) !== 0;
      this.#expect("block", type === 1 ? 1 : header >> 3); // type 1 repeats a single byte
    } else if (this.#expecting === "block") {
      if (!this.#lastBlock) this.#expect("block header", 3);
      else if (this.#hasChecksum) this.#expect("checksum", 4);
      else this.#expect("nothing", 0);
    } else {
      this.#expect("nothing", 0);
    }
  }

  #expect(what: Expecting, lengthBytes: number): void {
    this.#expecting = what;
    this.#missing = lengthBytes;
    this.#itemLength = 0;
  }

  #checkMagic(magic: number): void {
    if (magic === MAGIC) return;
    const what = isSkippable(magic) ? "starts with a skippable frame instead of its data" : "is not zstd";
    throw new LifeboatError("INTEGRITY", `the compressed data ${what}`);
  }

  #afterEnd(rest: Uint8Array): LifeboatError {
    const magic = rest.length < 4 ? 0 : Buffer.from(rest.buffer, rest.byteOffset, 4).readUInt32LE(0);
    const what = magic === MAGIC ? "a second zstd frame" : isSkippable(magic) ? "a skippable frame" : "something";
    return new LifeboatError("INTEGRITY", `${what} follows the one zstd frame, at byte ${this.#position} of the compressed data`);
  }
}

/** Returns the bytes of window, dictionary id and content size that follow the descriptor byte. */
function lengthAfterDescriptor(descriptor: number): number {
  const singleSegment = (descriptor >> 5) & 1;
  const contentSize = [singleSegment, 2, 4, 8][descriptor >> 6] as number;
  const dictionaryId = [0, 1, 2, 4][descriptor & 3] as number;
  return (singleSegment === 1 ? 0 : 1) + dictionaryId + contentSize;
}

/** Sixteen magic numbers mark frames that decompressors skip. */
const isSkippable = (magic: number): boolean => (magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC;
