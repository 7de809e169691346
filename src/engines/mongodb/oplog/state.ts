// What the source says of its oplog: how far it reaches back, and what endangers archiving.
import type { Document } from "mongodb";
import { formatBytes, formatDuration } from "../../../core/duration.ts";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { dateOfMicros } from "../../../core/micros.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { LogState } from "../../../ports/log.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { after, positionOf, TIMELINE } from "./position.ts";
import { oplogEdge } from "./tail.ts";

/** An oplog that reaches back less than a day leaves operators too little time to repair the archive. */
const SHORT_MS = 86_400_000;
/** Filled so far, the oplog drops its oldest entries for every new one. */
const FULL = 0.9;

/** SOURCE_*, CAPABILITY_MISSING where there is no oplog. */
export async function logState(connection: Connection, _slot?: string, work: Work = {}): Promise<LogState> {
  return withMongo(connection, { signal: work.signal, poolSize: 2 }, async (session) => {
    const systemIdentifier = await systemIdentifierOf(session);
    const [first, last] = [await oplogEdge(session, "first"), await oplogEdge(session, "last")];
    const warnings: { code: string; message: string }[] = [];
    const { label } = connection;
    if (first !== undefined && last !== undefined) {
      const reachMs = dateOfMicros(last.wall).getTime() - dateOfMicros(first.wall).getTime();
      const sizes = await sizesOf(session);
      if (reachMs < SHORT_MS && sizes !== undefined && sizes.usedBytes >= FULL * sizes.maxBytes) {
        const reach = `the oplog of ${label} (${formatBytes(sizes.maxBytes)}) reaches back ${formatDuration(reachMs)}`;
        warnings.push({
          code: "OPLOG_SHORT",
          message: `${reach}: an archive that is away for longer has a gap; raise it with replSetResizeOplog, or set its minRetentionHours to 24 or more`,
        });
      }
    }
    return { systemIdentifier, timeline: TIMELINE, currentLsn: last === undefined ? "0/0" : positionOf(after(last.stamp)), warnings };
  });
}

/** Undefined where this user may not ask. */
async function sizesOf({ command }: MongoSession): Promise<{ readonly usedBytes: number; readonly maxBytes: number } | undefined> {
  const reply = await command("local", { collStats: "oplog.rs" }).catch((): Document => ({}));
  const [usedBytes, maxBytes] = [Number(reply.size), Number(reply.maxSize)];
  return Number.isFinite(usedBytes) && maxBytes > 0 ? { usedBytes, maxBytes } : undefined;
}

/**
 * Makes the source write one entry that does nothing, so that its oplog proves the present instant. Returns whether it did. Without the
 * privilege nothing is lost: an idle primary writes such entries by itself every ten seconds.
 */
export async function noteIn({ command }: Pick<MongoSession, "command">): Promise<boolean> {
  try {
    await command("admin", { appendOplogNote: 1, data: { lifeboat: "archive" } });
    return true;
  } catch {
    return false; // refused; a lost connection is noticed by the reader of the oplog
  }
}

export function emitCommit(connection: Connection, work: Work = {}): Promise<boolean> {
  return withMongo(connection, { signal: work.signal, poolSize: 1 }, noteIn);
}

/** CommandNotFound, and Atlas's own number for what a user or a tier may not do. */
const NOT_OFFERED = new Set([59, 8000]);

/**
 * Returns the id that the set was given when it was made. Where this user may not read the set's configuration, its name is used, as
 * `set:rs0`: two sets of one name are then told apart by their entries, which do not continue each other. Throws CAPABILITY_MISSING
 * without an oplog (a standalone server) and for a mongos, behind which there are several.
 */
export async function systemIdentifierOf({
  connection,
  hello,
  command,
}: Pick<MongoSession, "connection" | "hello" | "command">): Promise<string> {
  const { topology, setName } = hello;
  if (topology !== "replica set" || setName === undefined) throw noOplog(connection.label, topology);
  const reply = await command("admin", { replSetGetConfig: 1 }).catch((error: unknown): Document => {
    if (isLifeboatError(error, "SOURCE_PERMISSION") || NOT_OFFERED.has(serverCodeOf(error) ?? 0)) return {};
    throw error; // other failures must not change the name of the set
  });
  const id = reply.config?.settings?.replicaSetId;
  return id === undefined ? `set:${setName}` : String(id);
}

function noOplog(label: string, topology: string): LifeboatError {
  const why = topology === "sharded" ? "a mongos, behind which every shard has an oplog of its own" : "a standalone server, which has none";
  const hint =
    topology === "sharded"
      ? "a sharded cluster's past is kept by its provider; or archive each shard as a source of its own"
      : "start it as a replica set of one member (replication.replSetName, then rs.initiate()): it has an oplog then";
  return new LifeboatError("CAPABILITY_MISSING", `the oplog of ${label} cannot be read: it is ${why}`, { hint });
}
