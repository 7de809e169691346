// The contents of a database, read with the official driver only: count and digest of each collection's raw documents,
// its options and its indexes. The judge of round trips.
import { createHash } from "node:crypto";
import type { CollectionInfo, Db, Document } from "mongodb";

export interface CollectionFacts {
  readonly type: string;
  readonly options: Document;
  readonly indexes: readonly Document[];
  readonly count: number;
  /** Sum modulo 2^256 of the SHA-256 of every document; for views of what they show. */
  readonly digest: string;
}

const MODULUS = 1n << 256n;

/** Of every collection, buckets of time series as they are stored, by name. Equal for equal databases (`assert.deepEqual`). */
export async function fingerprintOf(db: Db): Promise<Readonly<Record<string, CollectionFacts>>> {
  const listed = ((await db.listCollections().toArray()) as CollectionInfo[]).filter(({ name }) => name !== "system.views");
  const facts: Record<string, CollectionFacts> = Object.create(null);
  for (const { name, type = "collection", options = {} } of listed.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const indexes = type === "view" ? [] : await db.collection(name).listIndexes().toArray();
    facts[name] = {
      type,
      options,
      indexes: indexes.map(({ ns: _, v: __, ...rest }) => rest).sort((a, b) => (a.name < b.name ? -1 : 1)),
      ...(await digestOf(db, name)),
    };
  }
  return facts;
}

async function digestOf(db: Db, name: string): Promise<Pick<CollectionFacts, "count" | "digest">> {
  let [count, sum] = [0, 0n];
  for await (const raw of db.collection(name).find({}, { raw: true })) {
    count++;
    sum =
      (sum +
        BigInt(
          `0x${createHash("sha256")
            .update(raw as unknown as Uint8Array)
            .digest("hex")}`,
        )) %
      MODULUS;
  }
  return { count, digest: sum.toString(16) };
}
