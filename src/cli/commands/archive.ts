// lifeboat archive SOURCE [--segment PATH | --stop]

import { EXIT, LifeboatError } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { visible } from "../../core/visible.ts";
import { archive, archiveFile, stopArchive } from "../../operations/archive/archive.ts";
import { defineCommand } from "../command.ts";
import { sourceNamed, withContext } from "../session.ts";

export const archiveCommand = defineCommand({
  description:
    "Stores the log of a PostgreSQL or MongoDB that you host yourself as it is written, so that any instant since a base backup (PostgreSQL: `backup SOURCE --kind base`) or a dump (MongoDB, a replica set: `backup SOURCE`) can be restored with `restore SOURCE --to TIME`. It runs until it is told to stop (Ctrl-C, SIGTERM), and goes on where it stopped. A MongoDB keeps its oplog by itself, as long as its size or minimum of hours says: an archive that was away for longer has a gap, and the next dump begins a new window.\n\nOf a PostgreSQL, a replication slot makes the server keep what was not fetched. That slot stays when the command ends. A server keeps log for it without limit unless max_slot_wal_keep_size is set: when you do not want to archive any more, drop it with --stop.\n\nThe other way for PostgreSQL is its own archiver, which calls Lifeboat for each file: archive_mode = on, and\narchive_command = 'lifeboat --config /etc/lifeboat.yaml --quiet archive SOURCE --segment %p'\nIt exits with 0 only when the file is stored. Use one of the two for a source, not both. For the second, set archive_timeout, or the last minutes before a disaster are lost.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    segment: { type: text, value: "PATH", help: "Store this one file of the log and exit: for archive_command, `%p`." },
    stop: { type: flag, help: "Drop the replication slot: the server keeps no log for the archive any more." },
  },
  json: true,
  examples: [
    "lifeboat archive shop",
    "lifeboat --quiet archive shop --segment pg_wal/000000010000000000000042",
    "lifeboat archive shop --stop",
  ],
  async run(call) {
    const { segment, stop } = call.options;
    if (segment !== undefined && stop) throw new LifeboatError("USAGE", "--segment and --stop are two different things: give one of them");
    return withContext(call, async (context, watch) => {
      const source = sourceNamed(context, call.args.source);
      if (segment !== undefined) {
        const { name, outcome, notice } = await archiveFile(context, source, segment, watch);
        if (notice !== undefined && !call.json) call.stderr.write(`${visible(notice)}\n`);
        call.emit({ source: source.name, name, outcome, notice: notice ?? null }, () => `${name}: ${outcome}`);
      } else if (stop) {
        const { slot } = await stopArchive(context, source, watch);
        call.emit({ source: source.name, slot, dropped: true }, () => `the replication slot ${slot} of ${source.name} is gone`);
      } else {
        const { files, last } = await archive(context, source, watch);
        call.emit(
          { source: source.name, files, last: last ?? null },
          () => `stopped; ${files} ${files === 1 ? "file" : "files"} of the log stored in this run`,
        );
      }
      return EXIT.done;
    });
  },
});
