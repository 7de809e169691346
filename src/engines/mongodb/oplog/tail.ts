// Reads the oplog as it grows: entries that a majority of the set has, and so none that could be rolled back.
import { Timestamp } from "bson";
import type { FindCursor } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";
import { stampAndWall } from "./entry.ts";
import type { Stamp } from "./position.ts";
import type { Slice } from "./segment.ts";

/** How long the server waits for news before it answers that there are none. */
const AWAIT_MS = 1_000;
const ASK_MS = 30_000;

export const timestampOf = (stamp: Stamp): Timestamp => new Timestamp({ t: Number(stamp >> 32n), i: Number(stamp & 0xffffffffn) });

const sliceOf = (document: unknown): Slice => {
  const bytes = document as Uint8Array;
  return { ...stampAndWall(bytes), bytes };
};

/** The first and the last entry that the oplog of the leading member holds; undefined: it holds none. */
export async function oplogEdge({ client }: MongoSession, which: "first" | "last"): Promise<Slice | undefined> {
  const sort = { $natural: which === "first" ? 1 : -1 } as const;
  const options = { raw: true, limit: 1, maxTimeMS: ASK_MS, sort, readPreference: "primary" } as const;
  const [found] = await client.db("local").collection("oplog.rs").find({}, options).toArray();
  return found === undefined ? undefined : sliceOf(found);
}

/** Returns the first entry at or after a position that a majority has; undefined: none yet. No entry can appear before it later. */
export async function settledFrom({ client }: MongoSession, stamp: Stamp): Promise<Slice | undefined> {
  const options = { raw: true, limit: 1, maxTimeMS: ASK_MS, readConcern: { level: "majority" }, readPreference: "primary" } as const;
  const [found] = await client
    .db("local")
    .collection("oplog.rs")
    .find({ ts: { $gte: timestampOf(stamp) } }, options)
    .toArray();
  return found === undefined ? undefined : sliceOf(found);
}

/** The last entry before a position; undefined: the oplog does not reach back so far. */
export async function entryBefore({ client }: MongoSession, stamp: Stamp): Promise<Slice | undefined> {
  const options = { raw: true, limit: 1, maxTimeMS: ASK_MS, sort: { $natural: -1 } as const };
  const [found] = await client
    .db("local")
    .collection("oplog.rs")
    .find({ ts: { $lt: timestampOf(stamp) } }, options)
    .toArray();
  return found === undefined ? undefined : sliceOf(found);
}

/** The entries between two positions, edges included, as far as a majority has them. */
export async function* entriesBetween({ client }: MongoSession, from: Stamp, to: Stamp): AsyncGenerator<Slice, void> {
  const filter = { ts: { $gte: timestampOf(from), $lte: timestampOf(to) } };
  const options = { raw: true, readConcern: { level: "majority" }, readPreference: "primary", batchSize: 10_000 } as const;
  for await (const found of client.db("local").collection("oplog.rs").find(filter, options)) yield sliceOf(found);
}

/**
 * Entries from the position on, as they come; undefined whenever there was nothing for a second. Ends when the server gives the
 * cursor up, which it does at once where it has nothing to begin with.
 */
export async function* tailFrom({ client }: MongoSession, stamp: Stamp): AsyncGenerator<Slice | undefined> {
  const cursor: FindCursor = client
    .db("local")
    .collection("oplog.rs")
    .find(
      { ts: { $gte: timestampOf(stamp) } },
      { raw: true, tailable: true, awaitData: true, maxAwaitTimeMS: AWAIT_MS, readConcern: { level: "majority" }, batchSize: 10_000 },
    );
  try {
    for (;;) {
      const found = await cursor.tryNext();
      if (found !== null) yield sliceOf(found);
      else if (cursor.closed || cursor.id?.isZero() === true) return;
      else yield undefined;
    }
  } finally {
    await cursor.close().catch(() => {});
  }
}
