// Frames of the wire protocol: OP_MSG, and the OP_QUERY that a client greets with.
// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
import type { Raw } from "./raw.ts";

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM = 1;
const MORE_TO_COME = 2;

/** 16 MiB of document and the room a server leaves for a reply's frame. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
export const MAX_MESSAGE_BYTES = 48_000_000;

export interface Message {
  readonly id: number;
  /** The command document. */
  readonly body: Buffer;
  /** Documents that came beside the body, by the field they belong to. */
  readonly sequences: ReadonlyMap<string, Raw[]>;
  /** Database, where the message is an old query: answered in the old form. */
  readonly legacyNs?: string | undefined;
  /** The client does not wait for an answer. */
  readonly silent: boolean;
}

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  #parts: Buffer[] = [];
  #length = 0;

  /** Adds bytes; returns the whole frames that are there now. A frame of impossible length: an error. */
  push(bytes: Buffer): Buffer[] {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    const frames: Buffer[] = [];
    while (this.#length >= 4) {
      const first = this.#parts[0] as Buffer;
      const head = first.length >= 4 ? first : Buffer.concat(this.#parts.slice(0, 5));
      const size = head.readInt32LE(0);
      if (size < 16 || size > MAX_MESSAGE_BYTES + 16 * 1024) throw new Error(`a message of ${size} bytes`);
      if (this.#length < size) break;
      const all = this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
      frames.push(all.subarray(0, size));
      const rest = all.subarray(size);
      this.#parts = rest.length === 0 ? [] : [rest];
      this.#length = rest.length;
    }
    return frames;
  }
}

export function parseMessage(frame: Buffer): Message {
  const id = frame.readInt32LE(4);
  const code = frame.readInt32LE(12);
  if (code === OP_QUERY) return parseQuery(frame, id);
  if (code !== OP_MSG) throw new Error(`operation ${code} is not spoken here`);
  const flags = frame.readUInt32LE(16);
  const end = frame.length - (flags & CHECKSUM ? 4 : 0);
  const sequences = new Map<string, Raw[]>();
  let body: Buffer | undefined;
  let at = 20;
  while (at < end) {
    const kind = frame[at] as number;
    const size = frame.readInt32LE(at + 1);
    if (kind === 0) body = frame.subarray(at + 1, at + 1 + size);
    else if (kind === 1) {
      const nameEnd = frame.indexOf(0, at + 5);
      sequences.set(frame.toString("utf8", at + 5, nameEnd), documentsOf(frame, nameEnd + 1, at + 1 + size));
    } else throw new Error(`section of kind ${kind}`);
    at += 1 + size;
  }
  if (body === undefined) throw new Error("a message without a body");
  return { id, body, sequences, silent: (flags & MORE_TO_COME) !== 0 };
}

function documentsOf(frame: Buffer, from: number, to: number): Raw[] {
  const documents: Raw[] = [];
  for (let at = from; at < to; ) {
    const length = frame.readInt32LE(at);
    documents.push({ chunk: frame, offset: at, length });
    at += length;
  }
  return documents;
}

function parseQuery(frame: Buffer, id: number): Message {
  const nameEnd = frame.indexOf(0, 20);
  const at = nameEnd + 9;
  return {
    id,
    body: frame.subarray(at, at + frame.readInt32LE(at)),
    sequences: new Map(),
    legacyNs: frame.toString("utf8", 20, nameEnd),
    silent: false,
  };
}

let lastReply = 0;

/** The answer's frame around a document that comes in parts. */
export function frameReply(message: Message, parts: readonly Buffer[]): Buffer[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const legacy = message.legacyNs !== undefined;
  const head = Buffer.alloc(legacy ? 36 : 21);
  head.writeInt32LE(head.length + length, 0);
  lastReply = (lastReply + 1) & 0x7fffffff;
  head.writeInt32LE(lastReply, 4);
  head.writeInt32LE(message.id, 8);
  head.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
  if (legacy) {
    head.writeInt32LE(8, 16);
    head.writeInt32LE(1, 32);
  }
  return [head, ...parts];
}
