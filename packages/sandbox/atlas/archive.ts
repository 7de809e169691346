// A snapshot as a file to be fetched: a tar of what `mongodump` writes into a directory, compressed.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { EJSON } from "bson";
import { type CollectionContents, collectionsOf, databasesOf } from "./contents.ts";
import type { MongoState } from "./data.ts";

const BLOCK = 512;
const compress = promisify(gzip);

export async function snapshotArchive(state: MongoState, name: string, at: Date): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const db of databasesOf(state)) {
    for (const collection of collectionsOf(state, db)) {
      const file = `${name}/${db}/${encodeURIComponent(collection.name)}`;
      if (collection.kind === "collection") parts.push(...entry(`${file}.bson`, Buffer.concat([...collection.documents()]), at));
      parts.push(...entry(`${file}.metadata.json`, Buffer.from(metadataOf(collection)), at));
    }
  }
  return compress(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]), { level: 1 });
}

/** What a collection is besides its documents, in canonical extended JSON. */
export function metadataOf({ name, kind, options, indexes }: CollectionContents): string {
  return EJSON.stringify({ collectionName: name, type: kind, options, indexes }, { relaxed: false });
}

/** One file of a tar (POSIX ustar). A name longer than 100 bytes is split at a slash. */
function entry(path: string, content: Buffer, at: Date): Buffer[] {
  const header = Buffer.alloc(BLOCK);
  const cut = Buffer.byteLength(path) > 100 ? path.lastIndexOf("/") : -1;
  header.write(path.slice(cut + 1), 0, 100);
  if (cut > 0) header.write(path.slice(0, cut), 345, 155);
  header.write("0000600\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write(
    `${Math.floor(at.getTime() / 1000)
      .toString(8)
      .padStart(11, "0")}\0`,
    136,
  );
  header.write("        ", 148);
  header.write("0ustar\x0000", 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return [header, content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)];
}
