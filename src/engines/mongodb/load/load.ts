// Loads an archive: collections as they were made, documents as the bytes they were, then indexes, rules and views. Expiry waits.
import { createReadStream } from "node:fs";
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { LoadOptions, LoadResult } from "../../../ports/engine.ts";
import { readPrelude } from "../archive/archive.ts";
import { readMetadata, writeMetadata } from "../archive/metadata.ts";
import { isOplog } from "../archive/prelude.ts";
import { type MongoSession, openMongo } from "../connect/connect.ts";
import { databaseOf } from "../connect/url.ts";
import { describeCollection } from "../dump/collections.ts";
import type { SourceScope } from "../scope.ts";
import { releaseExpiry } from "../ttl/ttl.ts";
import { type Definition, definitionOf } from "./definition.ts";
import { LoadHold } from "./hold.ts";
import { type LoadItem, planLoad } from "./items.ts";
import { inOrder, makeCollection, makeIndexes, modify, wordsOf } from "./make.ts";
import { Problems } from "./problems.ts";
import { INSERTS_AT_ONCE, loadRows } from "./rows.ts";
import { Slots } from "./slots.ts";

const CHUNK_BYTES = 256 * 1024;
const INDEXES_AT_ONCE = 2;
const MAJORITY_TIMEOUT_MS = 600_000;

/**
 * RESTORE_TARGET_NOT_EMPTY before anything is touched when a collection is there already, unless only documents are loaded. INTEGRITY for damaged bytes, LOAD_FAILED with the server's message, SOURCE_* when it is gone or refuses the user. What is
 * there when it throws is incomplete; a restore drops it.
 */
export async function loadArchive(
  target: Connection,
  archiveFile: string,
  options: LoadOptions,
  source: SourceScope = {},
): Promise<LoadResult> {
  const { signal } = options;
  const prelude = await readPrelude(createReadStream(archiveFile));
  const session = await openMongo(target, { signal, poolSize: INSERTS_AT_ONCE + 2 });
  try {
    const { items, notRestored } = planLoad(prelude, target, {
      ...source,
      tables: options.tables,
      logFollows: options.logFollows,
      serverVersion: session.hello.version,
    });
    const problems = new Problems();
    const { dataOnly = false, definitionsOf } = options;
    const intoExisting = dataOnly && definitionsOf === undefined;
    const made = definitionsOf === undefined ? items : await asTheyAre(session, items, databaseOf(definitionsOf), problems);
    const hold = new LoadHold();
    const isSettled = prelude.collections.some(isOplog);
    const loading = intoExisting
      ? await filling(session, items, problems)
      : await making(session, made, options, problems, isSettled ? hold : undefined);
    const bytes = createReadStream(archiveFile, { highWaterMark: CHUNK_BYTES });
    await loadRows(session, bytes, loading.withRows, problems, { ...options, intoExisting });
    await loading.finish();
    await awaitMajority(session, loading.withRows, problems);
    for (const { item, change } of loading.held) hold.expiry.keep(item.to, change);
    return { problems: problems.list(), notRestored, held: hold, release: () => releaseExpiry(target, hold.expiry, signal) };
  } catch (error) {
    throw session.translate(error, { otherwise: "LOAD_FAILED" });
  } finally {
    await session.close();
  }
}

interface Loading {
  /** What documents are put into. */
  readonly withRows: readonly LoadItem[];
  /** Once the documents are there. */
  finish(): Promise<void>;
  /** Expiry that is put off until the copy has been compared. */
  readonly held: readonly { readonly item: LoadItem; readonly change: Document }[];
}

/** Everything is made anew. */
async function making(
  session: MongoSession,
  items: readonly LoadItem[],
  options: LoadOptions,
  problems: Problems,
  hold: LoadHold | undefined,
): Promise<Loading> {
  const present = await presentOf(session, items);
  const inTheWay = items.find((item) => present.has(wordsOf(item)));
  if (inTheWay !== undefined) {
    throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${session.connection.label} already holds ${wordsOf(inTheWay)}`);
  }
  const made: { readonly item: LoadItem; readonly definition: Definition }[] = [];
  for (const item of items.filter(({ type }) => type !== "view")) {
    const definition = definitionOf(item.metadata);
    if (await makeCollection(session, item, definition, problems)) made.push({ item, definition });
  }
  return {
    withRows: made.map(({ item }) => item),
    async finish() {
      options.progress?.phase?.("indexes");
      const slots = new Slots(INDEXES_AT_ONCE);
      for (const { item, definition } of made) {
        const withhold = hold && ((index: Document) => void hold.indexes.push({ place: item.to, index }));
        await slots.begin(() => makeIndexes(session, item, definition, problems, withhold));
      }
      await slots.end();
      for (const { item, definition } of made) {
        if (definition.later !== undefined) await modify(session, item, definition.later, problems, "the validator");
      }
      for (const view of inOrder(items.filter(({ type }) => type === "view"))) {
        await makeCollection(session, view, definitionOf(view.metadata), problems);
      }
    },
    held: made.flatMap(({ item, definition }) => definition.last.map((change) => ({ item, change }))),
  };
}

/** Only documents, into collections that are there. */
async function filling(session: MongoSession, items: readonly LoadItem[], problems: Problems): Promise<Loading> {
  const present = await presentOf(session, items);
  const withRows: LoadItem[] = [];
  for (const item of items.filter(({ type }) => type !== "view")) {
    if (present.has(wordsOf(item))) withRows.push(item);
    else problems.add(missing(wordsOf(item)));
  }
  const nothing = async (): Promise<void> => {};
  return { withRows, finish: nothing, held: [] };
}

const missing = (name: string): string => `collection ${name} is not there, and documents without definitions need it`;

/** With the definitions of a live database's collections, whose documents they will replace. */
async function asTheyAre(
  session: MongoSession,
  items: readonly LoadItem[],
  database: string | undefined,
  problems: Problems,
): Promise<LoadItem[]> {
  const found: LoadItem[] = [];
  for (const item of items.filter(({ type }) => type !== "view")) {
    const db = database ?? item.from.db;
    const live = await describeCollection(session, db, item.to.collection);
    if (live?.type === item.type) found.push({ ...item, metadata: readMetadata(writeMetadata(live)) });
    else if (live === undefined) problems.add(missing(`${db}.${item.to.collection}`));
    else problems.add(`${db}.${item.to.collection} is a ${live.type} there, and the backup holds the documents of a ${item.type}`);
  }
  return found;
}

/** Full names of the collections and views that the databases in question hold. */
async function presentOf(session: MongoSession, items: readonly LoadItem[]): Promise<Set<string>> {
  const present = new Set<string>();
  for (const db of new Set(items.map(({ to }) => to.db))) {
    for (const { name } of await session.client.db(db).listCollections({}, { nameOnly: true }).toArray()) present.add(`${db}.${name}`);
  }
  return present;
}

/**
 * Waits until a majority of the members has what was loaded. A write that changes nothing waits like any other for all that was written
 * before it.
 */
async function awaitMajority(session: MongoSession, items: readonly LoadItem[], problems: Problems): Promise<void> {
  if (session.hello.topology === "standalone") return;
  const one = new Map(items.filter(({ type }) => type === "collection").map((item) => [item.to.db, item]));
  for (const [db, { to }] of one) {
    const writeConcern = { w: "majority", wtimeout: MAJORITY_TIMEOUT_MS };
    const reply = await session.command(db, { delete: to.collection, deletes: [{ q: { _id: { $in: [] } }, limit: 1 }], writeConcern });
    const failed = reply.writeConcernError as { errmsg?: string } | undefined;
    if (failed !== undefined) problems.add(`a majority of the members does not have ${db} yet: ${failed.errmsg ?? "no reason was given"}`);
  }
}
