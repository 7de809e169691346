// Inserts documents as the bytes that they are.
import type { Document } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";
import { commandWith } from "../oplog/raw-commands.ts";

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
  const { collection, ordered, options, stretches } = insert;
  // Each batch need only be on one member: the load waits for the majority once, at its end.
  const command = { insert: collection, ordered, writeConcern: { w: 1 }, ...options };
  const reply = await commandWith(session, insert.db, command, "documents", stretches);
  return { inserted: Number(reply.n ?? 0), refused: (reply.writeErrors ?? []) as InsertReply["refused"] };
}
