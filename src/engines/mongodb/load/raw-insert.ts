// Inserts documents as the bytes that they are. The driver reads raw documents and writes none, so they travel as a section of the
// message that it knows from its own bulk writes (a document sequence of OP_MSG), which is not part of what it exports.
import { createRequire } from "node:module";
import type { Document } from "mongodb";
import type { MongoSession } from "../connect/client.ts";

interface DocumentSequence {
  /** Takes a document for events and errors, and the bytes that are sent for it. */
  push(document: Document, bytes: Uint8Array): number;
}

const { DocumentSequence } = createRequire(import.meta.url)("mongodb/lib/cmap/commands.js") as {
  readonly DocumentSequence: new (field: string) => DocumentSequence;
};

export interface RawInsert {
  readonly db: string;
  readonly collection: string;
  /** Whole documents, one after the other in each stretch. */
  readonly stretches: readonly Uint8Array[];
  readonly ordered: boolean;
  /** Options of the command: `bypassDocumentValidation`, `rawData` … */
  readonly options: Document;
}

export interface InsertReply {
  readonly inserted: number;
  readonly refused: readonly { readonly index: number; readonly code: number; readonly errmsg: string }[];
}

/** One command. Documents that the server refused are in the reply; a command that failed as a whole throws. */
export async function insertRaw(session: MongoSession, insert: RawInsert): Promise<InsertReply> {
  const documents = new DocumentSequence("documents");
  for (const stretch of insert.stretches) documents.push({}, stretch);
  const { collection, ordered, options } = insert;
  // Each batch need only be on one member: the load waits for the majority once, at its end.
  const command = { insert: collection, documents, ordered, writeConcern: { w: 1 }, ...options };
  const reply = await session.command(insert.db, command);
  return { inserted: Number(reply.n ?? 0), refused: (reply.writeErrors ?? []) as InsertReply["refused"] };
}
