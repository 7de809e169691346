// Sends documents as raw bytes, in a document sequence of the message. The driver sends its bulk writes in the same way.
import { createRequire } from "node:module";
import type { Document } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";

export interface RawInsert {
  readonly db: string;
  readonly collection: string;
  /** Pieces that each hold whole documents, one after the other. */
  readonly pieces: readonly Uint8Array[];
  readonly ordered: boolean;
  /** Options of the command: `bypassDocumentValidation`, `rawData` … */
  readonly options: Document;
}

export interface InsertReply {
  readonly inserted: number;
  readonly refused: readonly { readonly index: number; readonly code: number; readonly errmsg: string }[];
}

/** Inserts in one command. The reply lists the documents that the server refused. Throws when the command failed as a whole. */
export async function insertRaw(session: MongoSession, insert: RawInsert): Promise<InsertReply> {
  const { collection, ordered, options, pieces } = insert;
  // One member is enough for each batch: the load waits for the majority once, at its end.
  const command = { insert: collection, ordered, writeConcern: { w: 1 }, ...options };
  const reply = await commandWith(session, insert.db, command, "documents", pieces);
  return { inserted: Number(reply.n ?? 0), refused: (reply.writeErrors ?? []) as InsertReply["refused"] };
}

interface Sequence {
  push(document: Document, bytes: Uint8Array): number;
}

// The driver has no public API for this. Its version is pinned, and the contract suite fails when the class is gone.
const { DocumentSequence } = createRequire(import.meta.url)("mongodb/lib/cmap/commands.js") as {
  DocumentSequence: new (field: string) => Sequence;
};

/** Runs a command one field of which is a list of raw documents. */
export function commandWith(
  session: Pick<MongoSession, "command">,
  database: string,
  command: Document,
  field: string,
  documents: readonly Uint8Array[],
): Promise<Document> {
  const sequence = new DocumentSequence(field);
  for (const bytes of documents) sequence.push({}, bytes);
  return session.command(database, { ...command, [field]: sequence });
}
