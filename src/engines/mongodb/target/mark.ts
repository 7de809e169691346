// A mark on a server of which several databases are being filled at once: which ones, so that exactly these can be dropped again.
//
// One database has the name that the job gave it. Several keep theirs, and after a crash nothing but this mark says which of the
// server's databases were being filled. It is written before the first of them, and goes when all are filled.
import { LifeboatError } from "../../../core/errors.ts";
import type { MongoSession } from "../connect/client.ts";
import { flawOfDatabaseName } from "../connect/url.ts";
import { MARK_DATABASE } from "../scope.ts";

const COLLECTION = "filling";
const MAJORITY = { w: "majority", wtimeout: 60_000 };

/** RESTORE_TARGET_NOT_EMPTY when somebody else is filling this server. */
export async function setMark(session: MongoSession, databases: readonly string[]): Promise<void> {
  const documents = [{ _id: "filling", databases: [...databases] }];
  const reply = await session.command(MARK_DATABASE, { insert: COLLECTION, documents, writeConcern: MAJORITY });
  const [refused] = (reply.writeErrors ?? []) as { errmsg: string }[];
  if (refused === undefined) return;
  throw new LifeboatError(
    "RESTORE_TARGET_NOT_EMPTY",
    `another restore is filling ${session.connection.label}, or one was left half-done there`,
    {
      hint: `run \`lifeboat jobs recover\`; when no restore is under way, drop the database ${MARK_DATABASE} there`,
    },
  );
}

/** Databases that are being filled; empty when there is no mark. */
export async function readMark(session: MongoSession): Promise<string[]> {
  const reply = await session.command(MARK_DATABASE, { find: COLLECTION, limit: 1, singleBatch: true });
  const [mark] = reply.cursor.firstBatch as { databases?: unknown }[];
  const names = Array.isArray(mark?.databases) ? mark.databases.map(String) : [];
  return names.filter((name) => flawOfDatabaseName(name) === undefined);
}

export async function clearMark(session: MongoSession): Promise<void> {
  await session.command(MARK_DATABASE, { dropDatabase: 1, writeConcern: MAJORITY });
}
