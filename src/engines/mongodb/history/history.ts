// One document through time: out of archives and through the oplog without a server, and out of a running one.
import { LifeboatError } from "../../../core/errors.ts";
import type { RowFound } from "../../../core/row-history.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { FollowOrder, RowHistory, RowName, RowReader, RowStep } from "../../../ports/row-history.ts";
import { readArchive } from "../archive/archive.ts";
import { type ArchiveCollection, dataCollection, isOplog, type Prelude } from "../archive/prelude.ts";
import { decode, documentsOf, type Element } from "../bson/bson.ts";
import { type MongoSession, openMongo } from "../connect/connect.ts";
import { type Entry, readEntry } from "../oplog/entry.ts";
import { after, positionOf, stampOf } from "../oplog/position.ts";
import { openSegment } from "../oplog/segment.ts";
import { type Namespace, namespaceOf, type SourceScope, scopeOf, sourceScope } from "../scope.ts";
import { idOf } from "./key.ts";
import { DocumentTracker, foundOf, type Tracked } from "./tracker.ts";

export function documentHistory(source: SourceScope): RowHistory {
  return {
    async inArchive(archive, row) {
      const { tracker, table, id } = await readInto(archive, row, undefined, source);
      const { state } = tracker;
      if (isUnknown(state)) throw new LifeboatError("INCONCLUSIVE", state.unknown);
      return foundOf(state, table, id);
    },
    open: (connection, row, work) => openDocument(connection, row, source, work),
    follow: (order) => follow(order, source),
  };
}

const isUnknown = (state: Tracked): state is { readonly unknown: string } => typeof state === "object" && "unknown" in state;

interface Read {
  readonly tracker: DocumentTracker;
  readonly table: string;
  readonly id: Element;
}

/** Reads the archive to its end, then applies the oplog that it may hold: what changed while it was made. */
async function readInto(
  archive: AsyncIterable<Uint8Array>,
  row: RowName,
  databases: readonly string[] | undefined,
  source: SourceScope,
): Promise<Read> {
  const id = idOf(row);
  let read: (Read & { readonly names: readonly string[] }) | undefined;
  const changes: Entry[] = [];
  const begin = (prelude: Prelude) => {
    const collections = prelude.collections.filter((one) => !isOplog(one));
    const all = databases ?? [...new Set(collections.map(({ db }) => db))];
    const { db, collection } = namespaceOf(sourceScope(all, source.several), row.table);
    assertDocuments(collections.find((one) => one.db === db && one.collection === collection));
    const tracker = new DocumentTracker(`${db}.${collection}`, id, all);
    const names = prelude.collections.map((one) => `${one.db}.${dataCollection(one, prelude.serverVersion)}`);
    for (const one of collections) tracker.exists(`${one.db}.${one.collection}`);
    return { tracker, table: `${db}.${collection}`, id, names };
  };
  for await (const { prelude, event } of readArchive(archive)) {
    read ??= begin(prelude);
    const collection = prelude.collections[event.index];
    if (event.kind !== "documents" || collection === undefined) continue;
    if (isOplog(collection)) for (const bytes of documentsOf(Uint8Array.from(event.documents))) changes.push(readEntry(bytes));
    else for (const document of documentsOf(event.documents)) read.tracker.see(read.names[event.index] ?? "", document);
  }
  // An archive without a collection that has blocks.
  read ??= begin({ concurrentCollections: 0, serverVersion: "", toolVersion: "", collections: [] });
  for (const entry of changes) read.tracker.take(entry);
  return read;
}

function assertDocuments(collection: ArchiveCollection | undefined): void {
  if (collection?.type === "view") throw new LifeboatError("USAGE", `${collection.collection} is a view: it has no documents of its own`);
  if (collection?.type === "timeseries")
    throw new LifeboatError("USAGE", `${collection.collection} is a time series: the _id of its measurements need not be unique`);
}

async function* follow(order: FollowOrder, source: SourceScope): AsyncGenerator<RowStep> {
  const { tracker, table, id } = await readInto(order.archive, order.row, order.databases, source);
  const stepOf = (): { readonly found: RowFound } | { readonly unknown: string } => {
    const { state } = tracker;
    return isUnknown(state) ? state : { found: foundOf(state, table, id) };
  };
  yield stepOf();
  const from = stampOf(order.from);
  for await (const { name, bytes } of order.segments) {
    for (const { stamp, bytes: document } of openSegment(name, bytes).entries) {
      order.signal?.throwIfAborted();
      const entry = readEntry(document);
      if (stamp < from) {
        tracker.prepare(entry);
        continue;
      }
      const told = tracker.take(entry);
      if (told !== undefined) yield { ...stepOf(), change: { position: positionOf(stamp), id: told }, end: positionOf(after(stamp)) };
    }
  }
}

async function openDocument(connection: Connection, row: RowName, source: SourceScope, work: Work = {}): Promise<RowReader> {
  const id = idOf(row);
  const place = namespaceOf(scopeOf(connection, source, [row.table]), row.table);
  const session = await openMongo(connection, { signal: work.signal, poolSize: 1 });
  return {
    read: () => readDocument(session, place, id),
    place: () => ({}),
    originName: async () => undefined,
    end: () => session.close(),
  };
}

async function readDocument(session: MongoSession, { db, collection }: Namespace, id: Element): Promise<RowFound> {
  const reply = await session.command(db, { listCollections: 1, filter: { name: collection }, cursor: {} });
  const [listed] = reply.cursor.firstBatch as { type: ArchiveCollection["type"] }[];
  if (listed === undefined) return { missing: "table" };
  assertDocuments({ db, collection, type: listed.type, metadata: "" });
  const table = `${db}.${collection}`;
  try {
    const filter = { _id: decode(id) } as Record<string, unknown>;
    const found = await session.client
      .db(db)
      .collection(collection)
      .findOne(filter, { raw: true, collation: { locale: "simple" } });
    if (found === null) return foundOf("no document", table, id);
    return foundOf({ document: Uint8Array.from(found as unknown as Uint8Array) }, table, id);
  } catch (error) {
    throw session.translate(error, { otherwise: "SOURCE_UNREACHABLE" });
  }
}
