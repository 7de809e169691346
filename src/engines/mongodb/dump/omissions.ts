// What of a source a dump does not bring back: users, roles, search indexes, and what servers keep for themselves.
import type { Document } from "mongodb";
import type { Omission } from "../../../core/fingerprint.ts";
import type { MongoSession } from "../connect/connect.ts";
import type { Scope } from "../scope.ts";
import type { SourceCollection } from "./collections.ts";

/** `databases`: those of the scope. What this user may not look at is said to be unknown, never taken for none. */
export async function omissionsOf(
  mongo: MongoSession,
  scope: Scope,
  databases: readonly string[],
  collections: readonly SourceCollection[],
): Promise<Omission[]> {
  const places = [...new Set(["admin", ...databases])];
  return [
    ...(await logins(mongo, places, USERS)),
    ...(await logins(mongo, places, ROLES)),
    ...(await searchIndexes(mongo, collections)),
    ...(scope.database === undefined ? [OF_THE_SERVER] : []),
  ];
}

const OF_THE_SERVER: Omission = {
  kind: "database",
  object: "admin, config, local",
  reason: "databases of the server itself are never part of a backup",
};

interface Logins {
  readonly kind: string;
  readonly command: string;
  nameIn(reply: Document): readonly unknown[];
}

const USERS: Logins = { kind: "user", command: "usersInfo", nameIn: ({ users = [] }) => users.map((one: Document) => one.user) };
const ROLES: Logins = { kind: "role", command: "rolesInfo", nameIn: ({ roles = [] }) => roles.map((one: Document) => one.role) };
const WHY = "users and roles belong to the server, and a backup holds none";
/** More than these are counted, not named. */
const NAMED = 20;

async function logins(mongo: MongoSession, places: readonly string[], { kind, command, nameIn }: Logins): Promise<Omission[]> {
  const names: string[] = [];
  const unknown: string[] = [];
  for (const db of places) {
    try {
      const reply = await mongo.command(db, { [command]: 1 });
      names.push(...nameIn(reply).map((name) => `${db}.${name}`));
    } catch {
      // A backup does not depend on this, and says that it is unknown.
      unknown.push(db);
    }
  }
  const said: Omission[] =
    names.length > NAMED
      ? [{ kind: `${kind}s`, object: `${names.length} of ${places.join(", ")}`, reason: WHY }]
      : names.map((object) => ({ kind, object, reason: WHY }));
  if (unknown.length === 0) return said;
  return [...said, { kind: `${kind}s`, object: `of ${unknown.join(", ")}`, reason: `${WHY}; this user may not see whether there are any` }];
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
