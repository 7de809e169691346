// Which databases a connection reaches, so that a restore never writes to the source it came from.
//
// Names, addresses and users prove nothing. What counts is where the mistakes lie: to take two databases for one refuses a restore
// that would have been fine; to take one for two destroys data. Every doubt is therefore "the same".
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import type { HelloFacts } from "../connect/hello.ts";
import { covers, databasesOf, isServerCollection, type Scope, type SourceScope, scopeOf } from "../scope.ts";

interface ServerFacts {
  readonly hello: HelloFacts;
  /** Made when the set was initiated, the same on all its members and in every copy of their files; undefined when it may not be asked. */
  readonly setId?: string | undefined;
  /** Made with a sharded cluster. */
  readonly clusterId?: string | undefined;
}

/**
 * Equal for two connections that reach the same databases of the same server, as long as it does not start anew. Before writing,
 * `assertNotSource` is asked, which weighs more than a text can.
 */
export async function identityOf(session: MongoSession, scope: Scope): Promise<string> {
  const { hello, setId, clusterId } = await factsOf(session);
  const server = clusterId ?? setId ?? hello.processId ?? `${hello.setName ?? ""}@${hello.me ?? session.connection.label}`;
  return `${server}/${scope.database ?? (scope.databases ?? ["*"]).join(",")}`;
}

/**
 * Throws SOURCE_WRITE_REFUSED when the target holds a database of the source, or when it cannot be proven that it does not. Asked
 * live; nothing is written by it. `chosen`: the databases of a source whose address names none, which a target without one then means too.
 */
export async function assertNotSource(source: Connection, target: Connection, chosen: SourceScope, work: Work): Promise<void> {
  const options = { signal: work.signal };
  const why = await withMongo(source, options, (from) =>
    withMongo(target, options, async (to) => {
      const scope = scopeOf(source, chosen);
      if (!overlap(scope, scopeOf(target, chosen))) return undefined;
      const why = sameness(await factsOf(from), await factsOf(to));
      return why === UNKNOWN && isAnonymous(from, to) && (await lacksWhatIsThere(from, to, scope)) ? undefined : why;
    }),
  );
  if (why === undefined) return;
  throw new LifeboatError("SOURCE_WRITE_REFUSED", `${target.label} must not be written to: ${why} the source, ${source.label}`);
}

/** Names that differ in their capitals only are one database to the server. */
function overlap(source: Scope, target: Scope): boolean {
  const named = ({ database, databases }: Scope): readonly string[] | undefined => (database === undefined ? databases : [database]);
  const lower = (scope: Scope): Scope => {
    const names = named(scope)?.map((name) => name.toLowerCase());
    return names === undefined ? {} : { databases: names };
  };
  const names = named(lower(target));
  // A target of all databases may be given any of the source's.
  return names === undefined || names.some((name) => covers(lower(source), name));
}

const UNKNOWN = "it cannot be told from";
const LOOKED_AT = 20;

/** Excludes routers: what a router shows is on several servers, and each of those lacks a part of it. */
const isAnonymous = (...sessions: readonly MongoSession[]): boolean =>
  sessions.some(({ hello }) => hello.processId === undefined) && sessions.every(({ hello }) => hello.topology !== "sharded");

/**
 * Servers that do not say which process they are (FerretDB, and what else speaks the protocol) are told apart by their data: a
 * collection that the source has, before and after, and the other has not, cannot be in both. Both must be where writes go, for a
 * member that lags behind lacks things too.
 */
async function lacksWhatIsThere(from: MongoSession, to: MongoSession, scope: Scope): Promise<boolean> {
  if (!from.hello.writable || !to.hello.writable) return false;
  for (const db of databasesOf(scope, scope.database === undefined ? await from.databases() : [])) {
    for (const collection of (await collectionsIn(from, db)).slice(0, LOOKED_AT)) {
      const isThere = await has(to, db, collection).catch(() => true); // what may not be looked at may be there
      if (!isThere && (await has(from, db, collection))) return true;
    }
  }
  return false;
}

const collectionsIn = async ({ client }: MongoSession, db: string): Promise<string[]> =>
  (await client.db(db).listCollections({}, { nameOnly: true }).toArray())
    .map(({ name }) => name)
    .filter((name) => !isServerCollection(name));

const has = async (session: MongoSession, db: string, collection: string): Promise<boolean> =>
  (await collectionsIn(session, db)).includes(collection);

/** Why the two are, or may be, the same server, in words that go before the source's name; undefined when they are not. */
function sameness(from: ServerFacts, to: ServerFacts): string | undefined {
  const [a, b] = [from.hello, to.hello];
  if (a.processId === undefined || b.processId === undefined) return UNKNOWN;
  if (a.processId === b.processId) return "it is";
  if (a.topology === "sharded" || b.topology === "sharded") {
    if (from.clusterId !== undefined && to.clusterId !== undefined) return from.clusterId === to.clusterId ? "it is" : undefined;
    // A router in front of a set, and a member of that set: seen from outside, nothing tells that they are not one.
    return UNKNOWN;
  }
  if (a.setName !== b.setName) return undefined;
  // Two servers of no set at all, each its own process.
  if (a.setName === undefined) return undefined;
  if (from.setId !== undefined && to.setId !== undefined) return from.setId === to.setId ? "it is, or is a copy of," : undefined;
  if (a.hosts.some((host) => b.hosts.includes(host))) return "it is";
  // A set has one primary: two that take writes are of two sets, even with equal names.
  return a.writable && b.writable ? undefined : UNKNOWN;
}

async function factsOf(session: MongoSession): Promise<ServerFacts> {
  const { hello } = session;
  // Both may be refused to a user, and then stay unknown.
  const config = hello.topology === "replica set" ? await ask(session, "admin", { replSetGetConfig: 1 }) : undefined;
  const version = hello.topology === "sharded" ? await ask(session, "config", { find: "version", limit: 1, singleBatch: true }) : undefined;
  const setId = config?.config?.settings?.replicaSetId;
  const clusterId = version?.cursor?.firstBatch?.[0]?.clusterId;
  return {
    hello,
    ...(setId === undefined ? {} : { setId: String(setId) }),
    ...(clusterId === undefined ? {} : { clusterId: String(clusterId) }),
  };
}

async function ask(session: MongoSession, database: string, command: Document): Promise<Document | undefined> {
  try {
    return await session.command(database, command);
  } catch (error) {
    // Refused, or a server that speaks the protocol and has no such command. A connection that is gone is reported.
    if (error instanceof LifeboatError && error.code !== "SOURCE_PERMISSION") throw error;
    return undefined;
  }
}
