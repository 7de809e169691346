// What `check` and a backup's first step learn of a source: version, sizes, and what a user should know before relying on a backup.
import type { Document } from "mongodb";
import { isLifeboatError } from "../../../core/errors.ts";
import type { Limit } from "../../../core/limits.ts";
import type { DatabaseFacts } from "../../../ports/connection.ts";
import { databasesOf, isBuckets, isServerCollection, type Scope } from "../scope.ts";
import { identityOf } from "../target/identity.ts";
import type { MongoSession } from "./connect.ts";
import { optionOf, parseMongoUrl } from "./url.ts";

/** Version of the driver, which is the tool of this engine: package.json names it exactly, and a test compares the two. */
export const DRIVER_VERSION = "7.8.0";

const HOUR_MS = 3_600_000;
/** An oplog that reaches less far back than this may be overtaken by a long dump. */
const SMALL_OPLOG_MS = 24 * HOUR_MS;
const NO_TLS_CHECK = ["tlsInsecure", "tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames"];

export async function databaseFacts(session: MongoSession, scope: Scope): Promise<DatabaseFacts> {
  const { hello, connection } = session;
  const sizes = await sizesOf(session, scope);
  const { localTime } = await session.command("admin", { hello: 1 });
  return {
    serverVersion: hello.version,
    serverMajor: hello.serverMajor,
    database: scope.database ?? (scope.databases ?? ["all databases"]).join(", "),
    user: parseMongoUrl(connection.url).user ?? "",
    sizeBytes: sizes.bytes,
    tables: sizes.collections,
    tool: `mongodb driver ${DRIVER_VERSION}`,
    warnings: [...topologyWarnings(session), ...(await oplogWarnings(session)), ...tlsWarnings(session), ...absent(scope, sizes.present)],
    identity: await identityOf(session, scope),
    limits: [...(await connectionsOf(session)), ...sizes.disk],
    ...(localTime instanceof Date ? { now: localTime } : {}),
  };
}

interface Sizes {
  readonly bytes: number;
  readonly collections: number;
  readonly present: readonly string[];
  readonly disk: readonly Limit[];
}

/** A user without the role `clusterMonitor` may not ask. */
async function connectionsOf(session: MongoSession): Promise<Limit[]> {
  try {
    const { connections } = await session.command("admin", { serverStatus: 1, metrics: 0, wiredTiger: 0, tcmalloc: 0 });
    const [used, free] = [Number(connections?.current), Number(connections?.available)];
    return Number.isFinite(used + free) ? [{ name: "connections", used, max: used + free, unit: "count" }] : [];
  } catch {
    return [];
  }
}

/** Bytes of the documents as they are, before the server's own compression. */
async function sizesOf(session: MongoSession, scope: Scope): Promise<Sizes> {
  const present = scope.database === undefined ? await session.databases() : [];
  const databases = databasesOf(scope, present);
  let bytes = 0;
  let collections = 0;
  let disk: Limit[] = [];
  for (const db of databases) {
    const { dataSize = 0, fsUsedSize, fsTotalSize } = await session.command(db, { dbStats: 1 });
    bytes += Number(dataSize);
    // Of the server's volume, the same for each of its databases.
    if (Number(fsTotalSize) > 0) disk = [{ name: "disk", used: Number(fsUsedSize), max: Number(fsTotalSize), unit: "bytes" }];
    const found = await session.client.db(db).listCollections({}, { nameOnly: true }).toArray();
    collections += found.filter(({ name, type }) => type !== "view" && !isServerCollection(name) && !isBuckets(name)).length;
  }
  return { bytes, collections, present: databases, disk };
}

function topologyWarnings({ hello }: MongoSession): string[] {
  if (hello.topology === "standalone") {
    return [
      "the server stands alone: it gives no snapshot, so what changes during a backup may be in it in part; make it a replica set of one member",
    ];
  }
  if (hello.topology === "sharded") {
    return ["the cluster is sharded: a backup is of one snapshot, kept collections are restored without their distribution over shards"];
  }
  return hello.writable ? [] : [`backups are read from ${hello.me ?? "a member"}, which is not the primary: what it lacks is not in them`];
}

async function oplogWarnings(session: MongoSession): Promise<string[]> {
  if (session.hello.topology !== "replica set") return [];
  const edge = async (order: 1 | -1): Promise<number | undefined> => {
    const command = { find: "oplog.rs", sort: { $natural: order }, limit: 1, singleBatch: true, projection: { ts: 1, wall: 1 } };
    const reply = await session.command("local", command);
    const [entry] = reply.cursor.firstBatch as Document[];
    return entry?.wall instanceof Date ? entry.wall.getTime() : undefined;
  };
  try {
    const [first, last] = [await edge(1), await edge(-1)];
    if (first === undefined || last === undefined || last - first >= SMALL_OPLOG_MS) return [];
    const hours = Math.max(0, (last - first) / HOUR_MS);
    return (await isFilled(session))
      ? [
          `the oplog reaches back ${hours < 10 ? hours.toFixed(1) : Math.round(hours)} hours only: raise its size or storage.oplogMinRetentionHours`,
        ]
      : [];
  } catch (error) {
    if (!isLifeboatError(error, "SOURCE_PERMISSION")) throw error;
    return ["the user may not read the oplog (role read on local, or backup): backups rely on the server's snapshots alone"];
  }
}

/** A young oplog is short because little has happened, not because it is small. */
async function isFilled(session: MongoSession): Promise<boolean> {
  const reply = await session.command("local", { collStats: "oplog.rs" });
  return Number(reply.size ?? 0) >= 0.9 * Number(reply.maxSize ?? Number.POSITIVE_INFINITY);
}

function tlsWarnings({ connection }: MongoSession): string[] {
  const url = parseMongoUrl(connection.url);
  const off = NO_TLS_CHECK.filter((name) => optionOf(url, name) === "true");
  return off.map((name) => `${name} is on: a machine in between can read all data and the password`);
}

function absent(scope: Scope, present: readonly string[]): string[] {
  const missing = (scope.databases ?? []).filter((name) => !present.includes(name));
  return missing.map((name) => `database ${name}, which is to be backed up, is not there`);
}
