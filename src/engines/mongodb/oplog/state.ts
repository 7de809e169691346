// What the source says of its oplog: how far it reaches back, and what endangers archiving.
import type { Document } from "mongodb";
import { formatBytes, formatDuration } from "../../../core/duration.ts";
import { dateOfMicros } from "../../../core/micros.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { LogState } from "../../../ports/log.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { after, positionOf, TIMELINE } from "./position.ts";
import { systemIdentifierOf } from "./system.ts";
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
