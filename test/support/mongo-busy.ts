// A client that writes into every collection of a database, including time series and transactions, until it is stopped.
import { setTimeout as sleep } from "node:timers/promises";
import { type Db, type Document, type MongoClient, ObjectId } from "mongodb";

export interface Busy {
  /** Writes so far. */
  readonly count: number;
  /** Stops after the write that is under way. Throws what made a write fail. */
  end(): Promise<void>;
}

/** A document that every rule and unique index of the data set lets in. */
const row = (i: number): Document => ({
  ...{ _id: new ObjectId(), busy: i, at: new Date(), a: `busy ${i}`, name: `busy ${i}`, price: Math.floor(i) + 1 },
  ...{ email: `busy${i}@example.org`, nick: `busy${i}` },
});

type Write = (db: Db, collection: string, i: number, client: MongoClient) => Promise<unknown>;

const WRITES: readonly Write[] = [
  (db, collection, i) => db.collection<Document>(collection).insertOne(row(i)),
  (db, collection, i) => db.collection<Document>(collection).insertMany([row(i), row(i + 0.5)]),
  (db, collection, i) =>
    db.collection(collection).updateMany({ busy: { $gte: i - 200 } }, { $set: { [`f${i % 5}.deep`]: i }, $inc: { n: 1 } }),
  (db, collection) => db.collection<Document>(collection).updateOne({ n: { $type: "number" } }, { $inc: { n: 1 } }),
  (db, collection, i) => db.collection(collection).deleteOne({ busy: { $lt: i } }),
  (db, collection, i, client) =>
    client.withSession((session) =>
      session.withTransaction(async () => {
        await db.collection<Document>(collection).insertOne(row(i), { session });
        await db.collection<Document>("plain").insertOne({ ...row(i), of: collection }, { session });
        await db.collection("plain").updateOne({ _id: 3 as never }, { $inc: { n: 1 } }, { session });
      }),
    ),
];

/** Writes to each collection in turn, all kinds of writes to each in turn. Capped ones only grow, and so does what no reader can decode. */
export async function beginBusy(client: MongoClient, database: string, everyMs = 3): Promise<Busy> {
  const db = client.db(database);
  const listed = (await db.listCollections().toArray()) as { name: string; type?: string; options?: Document }[];
  const collections = listed.filter(({ name, type }) => type !== "view" && !name.startsWith("system."));
  let [count, ending] = [0, false];
  const work = async (): Promise<void> => {
    for (; !ending; count++) {
      const { name, type, options } = collections[count % collections.length] ?? { name: "plain" };
      const kind = options?.capped === true || name === "broken text" ? 0 : Math.floor(count / collections.length) % WRITES.length;
      if (type === "timeseries") await db.collection(name).insertOne({ at: new Date(), v: count, station: { name: `s${count % 2}` } });
      else await WRITES[kind]?.(db, name, count, client);
      await sleep(everyMs);
    }
  };
  const done = work();
  done.catch(() => {}); // told at the end
  return {
    get count() {
      return count;
    },
    end() {
      ending = true;
      return done;
    },
  };
}

/** Some of them, each once, in no order. */
export function someOf<T>(items: readonly T[], count: number): T[] {
  const left = [...items];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(Math.floor(Math.random() * left.length), 1)[0] as T);
}
