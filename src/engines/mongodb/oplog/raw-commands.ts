// Commands whose documents go to the server as the very bytes that they are: in a section of their own beside the command, which is
// how the driver itself sends what it writes in bulk.
import { createRequire } from "node:module";
import type { Document } from "mongodb";
import type { MongoSession } from "../connect/connect.ts";

interface Sequence {
  push(document: Document, bytes: Uint8Array): number;
}

// The driver has no public way for raw bytes within a command. Its version is pinned; the contract suite fails if this one goes.
const { DocumentSequence } = createRequire(import.meta.url)("mongodb/lib/cmap/commands.js") as {
  DocumentSequence: new (field: string) => Sequence;
};

/** Runs a command with one field that is a list of raw documents. */
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
