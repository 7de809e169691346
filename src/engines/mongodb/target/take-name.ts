// Gives a restored database its final name.
import type { Connection } from "../../../ports/connection.ts";
import type { TakeNameOptions } from "../../../ports/restore-target.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { flawOfDatabaseName, withDatabase } from "../connect/url.ts";
import { describeCollection, listSource } from "../dump/collections.ts";
import { clearMark, endFilling, MAJORITY, readMark } from "./mark.ts";
import { copyInto, moveCollection } from "./move.ts";
import { replaceDatabase } from "./replace.ts";

/**
 * Removes the mark of a database that has the name already, so that no clean-up drops it. With `keep`, replaces the database of that name.
 * Else moves the collections to an unused name; for "", moves each database of the mark on the server to a name that begins with `name`.
 * Returns whether replaced data is kept.
 */
export async function takeName(server: Connection, finished: string, name: string, { keep, signal }: TakeNameOptions): Promise<boolean> {
  return await withMongo(withDatabase(server, undefined), { signal, otherwise: "LOAD_FAILED" }, async (session) => {
    const several = finished === "" ? ((await readMark(session, "filling"))?.databases ?? []) : [];
    if (finished === name) {
      // The marks within first: as long as the one on the server is there, a clean-up finds them.
      for (const each of name === "" ? several : [name]) await endFilling(session, each);
      if (name === "") await clearMark(session, "filling");
      return false;
    }
    if (keep !== undefined) return await replaceDatabase(session, finished, name, keep);
    if (finished !== "") await moveAll(session, finished, name);
    for (const [index, each] of several.entries()) await moveAll(session, each, besideName(name, each, index));
    if (finished === "") await clearMark(session, "filling");
    return false;
  });
}

/** `lifeboat_…_shop`, or with a number where that is too long for a database's name. */
function besideName(name: string, database: string, index: number): string {
  const full = `${name}_${database}`;
  return flawOfDatabaseName(full) === undefined ? full : `${name}_${index + 1}`;
}

/** What a server does not rename is copied. Views come last: what they show is there then. */
async function moveAll(session: MongoSession, finished: string, name: string): Promise<void> {
  const { collections } = await listSource(session, { database: finished }, () => true);
  const rank = { collection: 0, timeseries: 1, view: 2 };
  for (const { db, collection, type } of collections.toSorted((a, b) => rank[a.type] - rank[b.type])) {
    const to = { db: name, collection };
    const one = type === "collection" ? undefined : await describeCollection(session, db, collection);
    await (one === undefined ? moveCollection(session, { db, collection }, to) : copyInto(session, one, to));
  }
  await session.command(finished, { dropDatabase: 1, writeConcern: MAJORITY });
}
