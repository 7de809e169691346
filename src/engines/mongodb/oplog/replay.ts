// Replay: entries of the oplog are applied to a loaded dump, in the order of the log, up to exactly one position.
//
// It is done with ordinary writes, which every server takes, Atlas too; the server's own `applyOps` needs rights that few have.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { compareLsn, maxLsn } from "../../../core/lsn.ts";
import type { ForwardReplay, Replayed, ReplayOrder } from "../../../ports/log.ts";
import { type MongoSession, openMongo, withMongo } from "../connect/connect.ts";
import { databaseOf } from "../connect/url.ts";
import { listSource } from "../dump/collections.ts";
import { holdOf, LoadHold } from "../load/hold.ts";
import { assertChosen, isServerCollection, type SourceScope, scopeOf, splitNamespace } from "../scope.ts";

import { DefinitionReplay } from "./definitions.ts";
import { DocumentReplay } from "./documents.ts";
import { type Entry, readEntry } from "./entry.ts";
import { isPassing, type Names, namesFor } from "./names.ts";
import { after, positionOf, type Stamp, stampOf, startOfSegment } from "./position.ts";
import { openSegment, type Slice } from "./segment.ts";
import { Transactions } from "./transactions.ts";

/** As the port says. `source`: what the dump is of, and so how the order's tables name collections. */
export function replay(order: ReplayOrder, source: SourceScope): Promise<Replayed> {
  return withMongo(order.target, { signal: order.signal, poolSize: 4 }, async (session) => {
    const names = namesFor(order.target, order.databases, order.tables, source);
    const applier = await beginApplying(session, names, holdOf(order.held));
    const reached = await follow(order, applier);
    const expected = maxLsn(order.expectedEnd, order.from);
    if (compareLsn(reached, expected) !== 0) {
      throw new LifeboatError("RECOVERY_SHORT", `replay of the oplog ended at ${reached}, and not at ${expected}, as it should have`);
    }
    await applier.end();
    await applier.release();
    await assertAllThere(session, order, source);
    return { reachedLsn: reached, entries: applier.entries, applied: applier.applied };
  });
}

/** TABLE_UNKNOWN for a pattern that chose nothing, neither of the backup nor of what the log made after it. */
async function assertAllThere(session: MongoSession, { target, tables }: ReplayOrder, source: SourceScope): Promise<void> {
  if (tables === undefined) return;
  const { collections } = await listSource(session, scopeOf(target, source, tables), () => true);
  const names = collections.map(({ table }) => table);
  assertChosen(tables, names, "what was restored: neither the backup nor the log up to that instant has it");
}

/** As the port says: entries are applied in the order of the log, as far as each call says. */
export async function beginForward(order: ForwardOrder, source: SourceScope): Promise<ForwardReplay> {
  const session = await openMongo(order.target, { signal: order.signal, poolSize: 4 });
  try {
    const names = namesFor(order.target, order.databases, order.tables, source);
    const applier = await beginApplying(session, names, holdOf(order.held));
    const entries = entriesOf(order);
    let next = await entries.next();
    return {
      async advance(to) {
        for (const stop = stampOf(to); next.done !== true && next.value.stamp < stop; next = await entries.next())
          await apply(next.value, order.from, applier);
        await applier.flush();
      },
      async end() {
        await entries.return(undefined);
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}

type ForwardOrder = Omit<ReplayOrder, "stopBefore" | "expectedEnd">;

/** Applies the entries between the order's edges; returns the position that was reached. */
async function follow(order: ReplayOrder, applier: Applier): Promise<string> {
  const stop = order.stopBefore === undefined ? undefined : stampOf(order.stopBefore);
  let reached = order.from;
  for await (const entry of entriesOf(order)) {
    if (stop !== undefined && entry.stamp >= stop) return reached;
    if (await apply(entry, order.from, applier)) reached = positionOf(after(entry.stamp));
  }
  return reached;
}

/** Applies one entry, or only prepares for later ones what lies before the first that counts: returns whether it counts. */
async function apply({ stamp, bytes }: Slice, from: string, applier: Applier): Promise<boolean> {
  const counts = stamp >= stampOf(from);
  if (counts) await applier.take(readEntry(bytes));
  else applier.prepare(readEntry(bytes));
  return counts;
}

/** Reads the entries of the segments, and sees that none is missing. */
async function* entriesOf(order: ForwardOrder): AsyncGenerator<Slice, void> {
  let covered: string | undefined;
  for await (const { name, bytes } of order.segments) {
    const start = startOfSegment(name);
    if (compareLsn(start, covered ?? order.from) > 0) {
      throw new LifeboatError("RECOVERY_SHORT", `the log from position ${covered ?? order.from} to ${start} is not there to be replayed`);
    }
    for (const entry of openSegment(name, bytes).entries) {
      order.signal?.throwIfAborted();
      covered = positionOf(after(entry.stamp));
      yield entry;
    }
    order.progress?.advance(bytes.byteLength);
  }
}

export interface Applier {
  /** Entries that were applied or passed over. */
  readonly entries: number;
  /** Changes that were made. */
  readonly applied: number;
  /** An entry before the first that counts: only what a later one may need of it is kept. */
  prepare(entry: Entry): void;
  take(entry: Entry): Promise<void>;
  /** Writes what waits for its batch, so that it can be read. */
  flush(): Promise<void>;
  /** Does what waits. LOG_INVALID when something could not be done after all. */
  end(): Promise<void>;
  /** After `end`: what is due may go from now on. */
  release(): Promise<void>;
}

/** Applies entries to where `names` says they belong. `hold`: what the load withholds there. */
export async function beginApplying(session: MongoSession, names: Names, hold: LoadHold = new LoadHold()): Promise<Applier> {
  const { expiry } = hold;
  const documents = new DocumentReplay(session);
  const definitions = new DefinitionReplay(session, names, documents, expiry);
  for (const { place, index } of hold.indexes.splice(0)) definitions.wait(place, serialize(index));
  const transactions = new Transactions();
  const passing = new Set<string>();
  let entries = 0;
  let changes = 0;
  const targets = await targetsOf(session, names.databases);
  await expiry.begin(session, targets);

  const apply = async (entry: Entry): Promise<void> => {
    const { op, ns } = entry;
    if (op === "n") return;
    if (op === "c") {
      const inner = transactions.take(entry);
      if (inner !== undefined) {
        for (const one of inner) await apply(one);
        return;
      }
      if (names.database(splitNamespace(ns).db) === undefined) return;
      await documents.flush();
      await definitions.take(entry);
      changes += 1;
      return;
    }
    if (op !== "i" && op !== "u" && op !== "d") throw unknown(entry.stamp, op);
    const { collection } = splitNamespace(ns);
    if (collection === "system.views") {
      await documents.flush();
      await definitions.takeView(entry);
      return;
    }
    const place = names.place(ns);
    if (place === undefined || isServerCollection(collection)) return;
    if (names.chosen && isPassing(collection)) passing.add(`${place.db}.${place.collection}`);
    await documents.take(entry, place);
  };

  return {
    get entries() {
      return entries;
    },
    get applied() {
      return changes + documents.applied;
    },
    prepare(entry) {
      transactions.take(entry);
    },
    async take(entry) {
      entries += 1;
      await apply(entry);
    },
    flush: () => documents.flush(),
    async end() {
      await documents.finish();
      await definitions.finish();
      for (const ns of passing) {
        const { db, collection } = splitNamespace(ns);
        await session.client.db(db).collection(collection).drop();
      }
    },
    release: () => expiry.release(session),
  };
}

/** Databases that are there now and belong to what is replayed. */
async function targetsOf(session: MongoSession, databases: readonly string[]): Promise<string[]> {
  const own = databaseOf(session.connection);
  if (own !== undefined) return [own];
  const present = await session.databases();
  return databases.length === 0 ? present : present.filter((name) => databases.includes(name));
}

const unknown = (stamp: Stamp, op: string): LifeboatError =>
  new LifeboatError(
    "LOG_INVALID",
    `the entry at ${positionOf(stamp)} of the oplog cannot be applied: operations of kind ${op} are not known`,
  );
