// How far what is read is of one instant: one snapshot for all, or the oplog of the time it took, or neither.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Consistency } from "../../../core/manifest.ts";
import { elementNamed, isTruthy, TYPE } from "../bson/bson.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import type { Stamp } from "../oplog/position.ts";
import { timestampOf } from "../oplog/tail.ts";
import type { SourceCollection } from "./collections.ts";

/** The consistency that the source's configuration asks for. `auto`: the best that the server offers. */
export type ConsistencyOption = "auto" | Consistency;

/** Servers offer snapshots of reads since 5.0, which speaks version 13 of the protocol. */
const SNAPSHOT_WIRE_VERSION = 13;
/** Codes with which a server says that it lacks a feature: not an error of the source. */
const NOT_OFFERED = new Set([2, 9, 20, 72, 115, 123, 148, 238, 246, 263, 8000, 40415]);

/**
 * The instant of a snapshot, or undefined where the server gives none. The server keeps it readable for a while
 * (minSnapshotHistoryWindowInSeconds, five minutes unless changed). `place`: some collection, which need not exist.
 */
export async function takeSnapshot(
  mongo: MongoSession,
  place: { readonly db: string; readonly collection: string },
): Promise<Stamp | undefined> {
  if (mongo.hello.topology === "standalone" || mongo.hello.maxWireVersion < SNAPSHOT_WIRE_VERSION) return undefined;
  const command = { find: place.collection, filter: {}, limit: 1, singleBatch: true, readConcern: { level: "snapshot" } };
  // Causal consistency would put an instant of its own into the command. One document may have 16 MB: nothing of it is decoded.
  const session = mongo.client.startSession({ causalConsistency: false });
  try {
    const { cursor } = await mongo.client.db(place.db).command(command, { raw: true, session });
    const at = elementNamed(cursor, "atClusterTime");
    return at?.type === TYPE.timestamp ? new DataView(at.value.buffer, at.value.byteOffset, 8).getBigUint64(0, true) : undefined;
  } catch (error) {
    if (!NOT_OFFERED.has(serverCodeOf(error) ?? 0)) throw error;
    return undefined;
  } finally {
    await session.endSession();
  }
}

/** Servers before 8.0 read no capped collection in a snapshot (SnapshotUnavailable, SERVER-47574): nothing then is of one. */
export const hasUnsnapped = ({ hello }: MongoSession, collections: readonly Pick<SourceCollection, "options">[]): boolean =>
  hello.serverMajor < 8 && collections.some(({ options }) => isTruthy(elementNamed(options, "capped")));

/** The instant of reads: of one snapshot, or not before the oplog entry with which a slice begins. */
export interface ReadInstant {
  readonly consistency: Consistency;
  readonly snapshot?: Stamp | undefined;
  readonly sliceStart?: Stamp | undefined;
}

/**
 * The read concern of documents. With the oplog, only what a majority of the members has is read: a change that is rolled back later would be
 * in the dump, and in no entry that could correct it.
 */
export function readConcernOf({ consistency, snapshot, sliceStart }: ReadInstant) {
  if (snapshot !== undefined) return { readConcern: { level: "snapshot", atClusterTime: timestampOf(snapshot) } };
  if (consistency !== "oplog" || sliceStart === undefined) return {};
  return { readConcern: { level: "majority", afterClusterTime: timestampOf(sliceStart) } };
}

/** Returns the id of the election that made the present primary; undefined where the server does not say. */
export async function electionOf({ command }: Pick<MongoSession, "command">): Promise<string | undefined> {
  const { electionId } = await command("admin", { hello: 1 });
  return electionId === undefined ? undefined : String(electionId);
}

/** Throws SOURCE_CHANGED when another primary was elected: definitions that were listed before may have been rolled back. */
export async function assertSamePrimary(mongo: Pick<MongoSession, "command" | "connection">, election: string | undefined): Promise<void> {
  const now = await electionOf(mongo);
  if (election === undefined || now === election) return;
  throw new LifeboatError("SOURCE_CHANGED", `another primary of ${mongo.connection.label} was elected while the dump was made`, {
    hint: "run the backup again",
  });
}

/** Whether this user can read an oplog there. */
export async function hasOplog(mongo: MongoSession): Promise<boolean> {
  if (mongo.hello.topology !== "replica set") return false;
  try {
    const reply = await mongo.command("local", { find: "oplog.rs", filter: {}, limit: 1, singleBatch: true, sort: { $natural: -1 } });
    return (reply.cursor?.firstBatch?.length ?? 0) > 0;
  } catch (error) {
    if (isLifeboatError(error, "SOURCE_PERMISSION") || NOT_OFFERED.has(serverCodeOf(error) ?? 0)) return false;
    throw error;
  }
}

/** Returns CAPABILITY_MISSING: the server lacks what the configuration asks for. */
export function notOffered(label: string, option: ConsistencyOption): LifeboatError {
  const what = option === "snapshot" ? "reads of one snapshot" : "an oplog that this user can read";
  return new LifeboatError(
    "CAPABILITY_MISSING",
    `the server of ${label} does not offer ${what}, which \`consistency: ${option}\` asks for`,
    {
      hint: "set `consistency: auto` for the source: it takes the best that the server offers, and evidence says which",
    },
  );
}
