// lifeboat archive: the log of a source stored as it is written, one file of it, or the end of that.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { archiveFile, archive as archiveLog, stopArchive } from "../archive/archive.ts";
import { operation } from "../operation.ts";
import { about, count, orNull, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

export const archive = operation({
  name: "archive",
  access: "backup",
  local: { fields: ["segment"] },
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    segment: z.optional(about(z.string(), "Path of one file of the log: it is stored, and nothing else.")),
    stop: z.optional(about(z.boolean(), "The replication slot is dropped: the server no longer retains log for the archive.")),
  }),
  result: z.strictObject({
    source: sourceName,
    files: about(count, "Stored in this run."),
    last: about(orNull(z.string()), "Name of the last one."),
    outcome: about(orNull(z.string()), "Of a single file: stored, or there already."),
    notice: about(orNull(z.string()), "What an operator should know of it."),
    droppedSlot: about(orNull(z.string()), "Name of the replication slot that is gone."),
  }),
  async run(context, { source: name, segment, stop }) {
    if (segment !== undefined && stop) throw new LifeboatError("USAGE", "--segment and --stop are two different things: give one of them");
    const source = sourceNamed(context, name);
    const result = { source: name, files: 0, last: null, outcome: null, notice: null, droppedSlot: null };
    if (stop) return { ...result, droppedSlot: (await stopArchive(context, source, context)).slot };
    if (segment === undefined) {
      const { files, last } = await archiveLog(context, source, context);
      return { ...result, files, last: last ?? null };
    }
    const taken = await archiveFile(context, source, segment, context);
    return { ...result, files: 1, last: taken.name, outcome: taken.outcome, notice: taken.notice ?? null };
  },
});
