// Snapshot reads: which position a read concern means, and whether it is still remembered.
// https://www.mongodb.com/docs/manual/reference/read-concern-snapshot/
import { type Document, Timestamp } from "bson";
import type { Command, ServerContext } from "./command.ts";
import { CommandError } from "./errors.ts";
import { LATEST, PENDING, type Position, positionAt, positionOf } from "./position.ts";

/** The snapshot that a command asks for; a transaction reads the present. */
export const wantedSnapshot = ({ transaction, context, body }: Command): Position | undefined =>
  transaction === undefined ? snapshotOf(context, body.readConcern) : undefined;

/** The position of a snapshot read; undefined for every other read. SnapshotTooOld, InvalidOptions. */
export function snapshotOf(context: ServerContext, readConcern: Document | undefined): Position | undefined {
  if (readConcern?.level !== "snapshot") return undefined;
  const { store, setName, snapshotReads, historyMs } = context;
  if (setName === undefined || !snapshotReads) {
    throw new CommandError(setName === undefined ? 246 : 72, "readConcern level snapshot is not supported by this server");
  }
  const wanted = readConcern.atClusterTime;
  if (wanted === undefined) return store.last;
  if (!(wanted instanceof Timestamp)) throw new CommandError(14, "atClusterTime must be a timestamp");
  const position = positionOf(wanted);
  if (position > store.last) throw new CommandError(72, "readConcern atClusterTime value must not be greater than the current clusterTime");
  const oldest = Math.max(store.epoch, positionAt(Math.floor((store.clock().getTime() - historyMs) / 1000), 0));
  if (position < oldest && position < store.last) {
    throw new CommandError(239, `Read timestamp ${wanted.toString()} is older than the oldest available timestamp.`);
  }
  return position;
}

/** What a read that asks for no snapshot sees: the present, and what its own transaction wrote. */
export const presentOf = ({ transaction, context }: Command): Position => (context.transactions.isWriting(transaction) ? PENDING : LATEST);
