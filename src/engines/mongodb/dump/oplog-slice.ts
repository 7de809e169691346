// What changed at the source while it was read: the oplog from before the first document to after the last.
import { setTimeout as sleep } from "node:timers/promises";
import type { Timestamp } from "bson";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { elementNamed, walkDocuments } from "../bson/bson.ts";
import { type RawBatch, readRaw } from "../bson/raw-cursor.ts";
import type { MongoSession } from "../connect/connect.ts";
import { type Entry, readEntry } from "../oplog/entry.ts";
import { positionOf, type Stamp } from "../oplog/position.ts";
import type { Slice } from "../oplog/segment.ts";
import { oplogEdge, settledFrom, timestampOf } from "../oplog/tail.ts";
import { covers, type Scope, splitNamespace } from "../scope.ts";

/**
 * From where a slice must begin to make whole what is read from now on: the newest entry, or the first of the oldest transaction that is
 * not decided yet, whose operations precede its commit in the oplog.
 */
export async function sliceStart(mongo: MongoSession): Promise<Stamp> {
  const newest = (await newestEntry(mongo)).stamp;
  const begun = await oldestTransaction(mongo);
  return begun !== undefined && begun < newest ? begun : newest;
}

/** Where the oldest transaction that is not decided yet begins in the oplog; undefined: there is none, or this user may not look. */
export async function oldestTransaction(mongo: MongoSession): Promise<Stamp | undefined> {
  const command = {
    find: "transactions",
    filter: { state: { $in: ["prepared", "inProgress"] } },
    sort: { startOpTime: 1 },
    limit: 1,
    singleBatch: true,
  };
  const reply = await mongo.command("config", command, { promoteValues: false }).catch((error: unknown) => {
    if (isLifeboatError(error, "SOURCE_PERMISSION")) return undefined;
    throw error;
  });
  const begun = reply?.cursor?.firstBatch?.[0]?.startOpTime?.ts as Timestamp | undefined;
  return begun === undefined ? undefined : (BigInt(begun.getHighBitsUnsigned()) << 32n) | BigInt(begun.getLowBitsUnsigned());
}

const SETTLING_MS = 60_000;
const POLL_MS = 50;

/**
 * The newest entry, once a majority has it, and every entry before it is to be seen: reading backwards, as is done to find it, passes over
 * entries whose writes are not finished, and those still come to lie before it. A later reading of a majority's entries then reaches it.
 */
export async function newestEntry(mongo: MongoSession): Promise<Slice> {
  const last = await oplogEdge(mongo, "last");
  if (last === undefined) throw new LifeboatError("DUMP_FAILED", `the oplog of ${mongo.connection.label} is empty`);
  for (const since = performance.now(); performance.now() - since < SETTLING_MS; await sleep(POLL_MS)) {
    const settled = await settledFrom(mongo, last.stamp);
    if (settled !== undefined) return settled;
  }
  throw new LifeboatError(
    "SOURCE_CHANGED",
    `a majority of the members of ${mongo.connection.label} still does not have what was written there a minute ago`,
    { hint: "look at the members with rs.status(), and make the backup when they have caught up" },
  );
}

/**
 * Entries of the scope from one position to another, both included. Throws SOURCE_CHANGED when the oplog no longer reaches back to where
 * it begins, or holds what cannot be applied afterwards: a collection that was renamed is in the archive under either name or both.
 */
export async function* readSlice(
  mongo: MongoSession,
  scope: Scope,
  from: Stamp,
  to: Stamp,
  signal?: AbortSignal,
): AsyncGenerator<RawBatch, void> {
  const command = {
    find: "oplog.rs",
    filter: { ts: { $gte: timestampOf(from), $lte: timestampOf(to) } },
    readConcern: { level: "majority" },
  };
  await assertReaches(mongo, from);
  let reached: Stamp | undefined;
  for await (const batch of readRaw(mongo, "local", command, { signal })) {
    const kept: Uint8Array[] = [];
    walkDocuments(batch.documents, (at, end) => {
      const bytes = batch.documents.subarray(at, end);
      const entry = readEntry(bytes);
      reached = entry.stamp;
      refuseUnappliable(entry, scope, mongo.connection.label);
      if (belongs(entry, scope)) kept.push(bytes);
    });
    if (kept.length > 0) yield { documents: Buffer.concat(kept), count: kept.length };
  }
  if (reached !== to) {
    const where = `the oplog of ${mongo.connection.label} was read to ${reached === undefined ? "nowhere" : positionOf(reached)}`;
    throw new LifeboatError(
      "SOURCE_CHANGED",
      `${where}, and not to ${positionOf(to)}, where it had been before: another member leads now`,
      {
        hint: "run the backup again",
      },
    );
  }
  // Old entries go while new ones come: what was there before the first batch may have gone before the second.
  await assertReaches(mongo, from);
}

async function assertReaches(mongo: MongoSession, from: Stamp): Promise<void> {
  const first = await oplogEdge(mongo, "first");
  if (first !== undefined && first.stamp <= from) return;
  throw new LifeboatError(
    "SOURCE_CHANGED",
    `the oplog of ${mongo.connection.label} is too short: it has dropped what changed while the dump was made`,
    {
      hint: "raise it on the source (replSetResizeOplog), or make the backup when less is written",
    },
  );
}

/** Transactions are entries of `admin.$cmd`, which name collections inside. No-op entries concern no database. */
function belongs({ op, ns }: Entry, scope: Scope): boolean {
  if (op === "n") return false;
  return ns === "admin.$cmd" || covers(scope, splitNamespace(ns).db);
}

function refuseUnappliable(entry: Entry, scope: Scope, label: string): void {
  if (entry.op !== "c" || !belongs(entry, scope)) return;
  for (const what of ["renameCollection", "importCollection", "upgradeDowngradeViewlessTimeseries"]) {
    if (elementNamed(entry.o, what) === undefined) continue;
    throw new LifeboatError("SOURCE_CHANGED", `a collection of ${label} was renamed or converted while it was read (${what})`, {
      hint: "run the backup again; or set `consistency: snapshot` for the source, which such changes cannot disturb",
    });
  }
}
