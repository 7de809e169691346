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

/** A weekend's outage of the archive should not cost the past; a day is the least that leaves somebody time to act. */
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

// Makes the source write one entry that does nothing, so that its oplog proves the present instant.

/**
 * Whether the server took it. Where this user may not, nothing is lost: a primary writes such entries by itself every ten seconds
 * while it has nothing else to write.
 */
export async function noteIn({ command }: Pick<MongoSession, "command">): Promise<boolean> {
  try {
    await command("admin", { appendOplogNote: 1, data: { lifeboat: "archive" } });
    return true;
  } catch {
    return false; // refused; and whether the server is away, whoever reads the oplog learns at once
  }
}

export function emitCommit(connection: Connection, work: Work = {}): Promise<boolean> {
  return withMongo(connection, { signal: work.signal, poolSize: 1 }, noteIn);
}

// Which set of servers an oplog belongs to, so that the logs of two are never taken for one.

/** CommandNotFound, and Atlas's own number for what a user or a tier may not do. */
const NOT_OFFERED = new Set([59, 8000]);

/**
 * The id that the set was given when it was made. Where this user may not read the set's configuration, its name stands in, written
 * `set:rs0`: two sets of one name are then not told apart by it, but by the entries themselves, which do not run on from each other.
 * CAPABILITY_MISSING where there is no oplog: a standalone server, or a mongos, behind which there are several.
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
    throw error; // any other failure is no reason to call the set by another name than yesterday
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
