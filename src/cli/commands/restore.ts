// lifeboat restore SOURCE --to TARGET --into NAME|URL
import { once } from "node:events";
import { EXIT } from "../../core/errors.ts";
import { listOf } from "../../core/option.ts";
import { flag, path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { parseRecoveryTarget } from "../../core/recovery-target.ts";
import { shown } from "../../core/visible.ts";
import { presentOf } from "../../operations/context.ts";
import type { Finding } from "../../operations/recovery/conclude.ts";
import { planRestore, restore } from "../../operations/recovery/restore.ts";
import type { Recovered } from "../../ports/physical.ts";
import { defineCommand } from "../command.ts";
import { handOver } from "../hand-over.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import { renderRestored, restoredJson } from "../render/restore.ts";
import { sourceNamed, withContext } from "../session.ts";
import { recoveryTarget } from "../target-option.ts";

export const restoreCommand = defineCommand({
  description:
    "Proves the stored bytes, fills a database under a name of its own, compares it with the fingerprint taken at the source, and only then gives it the name you want. A database that holds anything is refused without --replace and --yes, and is replaced in the last second only.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    to: recoveryTarget,
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
      help: "Set production itself back, at its provider: its connection string stays the same, its present state is kept as a branch or snapshot. At some providers production is unavailable meanwhile; the plan says so.",
    },
    keepAs: { type: text, value: "NAME", help: "Name of that branch or snapshot. Default: rollback-YYYYMMDD." },
    tables: {
      type: listOf(text),
      value: "A,B",
      help: "Only these tables (or collections), with what belongs to them. Without --into, where the provider can, they come back beside the live ones with `_restored_YYYYMMDDhhmm` after their names, or over them with --replace.",
    },
    dataOnly: { type: flag, help: "Rows only, into tables that are there." },
    replace: { type: flag, help: "Take the place of a database, cluster or table that is not empty." },
    asSuperuser: {
      type: flag,
      help: "Load with the rights of the target's user although that is a superuser: code in the backup (constraints, index expressions, views, triggers) runs with them. Without it such a load runs as a role of its own.",
    },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    unsigned: {
      type: flag,
      help: "Restore a point that no trusted key has signed: you know who made it. Its verdict is inconclusive at best.",
    },
    start: { type: flag, help: "With a directory: start its server when it is restored, and leave it running." },
    plan: { type: flag, help: "Say what would be done, and do nothing." },
    showPassword: { type: flag, help: "Print the connection string with its password." },
    urlFile: { type: path, value: "FILE", help: "Write the connection string, password included, to this file, for its owner only." },
  },
  json: true,
  examples: [
    "lifeboat restore shop --into shop_new",
    "lifeboat restore shop --to 2026-11-20T03:00:00Z --into shop_new --plan",
    "lifeboat restore shop --into shop --replace --yes shop",
    "lifeboat restore shop --to 2026-11-20T14:29:59.250Z --into /var/lib/postgresql/restored",
    "lifeboat restore shop --to 5m --into scratch",
    "lifeboat restore shop --to '10m before 14:30' --tables orders --into shop_before",
    "lifeboat restore shop --to 2026-11-20T14:29:59Z",
    "lifeboat restore shop --to 2026-11-20T14:29:59Z --in-place --yes shop",
    "lifeboat restore sessions --to 2026-11-20T14:29:59Z --tables users,carts",
  ],
  async run(call) {
    const { options, paint } = call;
    return withContext(call, async (context, watch) => {
      const source = sourceNamed(context, call.args.source);
      const request = { ...options, to: parseRecoveryTarget(options.to ?? "latest", presentOf(context)) };
      if (options.plan) {
        const plan = await planRestore(context, source, request, watch);
        call.emit(plan, () => renderPlan(plan));
        return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
      }
      const place = context.repository.storage.url;
      const onScratch = async (recovered: Recovered, found: Finding): Promise<void> => {
        const databases = recovered.databases.map((name) => ({ name, url: recovered.connection(name).url }));
        const lines = shown(databases).map(({ url }) => `  psql '${url}'`);
        call.emit({ ...findingJson(found), databases }, () =>
          [renderFinding(found, place, paint), "connect with:", ...lines, "Ctrl-C ends and removes it"].join("\n"),
        );
        await untilAborted(watch.signal);
      };
      const restored = await restore(context, source, { ...request, onScratch }, watch);
      const handed = restored.connection && (await handOver(restored.connection, options));
      // A scratch server was told of while it was there.
      if (options.into !== "scratch" || restored.branch !== undefined)
        call.emit(restoredJson(restored, source, handed), () => renderRestored(restored, source, handed, place, paint));
      return exitOfFinding(restored);
    });
  },
});

/** A scratch server is there for as long as somebody wants it. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  const awake = setInterval(() => {}, 60_000);
  if (!signal.aborted) await once(signal, "abort");
  clearInterval(awake);
}
