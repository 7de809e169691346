// The one rule for names: how a collection is called in a fingerprint, a pattern, a probe and a message.
//
// A connection that names a database is that database, and its collections are called as they are: `users`. One that names none
// is all of a user's databases, or the chosen ones, and collections are called with theirs: `shop.users`. A database's name has no
// dot, a collection's may: the first dot divides.
import { LifeboatError } from "../../core/errors.ts";
import { ID_LENGTH, isId } from "../../core/ids.ts";
import { didYouMean } from "../../core/suggest.ts";
import type { Connection } from "../../ports/connection.ts";
import { databaseOf, isServerDatabase } from "./connect/url.ts";

export interface Scope {
  /** The one database that it is of; absent: of several. */
  readonly database?: string | undefined;
  /** The chosen ones of several; absent: all of a user's. */
  readonly databases?: readonly string[] | undefined;
  /**
   * What the one database is called in names: chosen collections of one of several databases were restored into one of another name,
   * and keep being called `shop.users`.
   */
  readonly alias?: string | undefined;
}

export interface Namespace {
  readonly db: string;
  readonly collection: string;
}

export interface SourceScope {
  /** The chosen databases of a source whose address names none. */
  readonly databases?: readonly string[] | undefined;
  /** The source is of several databases; absent: it is when some were chosen. */
  readonly several?: boolean | undefined;
}

/**
 * What a connection means: the database of its address, else the chosen ones, else all. `tables`: patterns of chosen collections, which
 * for a source of several databases say under which name its one database is known.
 */
export function scopeOf(connection: Connection, source: SourceScope = {}, tables?: readonly string[] | undefined): Scope {
  const database = databaseOf(connection);
  const { databases, several = databases !== undefined && databases.length > 0 } = source;
  if (database === undefined) return databases === undefined || databases.length === 0 ? {} : { databases: [...databases] };
  const alias = several ? oneDatabaseOf(tables ?? []) : undefined;
  return alias === undefined ? { database } : { database, alias };
}

/** The one database that every pattern names literally; undefined when there is none such. */
export function oneDatabaseOf(patterns: readonly string[]): string | undefined {
  const names = new Set(patterns.map((pattern) => splitNamespace(pattern)).map(({ db, collection }) => (collection === "" ? "*" : db)));
  const [name] = names;
  return names.size === 1 && name !== undefined && !/[*?]/.test(name) ? name : undefined;
}

/** How a source calls its collections, told from the names of its databases: of one alone it leaves them out, unless told otherwise. */
export function sourceScope(databases: readonly string[], several: boolean | undefined): Scope {
  const [only] = databases;
  return several === true || databases.length !== 1 || only === undefined ? { databases: [...databases] } : { database: only };
}

/** Which databases of those there are belong to the scope, sorted. One database is always its own, whether it is there or not. */
export function databasesOf(scope: Scope, present: readonly string[]): string[] {
  if (scope.database !== undefined) return [scope.database];
  return present.filter((name) => covers(scope, name)).sort();
}

export function covers(scope: Scope, database: string): boolean {
  if (scope.database !== undefined) return scope.database === database;
  if (isServerDatabase(database) || isOwnDatabase(database)) return false;
  return scope.databases === undefined || scope.databases.includes(database);
}

/** How a collection is called: a table of the ports. */
export const tableName = (scope: Scope, { db, collection }: Namespace): string =>
  namesDatabases(scope) ? `${scope.alias ?? db}.${collection}` : collection;

const namesDatabases = ({ database, alias }: Scope): boolean => database === undefined || alias !== undefined;

/** The collection that is called so. Of several databases, a name without one: USAGE. */
export function namespaceOf(scope: Scope, table: string): Namespace {
  if (scope.database !== undefined && scope.alias === undefined) return { db: scope.database, collection: table };
  const dot = table.indexOf(".");
  if (dot < 1 || dot === table.length - 1) throw nameless(table);
  return { db: scope.database ?? table.slice(0, dot), collection: table.slice(dot + 1) };
}

/** A full name, as in a log or an archive: the first dot divides. */
export function splitNamespace(ns: string): Namespace {
  const dot = ns.indexOf(".");
  return dot < 0 ? { db: ns, collection: "" } : { db: ns.slice(0, dot), collection: ns.slice(dot + 1) };
}

export type Chooser = (namespace: Namespace) => boolean;

/**
 * What patterns choose: `*` stands for any letters, `?` for one; capitals count. Absent patterns choose everything. Of several
 * databases a pattern names them too: `shop.*`. The buckets of a time series are chosen with it.
 */
export function chooserOf(scope: Scope, patterns: readonly string[] | undefined): Chooser {
  if (patterns === undefined) return ({ db }) => covers(scope, db);
  const matchers = patterns.map((pattern) => {
    if (pattern === "" || pattern.includes("\0")) throw new LifeboatError("USAGE", `"${pattern}" is not a valid name of a collection`);
    if (namesDatabases(scope) && !/^[^.]+\../.test(pattern)) throw nameless(pattern);
    return globOf(pattern);
  });
  return ({ db, collection }) => {
    if (!covers(scope, db)) return false;
    const name = tableName(scope, { db, collection: visibleName(collection) });
    return matchers.some((matcher) => matcher.test(name));
  };
}

/** Throws TABLE_UNKNOWN for the first pattern that chooses none of the tables (named as the scope calls them). */
export function assertChosen(patterns: readonly string[], tables: readonly string[], where: string): void {
  for (const pattern of patterns) {
    const matcher = globOf(pattern);
    if (tables.some((table) => matcher.test(table))) continue;
    throw new LifeboatError("TABLE_UNKNOWN", `there is no collection ${pattern} in ${where}${didYouMean(pattern, tables)}`);
  }
}

const BUCKETS = "system.buckets.";

/** The collection under which a user knows it: `weather` for `system.buckets.weather`. */
export const visibleName = (collection: string): string => (collection.startsWith(BUCKETS) ? collection.slice(BUCKETS.length) : collection);

/** Where a server older than 8.3 keeps the documents of a time series. */
export const bucketsOf = (collection: string): string => BUCKETS + collection;

export const isBuckets = (collection: string): boolean => collection.startsWith(BUCKETS);

const OWN_PREFIX = "lifeboat_";

/** The mark in a database that a restore is filling, until it is done. A clean-up drops only databases that have it. */
export const MARK_COLLECTION = `${OWN_PREFIX}filling`;

/**
 * Returns whether a collection is not user data: what the server keeps there for itself (profiles, definitions of views), the mark, and
 * what a replacement stages. Stored functions (`system.js`) are user data.
 */
export const isServerCollection = (collection: string): boolean =>
  collection === MARK_COLLECTION ||
  isStaged(collection) ||
  (collection.startsWith("system.") && collection !== "system.js" && !isBuckets(collection));

/** Returns whether a collection was staged by a job that replaces the database. */
export const isStaged = (collection: string): boolean =>
  collection.startsWith(OWN_PREFIX) &&
  /^[^.]+\.(new|old)\.\d/.test(collection) &&
  isOwnDatabase(collection.slice(0, collection.indexOf(".")));

/** The name of a database that a job makes for its own use. */
export const ownDatabase = (jobId: string): string => OWN_PREFIX + jobId;

/** Whether it is one of those that we make beside a user's: of a job (of several databases, one each), or a mark of work under way. */
export function isOwnDatabase(name: string): boolean {
  if (!name.startsWith(OWN_PREFIX)) return false;
  const rest = name.slice(OWN_PREFIX.length);
  return isId(rest) || (isId(rest.slice(0, ID_LENGTH)) && rest[ID_LENGTH] === "_") || name === MARK_DATABASE;
}

/** Holds what says that a server of several databases is being filled; gone when it is filled. */
export const MARK_DATABASE = `${OWN_PREFIX}mark`;

/** Whether a name is one that the patterns choose. */
export function nameMatcher(patterns: readonly string[]): (table: string) => boolean {
  const globs = patterns.map(globOf);
  return (table) => globs.some((glob) => glob.test(table));
}

function globOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "su");
}

const nameless = (name: string): LifeboatError =>
  new LifeboatError("USAGE", `"${name}" does not say which database: write database.collection`);
