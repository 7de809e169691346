// Puts the documents of an archive into their collections: read once from front to end, inserted in batches, several at a time.
import { MongoServerError } from "mongodb";
import type { Progress } from "../../../ports/progress.ts";
import { readArchive } from "../archive/archive.ts";
import { insertRaw, type RawInsert } from "../bson/raw-insert.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import type { LoadItem } from "./items.ts";
import type { Problems } from "./problems.ts";
import { Slots } from "./slots.ts";

/** A batch is sent when it has so much; one document more may be in it, and the server takes 48 MB in a message. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_DOCUMENTS = 50_000;
export const INSERTS_AT_ONCE = 3;

export interface RowsOptions {
  /** The database's rules for documents are there already, and documents that were valid once may not be now. */
  readonly intoExisting: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

interface Batch {
  readonly pieces: Uint8Array[];
  bytes: number;
  documents: number;
}

/**
 * Ends when the archive was whole and every document has been answered for: inserted, or among the problems. INTEGRITY when the archive
 * is damaged; what the server failed with otherwise.
 */
export async function loadRows(
  session: MongoSession,
  bytes: AsyncIterable<Uint8Array>,
  items: readonly LoadItem[],
  problems: Problems,
  options: RowsOptions,
): Promise<void> {
  const byIndex = new Map(items.map((item) => [item.index, item]));
  const batches = new Map<LoadItem, Batch>();
  const slots = new Slots(INSERTS_AT_ONCE);
  const inserter = new Inserter(session, problems, options.intoExisting);

  const send = async (item: LoadItem): Promise<void> => {
    const batch = batches.get(item);
    batches.delete(item);
    if (batch === undefined) return;
    await slots.begin(() => inserter.insert(item, batch));
    // A capped collection gives its documents in the order they were put in: one batch at a time.
    if (isCapped(item)) await slots.settle();
  };

  try {
    for await (const { event } of readArchive(watched(bytes, options))) {
      const item = byIndex.get(event.index);
      if (item === undefined) continue;
      if (event.kind === "end") {
        await send(item);
        continue;
      }
      const batch = batches.get(item) ?? { pieces: [], bytes: 0, documents: 0 };
      batches.set(item, batch);
      batch.pieces.push(event.documents);
      batch.bytes += event.documents.length;
      batch.documents += event.count;
      if (batch.bytes >= BATCH_BYTES || batch.documents >= BATCH_DOCUMENTS) await send(item);
    }
    await slots.end();
  } finally {
    await slots.settle();
  }
}

const isCapped = ({ metadata: { options } }: LoadItem): boolean =>
  (options instanceof Map ? options.get("capped") : options.capped) === true;

async function* watched(bytes: AsyncIterable<Uint8Array>, { signal, progress }: RowsOptions): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    yield chunk;
    progress?.advance(chunk.byteLength);
  }
}

const UNKNOWN_FIELD = 40_415;
const OUT_OF_DISK = 14_031;

class Inserter {
  readonly #session: MongoSession;
  readonly #problems: Problems;
  readonly #intoExisting: boolean;
  /** A server puts its own time in the place of an empty timestamp; newer ones leave it when asked to. */
  #keepsTimestamps: boolean;

  constructor(session: MongoSession, problems: Problems, intoExisting: boolean) {
    this.#session = session;
    this.#problems = problems;
    this.#intoExisting = intoExisting;
    this.#keepsTimestamps = session.hello.serverMajor >= 8;
  }

  async insert(item: LoadItem, { pieces, documents }: Batch): Promise<void> {
    const capped = isCapped(item);
    const insert = (): RawInsert => ({
      db: item.to.db,
      collection: item.into,
      pieces,
      ordered: capped,
      options: {
        ...(item.rawData ? { rawData: true } : {}),
        ...(this.#intoExisting ? { bypassDocumentValidation: true } : {}),
        ...(this.#keepsTimestamps ? { bypassEmptyTsReplacement: true } : {}),
      },
    });
    const reply = await insertRaw(this.#session, insert()).catch(async (error: unknown) => {
      if (serverCodeOf(error) !== UNKNOWN_FIELD || !this.#keepsTimestamps) throw error;
      this.#keepsTimestamps = false;
      return await insertRaw(this.#session, insert());
    });
    const full = reply.refused.find(({ code }) => code === OUT_OF_DISK);
    if (full !== undefined) throw new MongoServerError({ code: full.code, message: full.errmsg });
    const missing = documents - reply.inserted;
    if (missing === 0) return;
    const why = reply.refused[0]?.errmsg ?? "the server gave no reason";
    this.#problems.refused(`${item.to.db}.${item.to.collection}`, missing, why);
  }
}
