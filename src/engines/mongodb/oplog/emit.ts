// Makes the source write one entry that does nothing, so that its oplog proves the present instant.
import type { Connection, Work } from "../../../ports/connection.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";

/**
 * Whether the server took it. Where this user may not, nothing is lost: a primary writes such entries by itself every ten seconds
 * while it has nothing else to write.
 */
export async function noteIn({ command }: Pick<MongoSession, "command">): Promise<boolean> {
  try {
    await command("admin", { appendOplogNote: 1, data: { lifeboat: "archive" } });
    return true;
  } catch {
    return false; // refused; and whether the server is away, whoever reads the oplog learns at once
  }
}

export function emitCommit(connection: Connection, work: Work = {}): Promise<boolean> {
  return withMongo(connection, { signal: work.signal, poolSize: 1 }, noteIn);
}
