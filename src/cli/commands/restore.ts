// lifeboat restore SOURCE --to TARGET --into NAME|URL
import type * as z from "zod/mini";
import { listOf } from "../../core/option.ts";
import { flag, path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { shown } from "../../core/visible.ts";
import { restore } from "../../operations/verbs/restore.ts";
import type { Events } from "../../ports/progress.ts";
import { approvalOptions, askApproval } from "../approval-options.ts";
import { type CommandCall, defineCommand } from "../command.ts";
import { handOver } from "../hand-over.ts";
import { renderRestored } from "../render/restore.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions, recoveryTarget, timeline } from "../target-option.ts";

export const restoreCommand = defineCommand({
  description:
    "Proves the stored bytes, fills a database under a name of its own, compares it with the fingerprint taken at the source, and only then gives it the name you want. A database that holds anything is refused without --replace and --yes, and is replaced in the last second only.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    to: recoveryTarget,
    timeline,
    nearest: {
      type: flag,
      help: "Where the target cannot be reached exactly, restore the nearest backup before it. Without it, that is refused.",
    },
    into: {
      type: text,
      value: "NAME|URL|DIRECTORY",
      help: "A new database name on the source's server, or the URL of a database; a new directory (with a / in it) or `scratch` for the whole cluster at any instant of the recovery window; at a provider with a history of its own, the name of the new branch or cluster (default: restore-YYYY-MM-DD-HHMM), or of one that is there and is restored over with --replace.",
    },
    inPlace: {
      type: flag,
      help: "Set production itself back: its connection string stays the same, so no cut-over follows, and its present state is kept as a branch, a snapshot or a database. A provider with a history does it, and some interrupt production, as the plan says. Elsewhere the restored database takes the place of the source's own, between `hooks.stop` and `hooks.start`, and goes back when `health` does not come.",
    },
    keepAs: { type: text, value: "NAME", help: "Name of that branch or snapshot. Default: rollback-YYYYMMDD." },
    tables: {
      type: listOf(text),
      value: "A,B",
      help: "Only these tables (or collections), with what belongs to them. Without --into, where the provider can, they come back beside the live ones with `_restored_YYYYMMDDhhmm` after their names, or over them with --replace.",
    },
    dataOnly: { type: flag, help: "Rows only, into tables that are there." },
    replace: { type: flag, help: "Take the place of a database, cluster or table that is not empty." },
    merge: {
      type: flag,
      help: "Bring back only what is missing or changed in the live database, row by row, compared by primary key. --plan shows the rows first; `lifeboat undo JOB` takes them back.",
    },
    where: {
      type: text,
      value: "CONDITION",
      help: "With --merge: only rows of the chosen tables for which this holds, and the rows that belong to them by foreign keys. Columns are compared with constants.",
    },
    deleteExtra: { type: flag, help: "With --merge: delete rows that did not exist then. Without it they are left alone." },
    noFollow: { type: flag, help: "With --merge: bring no rows of other tables along for the sake of foreign keys." },
    overwriteChanged: { type: flag, help: "With --merge: overwrite rows too that were changed after they were compared." },
    asSuperuser: {
      type: flag,
      help: "Load with the rights of the target's user although that is a superuser: code in the backup (constraints, index expressions, views, triggers) runs with them. Without it such a load runs as a role of its own.",
    },
    roles: {
      type: flag,
      help: "Create the roles that the backup describes and the target's server lacks, with attributes, memberships and settings. Roles that exist are never changed. Superusers become ordinary roles.",
    },
    superuserRoles: { type: flag, help: "As --roles, and superusers of the source become superusers." },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    unsigned: {
      type: flag,
      help: "Restore a point that no trusted key has signed: you know who made it. Its verdict is inconclusive at best.",
    },
    start: { type: flag, help: "With a directory: start its server when it is restored, and leave it running." },
    ...planOptions,
    ...approvalOptions,
    showPassword: { type: flag, help: "Print the connection string with its password." },
    urlFile: { type: path, value: "FILE", help: "Write the connection string, password included, to this file, for its owner only." },
  },
  json: true,
  examples: [
    "lifeboat restore shop --into shop_new",
    "lifeboat restore shop --to 2026-11-20T03:00:00Z --into shop_new --plan",
    "lifeboat restore shop --into shop --replace --yes shop",
    "lifeboat restore shop --into postgres://admin@db2.example.com/shop --roles",
    "lifeboat restore shop --to 2026-11-20T14:29:59.250Z --into /var/lib/postgresql/restored",
    "lifeboat restore shop --to 5m --into scratch",
    "lifeboat restore shop --to '10m before 14:30' --tables orders --into shop_before",
    "lifeboat restore shop --to 14:25 --tables users --merge --plan",
    "lifeboat restore shop --to 14:25 --tables tenants --merge --where 'id = 42' --yes shop",
    "lifeboat restore shop --to 2026-11-20T14:29:59Z",
    "lifeboat restore shop --to 2026-11-20T14:29:59Z --in-place --yes shop",
    "lifeboat restore sessions --to 2026-11-20T14:29:59Z --tables users,carts",
  ],
  async run(call) {
    const { plan, showPassword, urlFile, requestApproval, ...options } = call.options;
    const request = { ...call.args, ...options, credentials: showPassword || urlFile !== undefined };
    if (plan) return performPlan(call, restore, request, renderPlan);
    if (requestApproval) return askApproval(call, "restore", request);
    const render = (result: Restored): string => renderRestored(result, call.paint);
    let isReady = false;
    const events: Events = (event) => {
      if (event.type !== "ready") return call.events(event);
      isReady = true;
      const result = event.result as Restored;
      call.emit(result, () => [render(shown(result)), "press Ctrl-C to stop and remove it"].join("\n"));
    };
    // A scratch server was told of while it ran.
    const emit: CommandCall["emit"] = (...result) => (isReady ? undefined : call.emit(...result));
    return perform({ ...call, events, emit }, restore, request, render, async (result) =>
      result.connection === null ? result : { ...result, connection: await handOver(result.connection, { showPassword, urlFile }) },
    );
  },
});

type Restored = z.infer<typeof restore.result>;
