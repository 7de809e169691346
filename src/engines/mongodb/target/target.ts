// The database that a backup is loaded into: what it holds, how it is made and dropped.
import { createReadStream } from "node:fs";
import { asGiven } from "../../../core/address.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Undone } from "../../../ports/resource.ts";
import type { RestoreTarget } from "../../../ports/restore-target.ts";
import { readPrelude } from "../archive/archive.ts";
import { isOplog } from "../archive/prelude.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { connectionFromUrl, databaseOf, flawOfDatabaseName, isServerDatabase, looksLikeMongoUrl, withDatabase } from "../connect/url.ts";
import {
  chooserOf,
  databasesOf,
  isBuckets,
  isServerCollection,
  type Namespace,
  oneDatabaseOf,
  type Scope,
  type SourceScope,
  scopeOf,
} from "../scope.ts";
import { clearMark, MAJORITY, markFilling, markWithin, readMark, setMark } from "./mark.ts";

const NAMED = 5;
/** The most that the name of a database and a collection takes. */
export const NAMESPACE_BYTES = 255;

/**
 * What `--into` means: an address, or the name of a database on the source's server. The database is "" for an address that names none:
 * a backup of several databases goes there, each under its own name. RESTORE_TARGET_INVALID.
 */
export function resolveTarget(source: Connection | undefined, into: string): RestoreTarget {
  if (looksLikeMongoUrl(into)) {
    const connection = connectionFromUrl(into);
    return { server: withDatabase(connection, undefined), database: databaseOf(connection) ?? "", connection };
  }
  const flaw = flawOfDatabaseName(into);
  if (flaw !== undefined)
    throw new LifeboatError("RESTORE_TARGET_INVALID", `${asGiven(into)} is not a valid name for a database to restore into: ${flaw}`);
  if (source === undefined)
    throw new LifeboatError("RESTORE_TARGET_INVALID", `${asGiven(into)} is a name on the source's server, and that is not known`);
  return { server: withDatabase(source, undefined), database: into, connection: withDatabase(source, into) };
}

/** Collections that a user has there, a few of them. A database is there when it holds something: the server knows no empty ones. */
export async function stateOf(
  target: RestoreTarget,
  chosen: SourceScope,
  work: Work,
): Promise<{ readonly exists: boolean; readonly occupants: readonly string[] }> {
  return await withMongo(target.connection, { signal: work.signal, otherwise: "TOOL_FAILED" }, async (session) => {
    if (target.database !== "") await refuseOtherCase(session, [target.database]);
    const occupants = await occupantsOf(session, scopeOf(target.connection, chosen));
    return { exists: occupants.length > 0, occupants };
  });
}

/** A server refuses a name that differs from that of a database of its own in case alone, and would say so only when the load begins. */
async function refuseOtherCase(session: MongoSession, names: readonly string[]): Promise<void> {
  const there = await session.databases();
  for (const name of names) {
    const other = there.find((one) => one !== name && one.toLowerCase() === name.toLowerCase());
    if (other === undefined || there.includes(name)) continue;
    throw new LifeboatError("RESTORE_TARGET_INVALID", `the server already has a database ${other}, and takes no ${name} beside it`, {
      hint: "give --into a name that differs in more than upper and lower case",
    });
  }
}

/** Names of a few collections in the scope, with their database where it is of several. */
export async function occupantsOf(session: MongoSession, scope: Scope): Promise<string[]> {
  const occupants: string[] = [];
  const databases = scope.database === undefined ? databasesOf(scope, await session.databases()) : [scope.database];
  for (const db of databases) {
    const found = await session.client.db(db).listCollections({}, { nameOnly: true }).toArray();
    const names = found.map(({ name }) => name).filter((name) => !isServerCollection(name) && !isBuckets(name));
    occupants.push(...names.sort().map((name) => (scope.database === undefined ? `${db}.${name}` : name)));
    if (occupants.length >= NAMED) break;
  }
  return occupants.slice(0, NAMED);
}

export interface CreateOptions extends Work {
  /** Absent: nothing marks it, and no clean-up drops it. */
  readonly mark?: string | undefined;
  /** The archive that will be loaded. */
  readonly like?: string | undefined;
  /** Chosen collections of it. */
  readonly tables?: readonly string[] | undefined;
  /** The whole server is scratch, so the name does not matter. */
  readonly ownServer?: boolean | undefined;
  /** The source is of several databases; absent: it is if the archive is. */
  readonly several?: boolean | undefined;
}

/**
 * A place to load into. The server makes a database with its first collection, so nothing is made here; one that holds something
 * already: RESTORE_TARGET_NOT_EMPTY. An archive of several databases keeps their names, so it takes no other
 * (RESTORE_TARGET_INVALID) unless the chosen collections are of one of them; what it will fill is marked on the server first.
 */
export async function createDatabase(server: Connection, name: string, options: CreateOptions): Promise<Connection> {
  const databases = options.like === undefined ? [] : await databasesOfArchive(options.like, options.tables);
  const several = options.several ?? databases.length > 1;
  const { mark = "" } = options;
  const whole = withDatabase(server, undefined);
  if (several && options.ownServer) return whole;
  if (several && name === "") {
    await withMongo(whole, { signal: options.signal, otherwise: "LOAD_FAILED" }, async (session) => {
      await refuseOtherCase(session, databases);
      await assertEmpty(session, { databases });
      await setMark(session, "filling", mark, databases);
      for (const each of databases) await markFilling(session, each, mark);
    });
    return whole;
  }
  assertNameFits(server.label, name, databases, several, options.tables);
  const connection = withDatabase(server, name);
  await withMongo(connection, { signal: options.signal, otherwise: "LOAD_FAILED" }, async (session) => {
    await refuseOtherCase(session, [name]);
    await assertEmpty(session, { database: name });
    await markFilling(session, name, mark);
  });
  return connection;
}

/** Whether an archive with these collections can go under that name, or, without one, to the server. RESTORE_TARGET_INVALID. */
export function assertFits(
  { server, database }: RestoreTarget,
  collections: readonly Namespace[],
  { tables, existing, several }: Pick<CreateOptions, "tables" | "several"> & { readonly existing: boolean },
): void {
  const databases = databasesOfCollections(collections, tables);
  const named = collections.map(({ db, collection }) => `${database === "" ? db : database}.${collection}`);
  const tooLong = tables === undefined ? named.find((name) => Buffer.byteLength(name) > NAMESPACE_BYTES) : undefined;
  if (tooLong !== undefined)
    throw new LifeboatError("RESTORE_TARGET_INVALID", `the server's limit for ${tooLong} is ${NAMESPACE_BYTES} bytes`, {
      hint: "give --into a shorter name",
    });
  const asSeveral = existing ? databases.length > 1 : (several ?? databases.length > 1);
  if (!(asSeveral && database === "")) assertNameFits(server.label, database, databases, asSeveral, tables);
}

function assertNameFits(
  server: string,
  name: string,
  databases: readonly string[],
  several: boolean,
  tables: readonly string[] | undefined,
): void {
  if (several && (tables === undefined || databases.length !== 1)) {
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `the backup is of several databases (${databases.join(", ")}), which keep their names: ${name} cannot hold them`,
      {
        hint: "give --into the URL of an empty server without a database, or choose collections of one database with --tables",
      },
    );
  }
  if (name === "") {
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `the backup is of one database, and the address of ${server} does not say which is to hold it`,
      {
        hint: "put the name of a new database into the URL: mongodb://host/name",
      },
    );
  }
}

async function assertEmpty(session: MongoSession, scope: Scope): Promise<void> {
  const [first] = await occupantsOf(session, scope);
  if (first === undefined) return;
  throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${session.connection.label} already holds ${first}`);
}

/** Databases of a user's that an archive holds, or those of the chosen collections; sorted. */
async function databasesOfArchive(archiveFile: string, tables: readonly string[] | undefined): Promise<string[]> {
  const { collections } = await readPrelude(createReadStream(archiveFile));
  return databasesOfCollections(
    collections.filter((entry) => !isOplog(entry)),
    tables,
  );
}

function databasesOfCollections(collections: readonly Namespace[], tables: readonly string[] | undefined): string[] {
  const all = collections.filter(({ db }) => !isServerDatabase(db) && !db.startsWith("$"));
  const names = [...new Set(all.map(({ db }) => db))].sort();
  if (tables === undefined || names.length < 2) return names;
  const chosen = chooserOf({ databases: names }, tables);
  const found = [...new Set(all.filter(chosen).map(({ db }) => db))].sort();
  // A collection that was created after the backup is in the database that its name says.
  const named = found.length === 0 ? oneDatabaseOf(tables) : undefined;
  return named === undefined ? found : [named];
}

/**
 * Drops it, as long as the mark in it is this one. Of "" those of the databases that the mark on the server names, and then that mark.
 * A database without a mark is absent: it was finished, or another has the name since. One with another mark: SCRATCH_FAILED.
 */
export async function dropDatabase(server: Connection, name: string, { mark, signal }: Work & { readonly mark: string }): Promise<Undone> {
  const flaw = name === "" ? undefined : flawOfDatabaseName(name);
  if (flaw !== undefined) throw new LifeboatError("RESTORE_TARGET_INVALID", `"${name}" is not a database to drop: ${flaw}`);
  return await withMongo(withDatabase(server, undefined), { signal, otherwise: "LOAD_FAILED" }, async (session) => {
    const several = name === "" ? await readMark(session, "filling") : undefined;
    const found = name === "" ? several?.mark : await markWithin(session, name);
    if (found === undefined) return "absent";
    if (found !== mark) {
      const what = name === "" ? `what is being filled on ${server.label}` : `the database ${name}`;
      throw new LifeboatError("SCRATCH_FAILED", `${what} is left as it is: its mark is not that of the job that is cleaned up`);
    }
    for (const each of several?.databases ?? [name])
      if ((await markWithin(session, each)) === mark) await session.command(each, { dropDatabase: 1, writeConcern: MAJORITY });
    if (name === "") await clearMark(session, "filling");
    return "removed";
  });
}
