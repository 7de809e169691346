// A database with every BSON type, every kind of collection and index, odd names and sizes, as a test for copies. And the loader of the
// public data sets.
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BSON, type Db, type Document, ObjectId } from "mongodb";
import { KINDS, ODD_NAMES } from "./mongo-kinds.ts";
import { document, elementsOf, insertRaw } from "./mongo-raw.ts";
import { deepDocument, documentsOfBrokenText, documentsOfIds, documentsOfNames, documentsOfTypes } from "./mongo-types.ts";

/** A document may have this many bytes. */
export const LARGEST_BYTES = 16 * 1024 * 1024;

type Filled = Readonly<Record<string, number>>;

/** Every part by itself, so that a test may choose. Each gives how many documents its collections (not views) hold. */
const PARTS: Readonly<Record<string, (db: Db) => Promise<Filled>>> = {
  types: (db) => raw(db, "every type", documentsOfTypes()),
  ids: (db) => raw(db, "every id", documentsOfIds()),
  names: (db) => raw(db, "every name", documentsOfNames()),
  deep: (db) =>
    raw(
      db,
      "deep",
      [1, 2, 50, 100].map((levels) => document(elementsOf({ _id: levels }), elementsOf(levels > 1 ? { d: deepDocument(levels - 1) } : {}))),
    ),
  brokenText: (db) => raw(db, "broken text", documentsOfBrokenText()),
  ...KINDS,
  async oddNames(db) {
    const filled: Record<string, number> = Object.create(null);
    for (const [i, name] of ODD_NAMES.entries()) Object.assign(filled, await raw(db, name, [document(elementsOf({ _id: i, name }))]));
    return filled;
  },
  /** Thousands of batches' worth of small ones, with ids as drivers make them. */
  many: (db) =>
    raw(
      db,
      "many",
      Array.from({ length: 10_000 }, (_, i) => document(elementsOf({ _id: idOf(i), i, text: `small document ${i}` }))),
    ),
  /** A document of just the size that a server takes, one of a byte less, and several that fill a batch. */
  large: (db) => raw(db, "large", [LARGEST_BYTES, LARGEST_BYTES - 1, 9_000_000, 9_000_000, 0].map(documentOfSize)),
};

export type Part = string;
export const ALL_PARTS: readonly Part[] = Object.keys(PARTS);

/** Fills an empty database; gives the number of documents in each collection, views left out. `skip` leaves parts out. */
export async function fillDataset(
  db: Db,
  options: { readonly only?: readonly Part[]; readonly skip?: readonly Part[] } = {},
): Promise<ReadonlyMap<string, number>> {
  const filled = new Map<string, number>();
  const chosen = (options.only ?? ALL_PARTS).filter((part) => !options.skip?.includes(part));
  for (const part of chosen) {
    const fill = PARTS[part];
    if (fill === undefined) throw new Error(`the data set has no part ${part}; it has ${ALL_PARTS.join(", ")}`);
    for (const [name, count] of Object.entries(await fill(db))) filled.set(name, count);
  }
  return filled;
}

async function raw(db: Db, collection: string, documents: readonly Uint8Array[]): Promise<Filled> {
  await insertRaw(db, collection, documents);
  return Object.fromEntries([[collection, documents.length]]);
}

/** The same in every run. */
const idOf = (i: number): ObjectId =>
  new ObjectId((0x6920a1f3n * 2n ** 64n + BigInt(i) * 0x9e3779b97f4a7c15n).toString(16).slice(-24).padStart(24, "0"));

/** A document of exactly that many bytes; the smallest there is where that is fewer. */
function documentOfSize(sizeBytes: number, id: number): Buffer {
  const bare = document(elementsOf({ _id: id, filler: "" })).length;
  // Not all alike: what compresses it should have something to do.
  const pattern = Buffer.from(Array.from({ length: 997 }, (_, i) => 97 + ((i * i + id) % 26))).toString();
  const wanted = Math.max(0, sizeBytes - bare);
  return document(elementsOf({ _id: id, filler: pattern.repeat(Math.ceil(wanted / pattern.length)).slice(0, wanted) }));
}

const PUBLIC = join(import.meta.dirname, "../../../shared/data/mongodb");

/** For `test(name, { skip: skipWithoutPublicData() }, …)`: false, or the reason. */
export function skipWithoutPublicData(): string | false {
  return existsSync(PUBLIC) && readdirSync(PUBLIC).some((name) => name.endsWith(".json"))
    ? false
    : "the public data sets are not beside the checkout";
}

/** Loads every public data set, one extended-JSON document a line, into a collection named as its file; gives their counts. */
export async function loadPublicData(db: Db): Promise<ReadonlyMap<string, number>> {
  const loaded = new Map<string, number>();
  for (const name of readdirSync(PUBLIC)
    .filter((each) => each.endsWith(".json"))
    .sort()) {
    const collection = basename(name, ".json");
    const lines = (await readFile(join(PUBLIC, name), "utf8")).split("\n").filter((line) => line.trim() !== "");
    const documents = lines.map((line) => document(elementsOf(BSON.EJSON.parse(line, { relaxed: false }) as Document)));
    await insertRaw(db, collection, documents);
    loaded.set(collection, documents.length);
  }
  return loaded;
}
