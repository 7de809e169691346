// The header of each block: the collection of the documents that follow, or its end with the checksum of all its documents.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { readDocument } from "../bson/bson.ts";

export interface BlockHeader {
  readonly db: string;
  /** The collection under whose name the documents lie. */
  readonly collection: string;
  /** No more documents of it: the block is empty and `crc` is the checksum of all of them. */
  readonly ends: boolean;
  /** CRC-64/XZ, unsigned; 0 where `ends` is false. */
  readonly crc: bigint;
}

export function writeBlockHeader({ db, collection, ends, crc }: BlockHeader): Uint8Array {
  return serialize({ db, collection, EOF: ends, CRC: BigInt.asIntN(64, crc) });
}

const FIELDS = ["db", "collection", "EOF", "CRC"];

/** INTEGRITY when it is anything else than exactly the four fields. */
export function readBlockHeader(bytes: Uint8Array): BlockHeader {
  const header = readDocument(bytes, "a block of the archive");
  const { db, collection, EOF: ends, CRC: crc } = header;
  const known = Object.keys(header).every((field) => FIELDS.includes(field));
  if (!known || typeof db !== "string" || typeof collection !== "string" || typeof ends !== "boolean" || typeof crc !== "bigint") {
    throw new LifeboatError("INTEGRITY", "a block of the archive has a malformed header");
  }
  return { db, collection, ends, crc: BigInt.asUintN(64, crc) };
}
