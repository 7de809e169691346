// Marks of what is being filled, so that exactly this can go again after a crash, and nothing that was made since by others.
//
// A single database has its mark within: who drops it and uses its name otherwise is rid of the mark too. Of several at once, which
// keep their names, a database of our own says which they are. Either is written before anything comes to be, and names the job that
// wrote it, with its proof: a clean-up drops by nothing else.
import type { Document } from "mongodb";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { flawOfDatabaseName } from "../connect/url.ts";
import { MARK_COLLECTION, MARK_DATABASE } from "../scope.ts";

/** Of every change to what is restored: it is not lost with one member. */
export const MAJORITY = { w: "majority", wtimeout: 60_000 };
const NOT_FOUND = 26;

/** `filling`: a restore of these databases, until it is complete. `scratch`: the whole server belongs to a job, until it is empty. */
type MarkKind = "filling" | "scratch";

const DUPLICATE_KEY = 11000;

/** The driver's commands do not throw for writes that the server refused. RESTORE_TARGET_NOT_EMPTY for a mark of another job. */
export function assertWritten({ writeErrors, writeConcernError }: Document, database: string): void {
  const refused = writeErrors?.[0] ?? writeConcernError;
  if (refused === undefined) return;
  if (refused.code === DUPLICATE_KEY) throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `another job is filling ${database}`);
  throw new LifeboatError("LOAD_FAILED", `the server did not take the mark of this job in ${database}: ${refused.errmsg}`, {
    hint: "run `lifeboat jobs recover`, then repeat the restore",
  });
}

/** Marks one database as being filled. */
export async function markFilling(session: MongoSession, database: string, mark: string): Promise<void> {
  assertWritten(
    await session.command(database, { insert: MARK_COLLECTION, documents: [{ _id: "filling", mark }], writeConcern: MAJORITY }),
    database,
  );
}

/** From now on it is as any other. */
export async function endFilling(session: MongoSession, database: string): Promise<void> {
  try {
    await session.command(database, { drop: MARK_COLLECTION, writeConcern: MAJORITY });
  } catch (error) {
    if (serverCodeOf(error) !== NOT_FOUND) throw error;
  }
}

/** The mark within a database; undefined when it has none, and is no longer being filled, or never was. */
export async function markWithin(session: MongoSession, database: string): Promise<string | undefined> {
  const reply = await session.command(database, { find: MARK_COLLECTION, limit: 1, singleBatch: true });
  const [found] = reply.cursor.firstBatch as { mark?: unknown }[];
  return found && String(found.mark ?? "");
}

/** RESTORE_TARGET_NOT_EMPTY when there is such a mark already. `words`: the databases that are being filled. */
export async function setMark(session: MongoSession, kind: MarkKind, mark: string, words: readonly string[] = []): Promise<void> {
  const documents = [{ _id: kind, mark, words: [...words] }];
  const reply = await session.command(MARK_DATABASE, { insert: kind, documents, writeConcern: MAJORITY });
  const [refused] = (reply.writeErrors ?? []) as { errmsg: string }[];
  if (refused === undefined) return;
  throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `another job is filling ${session.connection.label}, or one left it half-done`, {
    hint: `run \`lifeboat jobs recover\`; when no job is under way, drop the database ${MARK_DATABASE} there`,
  });
}

/** What the mark says, and the databases that it names; undefined when there is none. */
export async function readMark(
  session: MongoSession,
  kind: MarkKind,
): Promise<{ readonly mark: string; readonly databases: readonly string[] } | undefined> {
  const reply = await session.command(MARK_DATABASE, { find: kind, limit: 1, singleBatch: true });
  const [found] = reply.cursor.firstBatch as { mark?: unknown; words?: unknown }[];
  if (found === undefined) return undefined;
  const names = Array.isArray(found.words) ? found.words.map(String) : [];
  return { mark: String(found.mark ?? ""), databases: names.filter((name) => flawOfDatabaseName(name) === undefined) };
}

/** Takes the mark away, if there is one. */
export async function clearMark(session: MongoSession, kind: MarkKind): Promise<void> {
  try {
    if ((await readMark(session, kind)) === undefined) return;
    await session.command(MARK_DATABASE, { drop: kind, writeConcern: MAJORITY });
  } catch (error) {
    // Who may not look there made no mark.
    if (!isLifeboatError(error, "SOURCE_PERMISSION") && serverCodeOf(error) !== NOT_FOUND) throw error;
  }
}
