// Expiry, which a load puts off: set to what it was at the source once the copy has been compared. What is due goes then, as it would
// have gone at the source; before, it would have been missing from the comparison.
import type { Document } from "mongodb";
import type { Connection } from "../../../ports/connection.ts";
import { withMongo } from "../connect/client.ts";
import type { LoadItem } from "./items.ts";
import { modify } from "./make.ts";
import { Problems } from "./problems.ts";

export interface Held {
  readonly item: LoadItem;
  /** For `collMod`. */
  readonly change: Document;
}

/** Gives what the server refused: documents of these collections would be kept for ever. */
export async function releaseExpiry(target: Connection, held: readonly Held[], signal: AbortSignal | undefined): Promise<string[]> {
  const problems = new Problems();
  await withMongo(target, { signal }, async (session) => {
    for (const { item, change } of held) await modify(session, item, change, problems, "the expiry of documents");
  });
  return problems.list();
}
