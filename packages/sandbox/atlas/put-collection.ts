// One collection of a snapshot, written into a running server as a client would: its log tells of it.
import { deserialize } from "bson";
import { type Db, MongoClient } from "mongodb";
import type { CollectionContents } from "./contents.ts";

export interface PutWish {
  readonly db: string;
  readonly name: string;
  readonly contents: CollectionContents;
  readonly indexes: CollectionContents["indexes"];
  /** Drop what is there. */
  readonly overwrite: boolean;
}

const BATCH = 1000;
const TYPED = { promoteValues: false, bsonRegExp: true } as const;

/** False when something is there and may not be overwritten. */
export async function putCollection(
  url: string,
  user: { readonly user: string; readonly password: string } | undefined,
  request: PutWish,
): Promise<boolean> {
  const auth = user === undefined ? {} : { auth: { username: user.user, password: user.password }, authSource: "admin" };
  const client = new MongoClient(url, { ...auth, serverSelectionTimeoutMS: 10_000 });
  try {
    const db = client.db(request.db);
    const isThere = (await db.listCollections({ name: request.name }).toArray()).length > 0;
    if (isThere && !request.overwrite) return false;
    if (isThere) await db.dropCollection(request.name);
    await fill(db, request);
    return true;
  } finally {
    await client.close();
  }
}

async function fill(db: Db, { name, contents, indexes }: PutWish): Promise<void> {
  await db.command({ create: name, ...contents.options });
  const collection = db.collection(name);
  let batch: object[] = [];
  for (const bytes of contents.documents()) {
    batch.push(deserialize(bytes, TYPED));
    if (batch.length < BATCH) continue;
    await collection.insertMany(batch, { ordered: true, ignoreUndefined: false, bypassDocumentValidation: true });
    batch = [];
  }
  if (batch.length > 0) await collection.insertMany(batch, { ignoreUndefined: false, bypassDocumentValidation: true });
  const more = indexes.filter((index) => index.name !== "_id_");
  if (more.length > 0) await db.command({ createIndexes: name, indexes: more });
}
