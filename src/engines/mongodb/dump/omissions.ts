// What of a source a dump does not bring back: users, roles, search indexes, and what servers keep for themselves.
import type { Document } from "mongodb";
import type { Omission } from "../../../core/fingerprint.ts";
import type { MongoSession } from "../connect/client.ts";
import type { Scope } from "../scope.ts";
import type { SourceCollection } from "./collections.ts";

/** `databases`: those of the scope. What this user may not look at is said to be unknown, never taken for none. */
export async function omissionsOf(
  mongo: MongoSession,
  scope: Scope,
  databases: readonly string[],
  collections: readonly SourceCollection[],
): Promise<Omission[]> {
  const found: Omission[] = [];
  for (const db of scope.database === undefined ? ["admin", ...databases] : databases) {
    found.push(...(await logins(mongo, db, "user", "usersInfo", "users")), ...(await logins(mongo, db, "role", "rolesInfo", "roles")));
  }
  found.push(...(await searchIndexes(mongo, collections)));
  if (scope.database === undefined) {
    found.push({ kind: "database", object: "admin, config, local", reason: "databases of the server itself are never part of a backup" });
  }
  return found;
}

const WHY = "logins belong to the server, and a backup holds none";

async function logins(mongo: MongoSession, db: string, kind: string, command: string, field: string): Promise<Omission[]> {
  let reply: Document;
  try {
    reply = await mongo.command(db, { [command]: 1 });
  } catch {
    // Whatever keeps it from being known: a backup does not depend on it, and says so.
    return [{ kind: `${kind}s`, object: db, reason: `${WHY}; this user may not see whether there are any` }];
  }
  const names = ((reply[field] ?? []) as Document[]).filter((one) => one.isBuiltin !== true).map((one) => String(one.user ?? one.role));
  return names.map((name) => ({ kind, object: `${db}.${name}`, reason: WHY }));
}

/**
 * Servers with search beside them have these; one that does not know the question has none. It is asked first of a collection that is not
 * there, so that no server reads a whole one only to refuse.
 */
async function searchIndexes(mongo: MongoSession, collections: readonly SourceCollection[]): Promise<Omission[]> {
  const found: Omission[] = [];
  const asked = collections.filter(({ type }) => type === "collection").map(({ db, collection, table }) => ({ db, collection, table }));
  const first = asked[0];
  if (first === undefined) return found;
  for (const { db, collection, table } of [{ ...first, collection: "lifeboat.none" }, ...asked]) {
    try {
      const reply = await mongo.command(db, { aggregate: collection, pipeline: [{ $listSearchIndexes: {} }], cursor: {} });
      for (const { name } of (reply.cursor?.firstBatch ?? []) as Document[]) {
        found.push({ kind: "search index", object: `${table} ${name}`, reason: "it is built outside of the database; define it anew" });
      }
    } catch {
      return found;
    }
  }
  return found;
}
