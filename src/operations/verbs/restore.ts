// lifeboat restore: a recovery target becomes a database, tables, a directory, a scratch server, or a place at the provider.
import { once } from "node:events";
import * as z from "zod/mini";
import { withoutPassword } from "../../core/address.ts";
import { formatInstant } from "../../core/duration.ts";
import { onTimeline, parseRecoveryTarget } from "../../core/recovery-target.ts";
import type { Recovered } from "../../ports/physical.ts";
import { gated, gateFields } from "../approval/gated.ts";
import { productionOf } from "../approval/production.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import type { OperationContext } from "../operation.ts";
import type { Finding } from "../recovery/conclude.ts";
import { mergedTables } from "../recovery/merge-schemas.ts";
import { planRestore, restore as restoreSource } from "../recovery/restore.ts";
import type { Restored } from "../recovery/restore-request.ts";
import {
  connection,
  connectionJson,
  exitOfFinding,
  exitOfPlan,
  findingFields,
  findingJson,
  kept,
  plan,
  restoredPlace,
  timelineField,
} from "../recovery/schemas.ts";
import { about, nextAction, orNull, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const flag = (help: string) => z.optional(about(z.boolean(), help));
const text = (help: string) => z.optional(about(z.string(), help));

const request = z.strictObject({
  source: sourceName,
  to: text("Recovery target: latest, a time, a position, or a restore point. Default: latest."),
  timeline: z.optional(timelineField),
  nearest: flag("Where the target cannot be reached exactly, the nearest backup before it is restored."),
  into: text("A database name or URL, a directory, `scratch`, or the name of a place at the provider."),
  inPlace: flag("Production itself is set back: at its provider, or by a database that takes the place of the source's own."),
  keepAs: text("Name under which production's present state is kept."),
  tables: z.optional(about(z.array(z.string()), "Only these tables or collections.")),
  dataOnly: flag("Rows only, into tables that are there."),
  replace: flag("What is there is replaced."),
  asSuperuser: flag("The load has the rights of the target's user although that is a superuser."),
  roles: flag("Roles that the backup describes and the target's server lacks are created; superusers become ordinary roles."),
  superuserRoles: flag("As `roles`, and superusers of the source become superusers."),
  yes: text("The source's name: the operator is sure."),
  unsigned: flag("A point that no trusted key has signed is restored."),
  merge: flag("Only rows that are missing or changed are brought back into the live database, compared by key."),
  where: text("Of a merge: a condition on the rows of the chosen tables; all rows that belong to them come along."),
  deleteExtra: flag("Of a merge: rows that did not exist then are deleted."),
  noFollow: flag("Of a merge: foreign keys bring no further rows along."),
  overwriteChanged: flag("Of a merge: rows that were changed since they were compared are overwritten too."),
  start: flag("The server of a restored directory is started, and left running."),
  ...gateFields,
  credentials: flag("Addresses in the result have their passwords."),
});

const result = z.strictObject({
  ...findingFields,
  place: about(orNull(restoredPlace), "Null: what was restored has no name of its own, or a failed restore removed it."),
  kept: about(orNull(kept), "What was there before; it is removed after `accept` of this job."),
  tables: about(orNull(z.readonly(z.array(z.string()))), "Chosen tables, as they are named now."),
  connection: orNull(connection),
  merged: about(orNull(mergedTables), "Of a merge."),
  databases: about(orNull(z.array(z.strictObject({ name: z.string(), url: z.string() }))), "Of a scratch server, while it runs."),
  instructions: about(z.readonly(z.array(z.string())), "How a restored directory is started, and what to see to before."),
  warnings: z.readonly(z.array(z.string())),
  next: z.array(nextAction),
});

type Request = z.infer<typeof request>;
type Result = z.infer<typeof result>;

export const restore = gated({
  name: "restore",
  access: "restore",
  local: {
    fields: ["credentials", "start", "asSuperuser", "superuserRoles", "unsigned"],
    refuse({ into = "" }) {
      if (into === "scratch") return "a scratch server can be reached only on the machine of the service";
      if (into.includes("://")) return "an address holds a password; name a database of the source's own server";
      return /[/\\]/.test(into) ? `${into} is a path on the machine of the service` : undefined;
    },
  },
  oneJob: () => true,
  request,
  result,
  plan: {
    result: plan,
    run: (context, asked) => planRestore(context, sourceNamed(context, asked.source), withTarget(context, asked), context),
    exit: exitOfPlan,
  },

  production: (context, asked) => productionOf(context, sourceNamed(context, asked.source), asked),

  async run(context, asked) {
    const source = sourceNamed(context, asked.source);
    const onScratch = async (recovered: Recovered, found: Finding): Promise<void> => {
      const databases = recovered.databases.map((name) => addressOf(name, recovered.connection(name).url, asked));
      context.progress.ready?.({ ...resultOf(context, source, { ...found, warnings: [] }, asked), databases } satisfies Result);
      await untilAborted(context.signal);
    };
    const restored = await restoreSource(context, source, { ...withTarget(context, asked), onScratch }, context);
    return resultOf(context, source, restored, asked);
  },

  exit: exitOfFinding,
});

const withTarget = (context: Context, asked: Request) => ({
  ...asked,
  to: onTimeline(parseRecoveryTarget(asked.to ?? "latest", presentOf(context)), asked.timeline),
});

const addressOf = (name: string, url: string, { credentials }: Request) => ({ name, url: credentials ? url : withoutPassword(url) });

function resultOf(context: OperationContext, source: Source, restored: Restored, { credentials }: Request): Result {
  const { branch, kept: before, tables, next = [], warnings, connection: reached } = restored;
  return {
    ...findingJson(context, restored),
    place: branch === undefined ? null : { what: placeWord(source), ...branch },
    kept: before === undefined ? null : { id: before.id, name: before.name },
    tables: tables ?? null,
    connection: reached === undefined ? null : connectionJson(reached, credentials),
    merged: restored.merged ?? null,
    databases: null,
    instructions: next,
    warnings,
    next: nextOf(
      restored,
      source,
      [...(context.cutOvers?.values() ?? [])].some((one) => one.source === source.name),
    ),
  };
}

/** What the source's provider calls a place of its own. */
const placeWord = (source: Source): string => (source.managed === true ? source.provider.history?.place : undefined) ?? "branch";

function nextOf({ branch, kept: before, evidence, to, undo }: Restored, source: Source, isPointed: boolean): Result["next"] {
  const { name } = source;
  if (undo !== undefined)
    return [
      { commands: [`lifeboat undo ${undo.job} --yes ${name}`], text: `to take it back, until ${formatInstant(new Date(undo.expiresAt))}` },
    ];
  if (branch === undefined) {
    const then = before?.id === before?.name ? "is dropped then" : "is removed 7 days later, not before";
    return before === undefined ? [] : [{ commands: [`lifeboat accept ${evidence.id}`], text: `when it is good; ${before.name} ${then}` }];
  }
  if (source.provider.history?.promote !== undefined)
    return [{ commands: [`lifeboat promote ${branch.name} --yes ${name}`], text: "to make it production" }];
  return [
    isPointed
      ? { commands: [`lifeboat cutover ${name} --to ${branch.name} --yes ${name}`], text: "to point the application at it" }
      : { commands: [], text: `point the application at ${branch.name}` },
    { commands: [`lifeboat restore ${name} --to ${to.target} --in-place --yes ${name}`], text: "to set production itself back" },
  ];
}

/** A scratch server runs until the operator stops it. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  const awake = setInterval(() => {}, 60_000);
  if (!signal.aborted) await once(signal, "abort");
  clearInterval(awake);
}
