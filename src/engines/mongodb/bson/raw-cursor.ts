// Reads a cursor batch by batch in raw BSON. The documents of a batch are moved together within the memory of the reply: that is far cheaper
// than an object per document, and gives exactly the bytes that the server sent.
import { type Document, Long } from "bson";
import type { ClientSession } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { MongoSession } from "../connect/connect.ts";
import { documentFlaw, type Element, elementsOf, int32At, TYPE, textOf } from "./bson.ts";
import { LARGE_BYTES, LargeReplies } from "./large-replies.ts";

/** Some documents, one after the other in one piece of memory of their own. */
export interface RawBatch {
  readonly documents: Uint8Array;
  readonly count: number;
}

export interface RawCursorOptions {
  /** The wanted size of a batch in bytes. A reply never has more than 16 MiB. Default: 1 MiB; more is not faster, and costs memory. */
  readonly batchBytes?: number | undefined;
  /** The largest number of documents of the first batch, whose size is unknown. Default: 500. */
  readonly firstBatch?: number | undefined;
  /** Shared by cursors that are read side by side: large replies come one at a time. */
  readonly large?: LargeReplies | undefined;
  readonly signal?: AbortSignal | undefined;
}

const BATCH_BYTES = 1024 * 1024;
const FIRST_BATCH = 500;
const MOST_IN_BATCH = 1_000_000;

/**
 * Runs a command that opens a cursor (`find`, `listCollections`, `aggregate` …, without batch size) and yields what it gives; while one
 * batch is being used the next is on its way. A batch belongs to the caller. Errors are the driver's and untranslated. Left early, the
 * cursor is closed.
 */
export function readRaw(
  mongo: MongoSession,
  database: string,
  command: Document,
  options: RawCursorOptions = {},
): AsyncGenerator<RawBatch, void> {
  return mongo.hello.topology === "sharded"
    ? readPinned(mongo, database, command, options)
    : readReplies(mongo, database, command, options);
}

async function* readReplies(
  mongo: MongoSession,
  database: string,
  command: Document,
  options: RawCursorOptions,
): AsyncGenerator<RawBatch, void> {
  const { batchBytes = BATCH_BYTES, firstBatch = FIRST_BATCH, large = new LargeReplies(), signal } = options;
  // A cursor belongs to the session that opened it. Causal consistency would put an instant of its own into the command.
  const session = mongo.client.startSession({ causalConsistency: false });
  const run = (next: Document): Promise<Reply> => ask(mongo, database, next, session);
  // A cursor for which there is nothing more to be closed has id 0.
  let open: Pick<Reply, "id" | "collection"> | undefined;
  let coming: Promise<Reply> | undefined;
  let endTurn: (() => void) | undefined;
  try {
    endTurn = await large.beginUnknown();
    let reply = await run(withBatchSize(command, firstBatch));
    for (;;) {
      signal?.throwIfAborted();
      open = reply.id === 0n ? undefined : reply;
      let gathered: RawBatch | undefined = gatherDocuments(reply.batch);
      const { count } = gathered;
      const sizeBytes = gathered.documents.length;
      reply.batch = NOTHING; // what is used up must not be held while the next one comes
      const more = (): Promise<Reply> | undefined => {
        if (open === undefined) return undefined;
        const batchSize = count === 0 ? firstBatch : sizeOfNext(batchBytes, sizeBytes / count);
        const next = run({ getMore: Long.fromBigInt(open.id), collection: open.collection, batchSize });
        next.catch(() => {}); // reported when it is awaited; an early failure must not be an unhandled one
        return next;
      };
      // The next is on its way while this one is used; a large one is asked for only when the one before was taken.
      const isLarge = large.isLarge(sizeBytes);
      if (!isLarge) endTurn?.();
      coming = isLarge ? undefined : more();
      if (count > 0) yield gathered;
      gathered = undefined;
      endTurn?.();
      if (isLarge && open !== undefined) {
        endTurn = await large.begin();
        coming = more();
      }
      if (coming === undefined) return;
      const last = coming;
      coming = undefined;
      open = undefined;
      reply = await last;
    }
  } finally {
    endTurn?.();
    // Left early: what is under way must have ended before its cursor can be closed.
    const late = await coming?.catch(() => undefined);
    const rest = late ?? open;
    if (rest !== undefined && rest.id !== 0n && !signal?.aborted) await closeCursor(mongo, database, rest, session);
    await session.endSession().catch(() => {});
  }
}

/** A cursor lives on the one router that opened it. Only the driver's own cursor stays with one of several; it costs a view per document. */
async function* readPinned(
  mongo: MongoSession,
  database: string,
  command: Document,
  { batchBytes = BATCH_BYTES, firstBatch = FIRST_BATCH, signal }: RawCursorOptions,
): AsyncGenerator<RawBatch, void> {
  const cursor = mongo.client.db(database).runCursorCommand(withBatchSize(command, firstBatch), { raw: true });
  cursor.setBatchSize(firstBatch);
  try {
    while (await cursor.hasNext()) {
      signal?.throwIfAborted();
      const documents = cursor.readBufferedDocuments() as unknown as Uint8Array[];
      const batch = Buffer.concat(documents);
      cursor.setBatchSize(sizeOfNext(batchBytes, batch.length / documents.length));
      yield { documents: batch, count: documents.length };
    }
  } finally {
    await cursor.close().catch(() => {}); // the first error is what matters
  }
}

function withBatchSize(command: Document, batchSize: number): Document {
  return "find" in command ? { ...command, batchSize } : { ...command, cursor: { batchSize } };
}

const sizeOfNext = (batchBytes: number, documentBytes: number): number =>
  Math.min(Math.max(Math.ceil(batchBytes / documentBytes), 1), MOST_IN_BATCH);

interface Reply {
  readonly id: bigint;
  readonly collection: string;
  batch: Uint8Array;
}

const NOTHING = new Uint8Array(0);

async function ask(mongo: MongoSession, database: string, command: Document, session: ClientSession): Promise<Reply> {
  delete session.clusterTime; // so that it becomes that of this reply
  // `raw`: embedded documents of the reply stay bytes.
  const { cursor } = (await mongo.client.db(database).command(command, { raw: true, session })) as { cursor?: unknown };
  if (!(cursor instanceof Uint8Array)) throw strange("no cursor");
  if (cursor.length > LARGE_BYTES) copySignature(session);
  const fields = new Map(elementsOf(cursor).map((element) => [element.name, element]));
  const [id, ns, batch] = [fields.get("id"), fields.get("ns"), fields.get("firstBatch") ?? fields.get("nextBatch")];
  if (id?.type !== TYPE.int64 || ns?.type !== TYPE.string || batch?.type !== TYPE.array) throw strange("a malformed cursor");
  const namespace = textOf(ns);
  return {
    id: number64(id),
    collection: namespace.slice(namespace.indexOf(".") + 1),
    batch: batch.value,
  };
}

/**
 * The session and the connection share the cluster time of the last reply, whose signature is a view of 20 bytes of that reply. A copy lets
 * the memory of the reply be freed.
 */
function copySignature({ clusterTime }: ClientSession): void {
  const hash: { buffer: Uint8Array } | undefined = clusterTime?.signature?.hash;
  if (hash !== undefined) hash.buffer = Uint8Array.from(hash.buffer);
}

const number64 = ({ value }: Element): bigint => new DataView(value.buffer, value.byteOffset, 8).getBigInt64(0, true);

/**
 * Moves the documents of a BSON array together, in place: in front of each lie its type and its number as text. Overwrites the array.
 * INTEGRITY when it holds anything but documents.
 */
export function gatherDocuments(array: Uint8Array): RawBatch {
  const end = array.length - 1;
  let count = 0;
  let filled = 0;
  let at = 4;
  while (at < end) {
    if (array[at] !== TYPE.document) throw strange("a value in a cursor that is not a document");
    at += 2;
    while (array[at] !== 0 && at < end) at += 1;
    at += 1;
    const sizeBytes = int32At(array, at);
    const flaw = at + sizeBytes > end ? "a document that is cut off" : documentFlaw(sizeBytes, array[at + sizeBytes - 1] as number);
    if (flaw !== undefined) throw strange(flaw);
    array.copyWithin(filled, at, at + sizeBytes);
    filled += sizeBytes;
    at += sizeBytes;
    count += 1;
  }
  return { documents: array.subarray(0, filled), count };
}

async function closeCursor(mongo: MongoSession, database: string, cursor: Pick<Reply, "id" | "collection">, session: ClientSession) {
  const command = { killCursors: cursor.collection, cursors: [Long.fromBigInt(cursor.id)] };
  // The server closes it after ten minutes in any case; the first error is what matters.
  await mongo.client
    .db(database)
    .command(command, { session })
    .catch(() => {});
}

const strange = (what: string): LifeboatError => new LifeboatError("INTEGRITY", `the server's reply holds ${what}`);
