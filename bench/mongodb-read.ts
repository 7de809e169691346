// The limit of a MongoDB backup: the collection that DATABASE_URL's database holds, read raw by the official driver and dropped.
import { MongoClient } from "mongodb";

/** The quickest of those tried, from a hundred to a hundred thousand: larger replies spoil the processor's caches. */
const BATCH_COUNT = 1_000;

const client = new MongoClient(process.env.DATABASE_URL ?? "");
let count = 0;
for (const { name } of await client.db().listCollections({}, { nameOnly: true }).toArray()) {
  const cursor = client.db().collection(name).find({}, { raw: true, batchSize: BATCH_COUNT });
  while (await cursor.hasNext()) count += cursor.readBufferedDocuments().length;
  await cursor.close();
}
await client.close();
console.log(count);
