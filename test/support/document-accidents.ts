// Public data sets of tables as collections of documents, random accidents to them, and what a merge must make of those: computed here
// document by document, in another way than ours.
import { setTimeout as sleep } from "node:timers/promises";
import { BSON, type Db, type Document } from "mongodb";
import type { State } from "./accidents.ts";

interface Stored extends Document {
  _id: string;
}

const INSERTED_AT_ONCE = 2000;
/** The server may run in this process: a writer without a pause would be all that it does. */
const WRITER_PAUSE_MS = 5;

/** One collection for each table, with at most so many documents; the key of a row is its `_id`. */
export async function loadDocuments(db: Db, state: State, most: number): Promise<void> {
  for (const [table, rows] of state) {
    const documents = [...rows].slice(0, most).map(([_id, text]): Stored => ({ _id, ...JSON.parse(text) }));
    const collection = await db.createCollection<Stored>(nameOf(table));
    for (let from = 0; from < documents.length; from += INSERTED_AT_ONCE)
      await collection.insertMany(documents.slice(from, from + INSERTED_AT_ONCE));
  }
}

const nameOf = (table: string): string => table.replaceAll('"', "");

/** Every document as extended JSON, by collection and `_id`. */
export async function documentsOf(db: Db): Promise<State> {
  const state = new Map<string, ReadonlyMap<string, string>>();
  for (const { name } of await db.listCollections().toArray()) {
    // At once: a promise for each document takes longer than the document.
    const documents = await db.collection<Stored>(name).find().toArray();
    state.set(name, new Map(documents.map((one) => [one._id, BSON.EJSON.stringify(one, { relaxed: false })])));
  }
  return state;
}

/** Deletes, updates and empties; returns the collections that an operator would name. */
export async function documentAccident(db: Db, draw: () => number): Promise<string[]> {
  const names = (await db.listCollections().toArray()).map(({ name }) => name).sort();
  const hit = new Set<string>();
  for (let n = 1 + Math.floor(draw() * 3); n > 0; n--) {
    const name = names[Math.floor(draw() * names.length)] ?? "";
    const collection = db.collection<Stored>(name);
    const ids = (await collection.find().project<Stored>({ _id: 1 }).toArray()).map(({ _id }) => _id).sort();
    const share = draw() * 0.4;
    const chosen = { _id: { $in: ids.filter(() => draw() < share) } };
    const what = draw();
    hit.add(name);
    if (what < 0.15) await collection.deleteMany({});
    else if (what < 0.55) await collection.deleteMany(chosen);
    else if (what < 0.85) await collection.updateMany(chosen, { $set: { lost: true }, $unset: { last_update: 1 } });
    else {
      await collection.deleteMany(chosen);
      await collection.insertMany(Array.from({ length: 20 }, (_none, i): Stored => ({ _id: `later ${draw()} ${i}`, i })));
    }
  }
  return [...hit];
}

/** Chosen collections become as they were then, beside documents that are new; the others stay. */
export function expectedDocuments(past: State, live: State, chosen: readonly string[]): State {
  const expected = new Map([...live].map(([name, rows]) => [name, new Map(rows)]));
  for (const name of chosen) for (const [id, text] of past.get(name) ?? []) expected.get(name)?.set(id, text);
  return expected;
}

export interface DocumentWriter {
  /** Returns how many documents were inserted and acknowledged. */
  stop(): Promise<number>;
}

/** Inserts new documents and changes an old one until it is told to stop. */
export function beginDocumentWriter(db: Db, name: string, id: string): DocumentWriter {
  let [stopped, written] = [false, 0];
  const collection = db.collection<Stored>(name);
  const running = (async () => {
    while (!stopped) {
      await collection.insertOne({ _id: `${WRITTEN}${written}`, written });
      written += 1;
      await collection.updateOne({ _id: id }, { $set: { w: written } });
      await sleep(WRITER_PAUSE_MS);
    }
  })();
  running.catch(() => undefined); // awaited when it is stopped
  return {
    async stop() {
      stopped = true;
      await running;
      return written;
    },
  };
}

/** How the ids of a writer's documents begin. */
export const WRITTEN = "written ";
