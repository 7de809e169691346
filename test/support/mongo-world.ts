// A MongoDB server of a test's own, damage to do to a database, and writers that know what was there after each of their writes.
import { setTimeout as sleep } from "node:timers/promises";
import { type Db, type Document, MongoClient, type Timestamp } from "mongodb";
import { type MongoSandbox, type MongoSandboxOptions, startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";
import { type CollectionFacts, fingerprintOf } from "./mongo-fingerprint.ts";

export interface MongoWorld extends AsyncDisposable {
  readonly sandbox: MongoSandbox;
  /** As the first user, where the server has any. */
  readonly client: MongoClient;
  db(name?: string): Db;
  /** Address of a database of the server, or of the server. */
  url(database?: string): string;
}

/** The database that tests use unless they say another. */
const DATABASE = "shop";

export async function beginMongoWorld(options: MongoSandboxOptions = {}): Promise<MongoWorld> {
  const sandbox = await startMongoSandbox(options);
  const address = new URL(sandbox.url);
  const [user] = options.users ?? [];
  if (user !== undefined) Object.assign(address, { username: encodeURIComponent(user.user), password: encodeURIComponent(user.password) });
  if (user !== undefined) address.searchParams.set("authSource", "admin");
  const client = new MongoClient(address.href, { serverSelectionTimeoutMS: 10_000, retryWrites: false });
  return {
    sandbox,
    client,
    db: (name = DATABASE) => client.db(name),
    url(database) {
      const url = new URL(address);
      url.pathname = `/${encodeURIComponent(database ?? "")}`;
      return url.href;
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await sandbox.close();
    },
  };
}

/** Changes one field of one document, as little as can be: its document keeps its size. Gives the document's `_id`. */
export async function changeOneField(db: Db, collection: string): Promise<unknown> {
  const [victim] = await db
    .collection<Document>(collection)
    .find({ n: { $exists: true } }, { sort: { _id: 1 }, limit: 1 })
    .toArray();
  if (victim === undefined) throw new Error(`${collection} has no document with a field n to change`);
  await db.collection<Document>(collection).updateOne({ _id: victim._id }, { $set: { n: victim.n + 1 } });
  return victim._id;
}

/** Removes one document from the middle of a collection. Gives its `_id`. */
export async function removeOneDocument(db: Db, collection: string): Promise<unknown> {
  const count = await db.collection(collection).countDocuments();
  const [victim] = await db
    .collection<Document>(collection)
    .find({}, { sort: { _id: 1 }, skip: count >> 1, limit: 1 })
    .toArray();
  if (victim === undefined) throw new Error(`${collection} has no document to remove`);
  await db.collection<Document>(collection).deleteOne({ _id: victim._id });
  return victim._id;
}

/** What was true just after one write. */
export interface Moment {
  /** Of the write's entry in the oplog. */
  readonly wall: Date;
  readonly position: Timestamp;
  /** What the database held then: every entry up to and with this one. Asks the sandbox for that state, so it may be asked late. */
  fingerprint(): Promise<Readonly<Record<string, CollectionFacts>>>;
}

export interface Writer {
  /** So far, in the order of the oplog. */
  readonly moments: readonly Moment[];
  /** When all that was asked for is written. Throws what made a write fail. */
  finish(): Promise<readonly Moment[]>;
  /** Stops after the write that is under way. Throws as `finish`. */
  end(): Promise<readonly Moment[]>;
}

export interface WriterOptions {
  readonly database?: string;
  /** Between two writes; default 0. */
  readonly everyMs?: number;
  /** Stops by itself after so many. */
  readonly writes?: number;
  /** Chooses the writes: the same ones for the same seed. */
  readonly seed?: number;
}

/** Writes one thing after another, of every kind that changes documents, and remembers a moment after each. */
export function beginWriter(world: MongoWorld, options: WriterOptions = {}): Writer {
  const { database = DATABASE, everyMs = 0, writes = Number.POSITIVE_INFINITY } = options;
  const db = world.db(database);
  const random = randomOf(options.seed ?? 1);
  const moments: Moment[] = [];
  let ending = false;
  const work = async (): Promise<void> => {
    for (let i = 0; i < writes && !ending; i++) {
      await writeOne(db, i, random);
      moments.push(await latestMoment(world, database));
      await sleep(everyMs);
    }
  };
  const done = work();
  done.catch(() => {}); // reported by the code that awaits it
  const finish = async (): Promise<readonly Moment[]> => {
    await done;
    return moments;
  };
  return {
    moments,
    finish,
    end() {
      ending = true;
      return finish();
    },
  };
}

/** The moment after the newest write to the database. */
export async function latestMoment(world: MongoWorld, database = DATABASE): Promise<Moment> {
  const oplog = world.client.db("local").collection("oplog.rs");
  const [entry] = await oplog.find({ op: { $ne: "n" } }, { sort: { $natural: -1 }, limit: 1, promoteLongs: false }).toArray();
  if (entry === undefined) throw new Error("nothing was written yet");
  const position = entry.ts as Timestamp;
  const at = { t: position.getHighBitsUnsigned(), i: position.getLowBitsUnsigned() };
  return {
    wall: entry.wall,
    position,
    async fingerprint() {
      await using past = await beginMongoWorld({ state: world.sandbox.stateAt(at, "through") });
      return await fingerprintOf(past.db(database));
    },
  };
}

const WRITTEN = ["written", "written too"] as const;

async function writeOne(db: Db, i: number, random: (below: number) => number): Promise<void> {
  const collection = db.collection<Document>(WRITTEN[random(WRITTEN.length)] as string);
  const [any] = await collection.aggregate([{ $skip: random(5) }, { $limit: 1 }]).toArray();
  const kind = any === undefined ? 0 : random(6);
  const written = (_id: number): Document => ({ _id, n: random(1000), text: `written ${i}` });
  if (kind === 0 || kind === 1) await collection.insertOne(written(i));
  else if (kind === 2) await collection.updateOne({ _id: any?._id }, { $set: { n: i }, $inc: { changes: 1 } });
  else if (kind === 3) await collection.replaceOne({ _id: any?._id }, { n: i, replaced: true });
  else if (kind === 4) await collection.deleteOne({ _id: any?._id });
  else await collection.insertMany([0.25, 0.5, 0.75].map((part) => written(i + part)));
}

/** Numbers below a bound, the same ones for the same seed (a linear congruence is random enough to choose by). */
function randomOf(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number((state >> 33n) % BigInt(below));
  };
}
