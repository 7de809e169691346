// A dump that was read while it changed carries the oplog from before its first document to after its last. Applied to the loaded data, it
// makes it one instant: each document is then as its last entry says.
import { createReadStream } from "node:fs";
import { isLifeboatError } from "../../../core/errors.ts";
import type { Check } from "../../../core/verdict.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { SettleOptions } from "../../../ports/engine.ts";
import { readArchive, readPrelude } from "../archive/archive.ts";
import { isOplog } from "../archive/prelude.ts";
import { documentsOf } from "../bson/bson.ts";
import { withMongo } from "../connect/connect.ts";
import { holdOf } from "../load/hold.ts";
import type { SourceScope } from "../scope.ts";
import { readEntry } from "./entry.ts";
import { namesFor } from "./names.ts";
import { after, positionOf } from "./position.ts";
import { beginApplying } from "./replay.ts";

const CHUNK_BYTES = 1024 * 1024;

/** As the port says: pass when every entry that was kept has been applied. SOURCE_*, and INTEGRITY for damaged bytes. */
export async function settleArchive(
  target: Connection,
  archiveFile: string,
  options: SettleOptions,
  source: SourceScope = {},
): Promise<Check> {
  const check = { name: "one instant", kind: "data" } as const;
  const prelude = await readPrelude(createReadStream(archiveFile));
  if (!prelude.collections.some(isOplog)) {
    return { ...check, outcome: "inconclusive", message: "the archive holds nothing of what changed while the backup was made" };
  }
  const databases = [...new Set(prelude.collections.filter((one) => !isOplog(one)).map(({ db }) => db))];
  try {
    return await withMongo(target, { signal: options.signal, poolSize: 4 }, async (session) => {
      const names = namesFor(target, databases, options.tables, source);
      const hold = holdOf(options.held);
      const applier = await beginApplying(session, names, hold);
      let reached = "its beginning";
      for await (const { event, prelude: whole } of readArchive(createReadStream(archiveFile, { highWaterMark: CHUNK_BYTES }))) {
        const collection = whole.collections[event.index];
        if (event.kind !== "documents" || collection === undefined || !isOplog(collection)) continue;
        for (const bytes of documentsOf(Uint8Array.from(event.documents))) {
          options.signal?.throwIfAborted();
          const entry = readEntry(bytes);
          await applier.take(entry);
          reached = positionOf(after(entry.stamp));
        }
      }
      await applier.end();
      if (hold === undefined) await applier.release();
      const message = `what changed while the backup was made was applied: ${applier.entries} entries of the oplog, to ${reached}`;
      return { ...check, outcome: "pass", message, rows: applier.entries };
    });
  } catch (error) {
    if (!isLifeboatError(error, "LOG_INVALID")) throw error;
    return { ...check, outcome: "fail", message: error.message };
  }
}
