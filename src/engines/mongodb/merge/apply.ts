// Carries out changes in batches, each one transaction that sees whether a document is still as it was compared. The undo set is stored first:
// it is the journal of the batches, because undoing leaves alone what was not changed yet.
import type { ClientSession } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { MergedTable } from "../../../core/merge-plan.ts";
import type { ApplyOptions } from "../../../ports/merge.ts";
import type { Element } from "../bson/bson.ts";
import { commandWith } from "../bson/raw-insert.ts";
import type { MongoSession } from "../connect/connect.ts";
import { commandOf, runsOf } from "../oplog/writes.ts";
import type { Namespace } from "../scope.ts";
import { header, LARGEST_SET_BYTES, tooLarge, writeChange } from "./changes.ts";
import { digestOf, documentsById, idInWords } from "./compare.ts";

export interface Change {
  readonly table: string;
  /** In the live database. */
  readonly place: Namespace;
  /** Where the wanted document is read. */
  readonly from: Namespace;
  readonly id: Element;
  readonly key: string;
  /** SHA-256 of the document now; null: there is none. */
  readonly expect: string | null;
  /** Of the wanted one; null: the document is deleted. */
  readonly want: string | null;
}

type Fetch = (from: Namespace, ids: readonly Element[], keys: readonly string[]) => Promise<ReadonlyMap<string, Uint8Array>>;

const BATCH_DOCUMENTS = 200;
const CHANGED_KEYS = 5;

interface Counts {
  inserted: number;
  updated: number;
  deleted: number;
  unchanged: number;
  changedSince: number;
  changedKeys: string[];
}

export async function applyChanges(
  live: MongoSession,
  changes: readonly Change[],
  fetch: Fetch,
  options: ApplyOptions,
): Promise<MergedTable[]> {
  const counts = new Map<string, Counts>();
  const countsOf = (table: string): Counts => {
    const found = counts.get(table) ?? { inserted: 0, updated: 0, deleted: 0, unchanged: 0, changedSince: 0, changedKeys: [] };
    counts.set(table, found);
    return found;
  };
  const leaveAlone = ({ table, id }: Change): void => {
    const own = countsOf(table);
    own.changedSince += 1;
    if (own.changedKeys.length < CHANGED_KEYS) own.changedKeys.push(idInWords(id));
  };
  /** What each document is that is changed: when it was looked at, then when the undo set took it. Only from that state is it changed. */
  const seen = new Map<Change, string | null>();
  const look = (change: Change, document: Uint8Array | undefined): boolean => {
    const digest = document === undefined ? null : digestOf(document);
    const isReady = digest !== change.want && (digest === change.expect || options.overwriteChanged === true);
    if (isReady) seen.set(change, digest);
    else seen.delete(change);
    if (digest === change.want) countsOf(change.table).unchanged += 1;
    else if (!isReady) leaveAlone(change);
    return isReady;
  };
  try {
    for (const batch of batchesOf(changes)) {
      options.signal?.throwIfAborted();
      const present = await presentOf(live, batch);
      for (const change of batch) look(change, present.get(change.key));
    }
    const found = [...seen.keys()];
    if (found.length > 0) await options.storeUndo({ [Symbol.asyncIterator]: () => undoSet(live, found, look) });
    const todo = [...seen.keys()];
    for (const batch of batchesOf(todo)) {
      const wanted = await fetch(
        batch[0]?.from ?? { db: "", collection: "" },
        batch.map(({ id }) => id),
        batch.map(({ key }) => key),
      );
      await options.assertAlive();
      const written = await inTransaction(live, (session) => writeBatch(live, session, batch, wanted, seen));
      for (const change of batch) {
        if (!written.has(change)) leaveAlone(change);
        else if (change.want === null) countsOf(change.table).deleted += 1;
        else if (seen.get(change) === null) countsOf(change.table).inserted += 1;
        else countsOf(change.table).updated += 1;
      }
    }
  } catch (error) {
    throw live.translate(error, { otherwise: "LOAD_FAILED" });
  }
  return [...counts].map(([table, own]) => ({ table, ...own }));
}

/** Neighbours of one collection. */
function* batchesOf(changes: readonly Change[]): Generator<readonly Change[]> {
  let batch: Change[] = [];
  for (const change of changes) {
    const isOther = batch[0] !== undefined && batch[0].table !== change.table;
    if (batch.length >= BATCH_DOCUMENTS || isOther) {
      yield batch;
      batch = [];
    }
    batch.push(change);
  }
  if (batch.length > 0) yield batch;
}

const presentOf = async (live: MongoSession, batch: readonly Change[], session?: ClientSession): Promise<Map<string, Uint8Array>> => {
  const [first] = batch;
  if (first === undefined) return new Map();
  const ids = batch.map(({ id }) => id);
  return documentsById(live, first.place, ids, session === undefined ? {} : { session });
};

/** Documents may have changed since they were looked at: `look` says of each whether it is still to be changed. */
async function* undoSet(
  live: MongoSession,
  todo: readonly Change[],
  look: (change: Change, document: Uint8Array | undefined) => boolean,
): AsyncGenerator<Uint8Array, void> {
  yield header();
  let sizeBytes = 0;
  for (const batch of batchesOf(todo)) {
    const present = await presentOf(live, batch);
    for (const change of batch) {
      const document = present.get(change.key);
      if (!look(change, document)) continue;
      const bytes = writeChange(change.place, change.id, change.want, document);
      sizeBytes += bytes.length;
      if (sizeBytes > LARGEST_SET_BYTES) throw tooLarge();
      yield bytes;
    }
  }
}

async function inTransaction<T>(live: MongoSession, act: (session: ClientSession) => Promise<T>): Promise<T> {
  const session = live.client.startSession();
  try {
    return await session.withTransaction(() => act(session), { readConcern: { level: "snapshot" }, writeConcern: { w: "majority" } });
  } finally {
    await session.endSession();
  }
}

/** Returns the changes that were made: the others are of documents that changed meanwhile. */
async function writeBatch(
  live: MongoSession,
  session: ClientSession,
  batch: readonly Change[],
  wanted: ReadonlyMap<string, Uint8Array>,
  seen: ReadonlyMap<Change, string | null>,
): Promise<ReadonlySet<Change>> {
  const present = await presentOf(live, batch, session);
  const ready = batch.filter((change) => {
    const document = present.get(change.key);
    return (document === undefined ? null : digestOf(document)) === seen.get(change);
  });
  const writes = ready.map((change) => {
    const document = change.want === null ? undefined : wanted.get(change.key);
    if (change.want !== null && document === undefined)
      throw new LifeboatError("LOAD_FAILED", `the restored copy no longer has ${change.table} ${idInWords(change.id)}`);
    return { place: change.place, key: change.key, id: change.id, stamp: 0n, document };
  });
  // Within the session's transaction; errors stay the driver's, which tell whether it can be tried again.
  const sending = {
    command: (database: string, command: object) => live.client.db(database).command(command, { session }),
  };
  for (const run of runsOf(writes)) {
    const [first] = run;
    if (first === undefined) continue;
    const { command, field, statement } = commandOf(first);
    const reply = await commandWith(
      sending,
      first.place.db,
      { ...command(first.place.collection), ordered: true },
      field,
      run.map(statement),
    );
    const [error] = (reply.writeErrors as { errmsg: string }[] | undefined) ?? [];
    if (error !== undefined) throw new LifeboatError("LOAD_FAILED", `a document cannot be brought back: ${error.errmsg}`);
  }
  const after = await presentOf(live, ready, session);
  for (const change of ready) {
    const document = after.get(change.key);
    if ((document === undefined ? null : digestOf(document)) === change.want) continue;
    throw new LifeboatError("LOAD_FAILED", `${change.table} ${idInWords(change.id)} was written and is not as it was then`);
  }
  return new Set(ready);
}
