// What a server still holds of its own oplog: read from an instant on, as segments, without an archive and without writing anything.
import { LifeboatError } from "../../../core/errors.ts";
import type { Micros } from "../../../core/log.ts";
import { dateOfMicros } from "../../../core/micros.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { ServerLog } from "../../../ports/log.ts";
import { type MongoSession, openMongo, withMongo } from "../connect/connect.ts";
import { type CutSegment, Cutter } from "./cutter.ts";
import { after, positionOf, type Stamp } from "./position.ts";
import { entryDigest, type Slice } from "./segment.ts";
import { systemIdentifierOf } from "./state.ts";
import { entriesBetween, entryBefore, oplogEdge } from "./tail.ts";

/** A transaction may run this long, and its first entries may lie before the instant. */
const LEAD_SECONDS = 60;

/** As the port says. SOURCE_PERMISSION where the user may not read the database `local`. */
export function serverLog(connection: Connection, at: Micros, { signal }: Work = {}): Promise<ServerLog | undefined> {
  return withMongo(connection, { signal, poolSize: 2 }, async (session) => {
    const system = await systemIdentifierOf(session);
    const second = BigInt(Math.floor(dateOfMicros(at).getTime() / 1000) - LEAD_SECONDS);
    const lead = (await entryBefore(session, second << 32n)) ?? (await oplogEdge(session, "first"));
    const last = await oplogEdge(session, "last");
    if (lead === undefined || last === undefined || lead.wall > at) return undefined;
    return {
      from: positionOf(after(await lastUntil(session, at, lead, last))),
      until: last.wall,
      segments: (work) => segments(connection, system, lead, last, work),
    };
  });
}

/** The last entry before the first one that is later than the instant: an entry that exists, which a provider can restore through. */
async function lastUntil(session: MongoSession, at: Micros, lead: Slice, last: Slice): Promise<Stamp> {
  let reached = lead.stamp;
  for await (const { wall, stamp } of entriesBetween(session, lead.stamp, last.stamp)) {
    if (wall > at) break;
    reached = stamp;
  }
  return reached;
}

async function* segments(
  connection: Connection,
  system: string,
  lead: Slice,
  last: Slice,
  { signal }: Work = {},
): AsyncGenerator<{ readonly name: string; readonly bytes: Uint8Array }, void> {
  const session = await openMongo(connection, { signal, poolSize: 2 });
  try {
    const sha256 = entryDigest(lead.bytes);
    const cutter = new Cutter(system, { stamp: lead.stamp, sha256 }, Number.POSITIVE_INFINITY);
    let isPlaced = false;
    for await (const entry of entriesBetween(session, lead.stamp, last.stamp)) {
      if (!isPlaced && (entry.stamp !== lead.stamp || entryDigest(entry.bytes) !== sha256)) throw dropped(connection, lead);
      const full = isPlaced ? cutter.add(entry, 0) : undefined;
      isPlaced = true;
      if (full !== undefined) yield wholeOf(full);
    }
    if (!isPlaced) throw dropped(connection, lead);
    const rest = cutter.cut();
    if (rest !== undefined) yield wholeOf(rest);
  } catch (error) {
    throw session.translate(error, { otherwise: "SOURCE_UNREACHABLE" });
  } finally {
    await session.close();
  }
}

const wholeOf = ({ name, parts }: CutSegment) => ({ name, bytes: Buffer.concat(parts) });

const dropped = ({ label }: Connection, { stamp }: Slice): LifeboatError =>
  new LifeboatError("RECOVERY_SHORT", `the oplog of ${label} no longer holds the entry at ${positionOf(stamp)}`);
