// find, getMore, killCursors, aggregate.
import { type Document, Long } from "bson";
import { definitionOf } from "../catalog.ts";
import { type Command, collectionOf, type Handlers, isTrue, numberIn } from "../command.ts";
import { type Cursor, type CursorSource, sourceOf, takeBatch } from "../cursors.ts";
import { CommandError } from "../errors.ts";
import { findSource } from "../find.ts";
import { compileFilter } from "../match.ts";
import { candidates } from "../paths.ts";
import { aggregateCommand, int } from "../pipeline.ts";
import { LATEST, type Position, timestampOf } from "../position.ts";
import { type Raw, typedOf } from "../raw.ts";
import type { Reply } from "../reply.ts";
import { documentsOf } from "../scan.ts";
import { sessionKey } from "../sessions.ts";
import { presentOf, snapshotOf, wantedSnapshot } from "../snapshot.ts";
import { keyOf } from "../values.ts";

const FIRST_BATCH = 101;

function find(command: Command): Reply {
  const { body, context, db } = command;
  const name = collectionOf(command);
  const at = wantedSnapshot(command);
  const found = at === undefined || Number.parseInt(context.version, 10) >= 8 ? undefined : context.store.find(db, name);
  if (found !== undefined && isTrue(definitionOf(found).options.capped)) {
    throw new CommandError(246, "Reading from capped collections with readConcern snapshot is not supported");
  }
  const source = findSource(context.store, db, name, body, at ?? presentOf(command));
  const limit = Math.abs(numberIn(body, "limit", 0));
  const single = isTrue(body.singleBatch);
  const most = numberIn(body, "batchSize", single ? limit || Number.MAX_SAFE_INTEGER : FIRST_BATCH);
  return firstBatch(command, `${db}.${name}`, source, most, at, single);
}

/** The first documents of a source; a cursor stays open when there are more. */
export function firstBatch(
  command: Command,
  ns: string,
  source: CursorSource,
  most: number,
  at: Position | undefined,
  single = false,
): Reply {
  const cursor: Omit<Cursor, "id"> = { ns, source, atClusterTime: at, held: undefined, session: sessionKey(command.body.lsid) };
  const { documents, done } = takeBatch(cursor, most);
  const id = done || single ? 0n : command.context.cursors.open(cursor).id;
  return { fields: { cursor: { id: Long.fromBigInt(id), ns, ...timeOf(at) } }, batch: { name: "firstBatch", documents } };
}

const timeOf = (at: Position | undefined): Document => (at === undefined ? {} : { atClusterTime: timestampOf(at) });

async function getMore(command: Command): Promise<Reply> {
  const { body, context, db, signal } = command;
  const id = BigInt(body.getMore.toString());
  const cursor = context.cursors.find(id);
  if (cursor === undefined) throw new CommandError(43, `cursor id ${id} not found`);
  const ns = `${db}.${body.collection}`;
  if (cursor.ns !== ns)
    throw new CommandError(13, `Requested getMore on namespace '${ns}', but cursor belongs to a different namespace ${cursor.ns}`);
  const most = numberIn(body, "batchSize", 0) || Number.MAX_SAFE_INTEGER;
  const killed = cursor.source.killed?.();
  if (killed !== undefined) {
    context.cursors.close(id);
    throw killed;
  }
  if (cursor.atClusterTime !== undefined) snapshotOf(context, { level: "snapshot", atClusterTime: timestampOf(cursor.atClusterTime) });
  let batch = takeNow(context, cursor, most);
  if (batch.documents.length === 0 && cursor.source.tail?.awaitData === true) {
    await untilChange(command, numberIn(body, "maxTimeMS", 1000));
    if (!signal.aborted) batch = takeNow(context, cursor, most);
  }
  if (batch.done) context.cursors.close(id);
  const fields = { cursor: { id: Long.fromBigInt(batch.done ? 0n : id), ns, ...timeOf(cursor.atClusterTime) } };
  return { fields, batch: { name: "nextBatch", documents: batch.documents } };
}

function takeNow(context: Command["context"], cursor: Cursor, most: number): { readonly documents: Raw[]; readonly done: boolean } {
  if (cursor.source.tail?.lost() === true) {
    context.cursors.close(cursor.id);
    throw new CommandError(136, "CollectionScan died due to position in capped collection being deleted");
  }
  return takeBatch(cursor, most);
}

/** Until something was written, or the time is over, or the client is gone. */
function untilChange({ context, signal }: Command, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    const stop = context.store.watch(end);
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

function killCursors({ body, context }: Command): Document {
  const [killed, missing]: [unknown[], unknown[]] = [[], []];
  for (const id of body.cursors ?? []) (context.cursors.close(BigInt(id.toString())) ? killed : missing).push(id);
  return { cursorsKilled: killed, cursorsNotFound: missing, cursorsAlive: [], cursorsUnknown: [] };
}

function aggregate(command: Command): Reply {
  const { body, db } = command;
  const at = wantedSnapshot(command);
  const name = typeof body.aggregate === "string" ? body.aggregate : "$cmd.aggregate";
  const documents = aggregateCommand(command, name, at ?? presentOf(command));
  const most = numberIn(body.cursor ?? {}, "batchSize", FIRST_BATCH);
  return firstBatch(command, `${db}.${name}`, sourceOf(documents[Symbol.iterator]()), most, at);
}

export const READING: Handlers = { find, getMore, killCursors, aggregate };

function count(command: Command): Document {
  const { body, store, db } = command;
  const name = collectionOf(command);
  const test = compileFilter(body.query);
  const [skip, limit] = [numberIn(body, "skip", 0), Math.abs(numberIn(body, "limit", 0))];
  const records = store.find(db, name)?.records;
  let n = 0;
  if (test === undefined && records !== undefined && !records.pending) n = records.count;
  else for (const raw of documentsOf(store, db, name, LATEST, body.query)) if (test === undefined || test(typedOf(raw))) n++;
  n = Math.max(0, n - skip);
  return { n: int(limit > 0 ? Math.min(n, limit) : n) };
}

function distinct(command: Command): Document {
  const { body, store, db } = command;
  const at = wantedSnapshot(command);
  const source = findSource(store, db, collectionOf(command), { filter: body.query }, at ?? presentOf(command));
  const parts = String(body.key).split(".");
  const found = new Map<string, unknown>();
  for (let raw = source.next(); raw !== undefined; raw = source.next()) {
    for (const value of candidates(typedOf(raw), parts)) {
      if (value !== undefined && !Array.isArray(value)) found.set(keyOf(value), found.get(keyOf(value)) ?? value);
    }
  }
  return { values: [...found.values()] };
}

function explain(command: Command): Document {
  const explained = command.body.explain as Document;
  const ns = `${command.db}.${String(explained[Object.keys(explained)[0] as string])}`;
  const winningPlan = { stage: "COLLSCAN", filter: explained.filter ?? explained.query ?? {}, direction: "forward" };
  return {
    explainVersion: "1",
    queryPlanner: { namespace: ns, parsedQuery: winningPlan.filter, winningPlan, rejectedPlans: [] },
    command: explained,
    serverInfo: { host: command.context.host, port: command.context.port, version: command.context.version },
  };
}

export const COUNTING: Handlers = { count, distinct, explain };
