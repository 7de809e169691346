// find, getMore, killCursors, aggregate.
import { type Document, Long } from "bson";
import { type Call, collectionOf, type Handlers, isTrue, numberIn } from "../call.ts";
import { definitionOf } from "../catalog.ts";
import { type Cursor, type CursorSource, sourceOf, takeBatch } from "../cursors.ts";
import { MongoFault } from "../errors.ts";
import { findSource } from "../find.ts";
import { aggregateCommand } from "../pipeline.ts";
import { type Position, timestampOf } from "../position.ts";
import type { Raw } from "../raw.ts";
import type { Reply } from "../reply.ts";
import { sessionKey } from "../sessions.ts";
import { presentOf, snapshotOf, wantedSnapshot } from "../snapshot.ts";

const FIRST_BATCH = 101;

function find(call: Call): Reply {
  const { body, world, db } = call;
  const name = collectionOf(call);
  const at = wantedSnapshot(call);
  const found = at === undefined || Number.parseInt(world.version, 10) >= 8 ? undefined : world.store.find(db, name);
  if (found !== undefined && isTrue(definitionOf(found).options.capped)) {
    throw new MongoFault(246, "Reading from capped collections with readConcern snapshot is not supported");
  }
  const source = findSource(world.store, db, name, body, at ?? presentOf(call));
  const limit = Math.abs(numberIn(body, "limit", 0));
  const single = isTrue(body.singleBatch);
  const most = numberIn(body, "batchSize", single ? limit || Number.MAX_SAFE_INTEGER : FIRST_BATCH);
  return firstBatch(call, `${db}.${name}`, source, most, at, single);
}

/** The first documents of a source; a cursor stays open when there are more. */
export function firstBatch(call: Call, ns: string, source: CursorSource, most: number, at: Position | undefined, single = false): Reply {
  const cursor: Omit<Cursor, "id"> = { ns, source, atClusterTime: at, held: undefined, session: sessionKey(call.body.lsid) };
  const { documents, done } = takeBatch(cursor, most);
  const id = done || single ? 0n : call.world.cursors.open(cursor).id;
  return { fields: { cursor: { id: Long.fromBigInt(id), ns, ...timeOf(at) } }, batch: { name: "firstBatch", documents } };
}

const timeOf = (at: Position | undefined): Document => (at === undefined ? {} : { atClusterTime: timestampOf(at) });

async function getMore(call: Call): Promise<Reply> {
  const { body, world, db, signal } = call;
  const id = BigInt(body.getMore.toString());
  const cursor = world.cursors.find(id);
  if (cursor === undefined) throw new MongoFault(43, `cursor id ${id} not found`);
  const ns = `${db}.${body.collection}`;
  if (cursor.ns !== ns)
    throw new MongoFault(13, `Requested getMore on namespace '${ns}', but cursor belongs to a different namespace ${cursor.ns}`);
  const most = numberIn(body, "batchSize", 0) || Number.MAX_SAFE_INTEGER;
  const killed = cursor.source.killed?.();
  if (killed !== undefined) {
    world.cursors.close(id);
    throw killed;
  }
  if (cursor.atClusterTime !== undefined) snapshotOf(world, { level: "snapshot", atClusterTime: timestampOf(cursor.atClusterTime) });
  let batch = takeNow(world, cursor, most);
  if (batch.documents.length === 0 && cursor.source.tail?.awaitData === true) {
    await untilChange(call, numberIn(body, "maxTimeMS", 1000));
    if (!signal.aborted) batch = takeNow(world, cursor, most);
  }
  if (batch.done) world.cursors.close(id);
  const fields = { cursor: { id: Long.fromBigInt(batch.done ? 0n : id), ns, ...timeOf(cursor.atClusterTime) } };
  return { fields, batch: { name: "nextBatch", documents: batch.documents } };
}

function takeNow(world: Call["world"], cursor: Cursor, most: number): { readonly documents: Raw[]; readonly done: boolean } {
  if (cursor.source.tail?.lost() === true) {
    world.cursors.close(cursor.id);
    throw new MongoFault(136, "CollectionScan died due to position in capped collection being deleted");
  }
  return takeBatch(cursor, most);
}

/** Until something was written, or the time is over, or the client is gone. */
function untilChange({ world, signal }: Call, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    const stop = world.store.watch(end);
    function end(): void {
      clearTimeout(timer);
      stop();
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}

function killCursors({ body, world }: Call): Document {
  const [killed, missing]: [unknown[], unknown[]] = [[], []];
  for (const id of body.cursors ?? []) (world.cursors.close(BigInt(id.toString())) ? killed : missing).push(id);
  return { cursorsKilled: killed, cursorsNotFound: missing, cursorsAlive: [], cursorsUnknown: [] };
}

function aggregate(call: Call): Reply {
  const { body, db } = call;
  const at = wantedSnapshot(call);
  const name = typeof body.aggregate === "string" ? body.aggregate : "$cmd.aggregate";
  const documents = aggregateCommand(call, name, at ?? presentOf(call));
  const most = numberIn(body.cursor ?? {}, "batchSize", FIRST_BATCH);
  return firstBatch(call, `${db}.${name}`, sourceOf(documents[Symbol.iterator]()), most, at);
}

export const READING: Handlers = { find, getMore, killCursors, aggregate };
