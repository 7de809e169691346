// Gives a restored database its final name, in the place of one that has it.
//
// A MongoDB server cannot rename a database. Collections move one by one, each in one step that puts the new in the place of the old:
// a crash in between leaves some of them new and some old, and the restore is then to be repeated.
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Metadata } from "../archive/metadata.ts";
import { readMetadata, writeMetadata } from "../archive/metadata.ts";
import { hasBucketCollections } from "../archive/prelude.ts";
import { type MongoSession, withMongo } from "../connect/client.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { flawOfDatabaseName, withDatabase } from "../connect/url.ts";
import { listSource, type SourceCollection } from "../dump/collections.ts";
import { readRaw } from "../dump/raw-cursor.ts";
import { definitionOf } from "../load/definition.ts";
import { insertRaw } from "../load/raw-insert.ts";
import { bucketsOf } from "../scope.ts";
import { clearMark, endFilling, readMark } from "./mark.ts";

const MAJORITY = { w: "majority", wtimeout: 60_000 };
const NOT_FOUND = 26;

/**
 * With the name that it has already, it is only let go: no clean-up of ours touches it any more. Else
 * afterwards `name` holds what `finished` held and nothing else, and `finished` is gone. Of "", the databases that the mark on the
 * server names are each moved to a name that begins with `name`. Sessions stay; users and roles of a replaced database are its own and
 * stay. A cluster with shards cannot move collections between databases: CAPABILITY_MISSING, before anything is touched.
 */
export async function takeName(server: Connection, finished: string, name: string, work: Work): Promise<void> {
  await withMongo(withDatabase(server, undefined), { signal: work.signal, otherwise: "LOAD_FAILED" }, async (session) => {
    if (finished === name) {
      // The marks within first: as long as the one on the server is there, a clean-up finds them.
      for (const each of name === "" ? ((await readMark(session, "filling"))?.databases ?? []) : [name]) await endFilling(session, each);
      return name === "" ? clearMark(session, "filling") : undefined;
    }
    if (session.hello.topology === "sharded") {
      throw new LifeboatError("CAPABILITY_MISSING", `a sharded cluster cannot give the database ${finished} the name ${name}`, {
        hint: `restore into a name where nothing is; ${finished} holds the restored data, checked`,
      });
    }
    if (finished !== "") return await moveAll(session, finished, name);
    const several = (await readMark(session, "filling"))?.databases ?? [];
    for (const [index, each] of several.entries()) await moveAll(session, each, besideName(name, each, index));
    await clearMark(session, "filling");
  });
}

/** `lifeboat_…_shop`, or with a number where that is too long for a database's name. */
function besideName(name: string, database: string, index: number): string {
  const full = `${name}_${database}`;
  return flawOfDatabaseName(full) === undefined ? full : `${name}_${index + 1}`;
}

async function moveAll(session: MongoSession, finished: string, name: string): Promise<void> {
  const everything = () => true;
  const fresh = (await listSource(session, { database: finished }, everything)).collections;
  const old = (await listSource(session, { database: name }, everything)).collections;
  const of = (type: SourceCollection["type"]): readonly SourceCollection[] => fresh.filter((one) => one.type === type);
  for (const one of of("collection")) await move(session, one, name, old);
  for (const one of of("timeseries")) await copySeries(session, one, name, old);
  for (const one of of("view")) {
    await drop(session, name, one.collection);
    await create(session, name, one);
  }
  const kept = new Set(fresh.map(({ collection }) => collection));
  // Views first: what they show may be among the rest.
  const gone = old.filter(({ collection }) => !kept.has(collection)).sort((a, b) => Number(b.type === "view") - Number(a.type === "view"));
  for (const { collection } of gone) await drop(session, name, collection);
  await session.command(finished, { dropDatabase: 1, writeConcern: MAJORITY });
}

/** One step: at every instant the name has the old collection or the new one. What is no collection makes way first. */
async function move(session: MongoSession, one: SourceCollection, name: string, old: readonly SourceCollection[]): Promise<void> {
  const { db, collection } = one;
  const before = old.find((each) => each.collection === collection);
  if (before !== undefined && before.type !== "collection") await drop(session, name, collection);
  const to = `${name}.${collection}`;
  await session.command("admin", { renameCollection: `${db}.${collection}`, to, dropTarget: true, writeConcern: MAJORITY });
}

/** A time series cannot be renamed: it is made anew, its buckets copied as they are, and its indexes made after them. */
async function copySeries(session: MongoSession, one: SourceCollection, name: string, old: readonly SourceCollection[]): Promise<void> {
  const { db, collection, data } = one;
  if (old.some((each) => each.collection === collection)) await drop(session, name, collection);
  await create(session, name, one);
  const buckets = hasBucketCollections(session.hello.version);
  const read: Document = { find: data ?? collection, ...(buckets ? {} : { rawData: true }) };
  for await (const { documents } of readRaw(session, db, read)) {
    const into = buckets ? bucketsOf(collection) : collection;
    const options = buckets ? {} : { rawData: true };
    const reply = await insertRaw(session, { db: name, collection: into, stretches: [documents], ordered: true, options });
    const [refused] = reply.refused;
    if (refused === undefined) continue;
    throw new LifeboatError("LOAD_FAILED", `the time series ${name}.${collection} could not be copied: ${refused.errmsg}`);
  }
  const { indexes, last } = definitionOf(metadataOf(one));
  const made = (await session.command(name, { listIndexes: collection, cursor: { batchSize: 1000 } })).cursor.firstBatch as Document[];
  const wanted = new Set(indexes.map((index) => index.name));
  for (const index of made.filter((each) => !wanted.has(each.name)))
    await session.command(name, { dropIndexes: collection, index: index.name });
  if (indexes.length > 0) await session.command(name, { createIndexes: collection, indexes: [...indexes] });
  for (const change of last) await session.command(name, { collMod: collection, ...change, writeConcern: MAJORITY });
}

async function create(session: MongoSession, name: string, one: SourceCollection): Promise<void> {
  await session.command(name, { create: one.collection, ...definitionOf(metadataOf(one)).create, writeConcern: MAJORITY });
}

/** One that is not there is no error. */
async function drop(session: MongoSession, db: string, collection: string): Promise<void> {
  await session.command(db, { drop: collection, writeConcern: MAJORITY }).catch((error: unknown) => {
    if (serverCodeOf(error) !== NOT_FOUND) throw error;
  });
}

/** As an archive would hold it: one reading of definitions for both roads. */
const metadataOf = (one: SourceCollection): Metadata => readMetadata(writeMetadata(one));
