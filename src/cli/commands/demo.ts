// lifeboat demo
import { flag } from "../../core/option-types.ts";
import { defineCommand } from "../command.ts";
import { runDemo } from "../demo/run.ts";

export const demoCommand = defineCommand({
  description:
    "Starts a PostgreSQL server, fills a shop, keeps ordering in it, backs it up, verifies the backup, loses a table, proves the backup in scratch, restores, and says what was achieved and what was lost. It takes less than a minute, and deletes all that it made at the end. Where PostgreSQL's programs are missing, Debian and Ubuntu machines download them into a private folder.",
  arguments: {},
  options: { keep: { type: flag, help: "Keep its folder: configuration, repository, identity and evidence." } },
  json: true,
  examples: ["lifeboat demo", "lifeboat demo --keep"],
  run: (call) => runDemo(call as never, call.options.keep === true),
});
