// The other half of the shop at the providers: what customers wrote and left in their carts, in MongoDB.
import type { Collection, Db, Document, MongoClient } from "mongodb";

export const REVIEWS_DATABASE = "reviews";
export const COLLECTIONS = ["reviews", "carts"] as const;
export const REVIEWS = 30_000;
const CARTS = 5_000;

const WORDS = ["fits well", "came late", "as described", "would buy again", "smaller than it looks", "a present, and it was liked"];

/** Fills an empty database: a validator, indexes, documents of several shapes. */
export async function openReviews(url: string): Promise<ReviewsSession> {
  const { MongoClient: Client } = await import("mongodb");
  const client: MongoClient = await Client.connect(url, { appName: "shop" });
  const db = client.db(REVIEWS_DATABASE);
  await db.createCollection("reviews", {
    validator: { $jsonSchema: { required: ["project", "stars"], properties: { stars: { bsonType: "int", minimum: 1, maximum: 5 } } } },
  });
  const begun = Date.now();
  const reviews = Array.from({ length: REVIEWS }, (_, n) => ({
    project: 1 + ((n * 7919) % 8_000),
    stars: 1 + ((n * 31) % 5),
    text: WORDS[n % WORDS.length],
    createdAt: new Date(begun - (REVIEWS - n) * 60_000),
    ...(n % 4 === 0 ? { photos: [`${n}-1.jpg`, `${n}-2.jpg`] } : {}),
  }));
  const carts = Array.from({ length: CARTS }, (_, n) => ({
    user: n + 1,
    items: Array.from({ length: 1 + (n % 4) }, (__, item) => ({ project: 1 + ((n * 13 + item) % 8_000), count: 1 + (item % 2) })),
    updatedAt: new Date(begun - n * 1_000),
  }));
  await insertAll(db.collection("reviews"), reviews);
  await insertAll(db.collection("carts"), carts);
  await db.collection("reviews").createIndex({ project: 1, stars: -1 });
  await db.collection("carts").createIndex({ user: 1 }, { unique: true });
  return { db, close: () => client.close() };
}

export interface ReviewsSession {
  readonly db: Db;
  close(): Promise<void>;
}

async function insertAll(collection: Collection, documents: readonly Document[]): Promise<void> {
  for (let at = 0; at < documents.length; at += 5_000) await collection.insertMany(documents.slice(at, at + 5_000));
}

/** Documents by collection, counted at that address. */
export async function countDocuments(url: string): Promise<Readonly<Record<string, number>>> {
  const { MongoClient: Client } = await import("mongodb");
  const client = await Client.connect(url, { appName: "shop" });
  try {
    const counts = COLLECTIONS.map(async (name) => [name, await client.db(REVIEWS_DATABASE).collection(name).countDocuments()] as const);
    return Object.fromEntries(await Promise.all(counts));
  } finally {
    await client.close();
  }
}
