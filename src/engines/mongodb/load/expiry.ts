// Expiry, which a load puts off: set to what it was at the source once the copy has been compared. What is due goes then, as it would
// have gone at the source; before, it would have been missing from the comparison.
import type { Connection } from "../../../ports/connection.ts";
import { withMongo } from "../connect/connect.ts";
import type { ExpiryHold } from "../ttl/ttl.ts";
import { modify } from "./make.ts";
import { Problems } from "./problems.ts";

/** Gives what the server refused: documents of these collections would be kept for ever. */
export async function releaseExpiry(target: Connection, held: ExpiryHold, signal: AbortSignal | undefined): Promise<string[]> {
  const changes = held.changes();
  if (changes.length === 0) return [];
  const problems = new Problems();
  await withMongo(target, { signal }, async (session) => {
    for (const { place, change } of changes) await modify(session, { to: place }, change, problems, "the expiry of documents");
  });
  return problems.list();
}
