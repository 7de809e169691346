// Replay: entries of the oplog are applied to a loaded dump, in the order of the log, up to exactly one position.
//
// It is done with ordinary writes, which every server takes, Atlas too; the server's own `applyOps` needs rights that few have.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { compareLsn, maxLsn } from "../../../core/lsn.ts";
import type { Replayed, ReplayOrder } from "../../../ports/log.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { databaseOf } from "../connect/url.ts";
import { listSource } from "../dump/collections.ts";
import { holdOf, LoadHold } from "../load/hold.ts";
import { assertChosen, isServerCollection, type SourceScope, scopeOf, splitNamespace } from "../scope.ts";

import { DefinitionReplay } from "./definitions.ts";
import { DocumentReplay } from "./documents.ts";
import { type Entry, readEntry } from "./entry.ts";
import { isPassing, type Names, namesFor } from "./names.ts";
import { after, positionOf, type Stamp, stampOf, startOfSegment } from "./position.ts";
import { openSegment } from "./segment.ts";
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

/** Applies the entries between the order's edges; returns the position that was reached. */
async function follow(order: ReplayOrder, applier: Applier): Promise<string> {
  const [from, stop] = [stampOf(order.from), order.stopBefore === undefined ? undefined : stampOf(order.stopBefore)];
  let covered: string | undefined;
  let reached = order.from;
  for await (const { name, bytes } of order.segments) {
    const start = startOfSegment(name);
    if (compareLsn(start, covered ?? order.from) > 0) {
      throw new LifeboatError("RECOVERY_SHORT", `the log from position ${covered ?? order.from} to ${start} is not there to be replayed`);
    }
    for (const { stamp, bytes: document } of openSegment(name, bytes).entries) {
      order.signal?.throwIfAborted();
      if (stop !== undefined && stamp >= stop) return reached;
      covered = positionOf(after(stamp));
      if (stamp < from) applier.prepare(readEntry(document));
      else {
        await applier.take(readEntry(document));
        reached = covered;
      }
    }
    order.progress?.advance(bytes.byteLength);
  }
  return reached;
}

export interface Applier {
  /** Entries that were applied or passed over. */
  readonly entries: number;
  /** Changes that were made. */
  readonly applied: number;
  /** An entry before the first that counts: only what a later one may need of it is kept. */
  prepare(entry: Entry): void;
  take(entry: Entry): Promise<void>;
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
