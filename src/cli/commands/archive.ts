// lifeboat archive SOURCE [--segment PATH | --stop]
import { flag, text } from "../../core/option-types.ts";
import { archive } from "../../operations/verbs/archive.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

export const archiveCommand = defineCommand({
  description:
    "Stores the log of a PostgreSQL or MongoDB that you host yourself as it is written, so that any instant since a base backup (PostgreSQL: `backup SOURCE --kind base`) or a dump (MongoDB, a replica set: `backup SOURCE`) can be restored with `restore SOURCE --to TIME`. It runs until it is stopped (Ctrl-C, SIGTERM); the next run continues where it stopped. MongoDB keeps its oplog for as long as its size or minimum hours allow: an archive that was stopped for longer has a gap, and the next dump begins a new window.\n\nFor PostgreSQL, a replication slot makes the server retain the WAL that was not received yet. The slot stays when the command ends. Without max_slot_wal_keep_size the server retains WAL for it without limit: to stop archiving for good, drop the slot with --stop.\n\nThe other way for PostgreSQL is its own archiver, which calls Lifeboat for each file: archive_mode = on, and\narchive_command = 'lifeboat --config /etc/lifeboat.yaml --quiet archive SOURCE --segment %p'\nIt exits with 0 only when the file is stored. Use one of the two for a source, not both. For the second, set archive_timeout, or the last minutes before a disaster are lost.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    segment: { type: text, value: "PATH", help: "Store this one file of the log and exit: for archive_command, `%p`." },
    stop: { type: flag, help: "Drop the replication slot: the server no longer retains WAL for the archive." },
  },
  json: true,
  examples: [
    "lifeboat archive shop",
    "lifeboat --quiet archive shop --segment pg_wal/000000010000000000000042",
    "lifeboat archive shop --stop",
  ],
  run: (call) =>
    perform(call, archive, { ...call.args, ...call.options }, ({ source, files, last, outcome, notice, droppedSlot }) => {
      if (droppedSlot !== null) return `the replication slot ${droppedSlot} of ${source} is dropped`;
      if (outcome !== null) return [...(notice === null ? [] : [notice]), `${last}: ${outcome}`].join("\n");
      return `stopped; ${files} ${files === 1 ? "file" : "files"} of the log stored in this run`;
    }),
});
