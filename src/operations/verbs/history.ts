// lifeboat history: one row at every point it can be asked of.
import * as z from "zod/mini";
import { ERROR_CODES, type ErrorCode, EXIT, LifeboatError } from "../../core/errors.ts";
import type { Micros } from "../../core/log.ts";
import { parseRecoveryTarget, understood as understand } from "../../core/recovery-target.ts";
import { type RowState, stateBefore } from "../../core/row-history.ts";
import { shellWord } from "../../core/shell.ts";
import { type Context, presentOf } from "../context.ts";
import { operation } from "../operation.ts";
import { history as historyOf, type RowTold } from "../recovery/history.ts";
import type { HistoryRequest } from "../recovery/history-part.ts";
import { planHistory } from "../recovery/history-plan.ts";
import { exitOfPlan, plan, understood } from "../recovery/schemas.ts";
import { about, count, errorCode, jobId, orNull, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const request = z.strictObject({
  source: sourceName,
  table: about(z.string(), "The table, or the collection."),
  key: about(
    z.array(z.string()).check(z.minLength(1)),
    "A value for a key of one column; else `column=value` for each column. Of documents: the `_id`, as extended JSON or as text.",
  ),
  from: z.optional(about(z.string(), "The time at which the history begins. Default: the oldest restore point.")),
  to: z.optional(about(z.string(), "The time at which it ends. Default: now.")),
  columns: z.optional(about(z.array(z.string()).check(z.minLength(1)), "The columns to show and to compare. Default: all.")),
  limit: z.optional(
    about(
      z.int().check(z.minimum(1)),
      "Most looks for which a server is moved or made. Default: 1000 in a WAL, 40 in a provider's history, none where they are paid for.",
    ),
  ),
});
type Request = z.infer<typeof request>;

const values = z.record(z.string(), z.unknown());

const state = z.strictObject({
  from: about(understood, "When it was seen first; of a change in a log, when it was committed."),
  until: about(understood, "When it was seen last, unchanged."),
  seenCount: about(count, "At how many points."),
  seenIn: about(z.string(), "The first of them."),
  kind: about(z.enum(["backup", "snapshot", "log", "history", "now"]), "What was asked there."),
  row: about(orNull(values), "By column; text for PostgreSQL, extended JSON for MongoDB. Null: the row was not there, or it is not known."),
  missing: about(orNull(z.enum(["row", "table", "database"])), "What was not there."),
  writtenBy: about(
    orNull(
      z.strictObject({
        kind: about(z.enum(["insert", "update", "delete"]), "Against the known state before."),
        position: about(z.string(), "Of the commit in the log."),
        id: about(z.string(), "Transaction, or operation and collection. The log does not record the user."),
        origin: about(orNull(z.string()), "The replication origin. Null: it was made at the source."),
      }),
    ),
    "How it came about. Null: no log tells.",
  ),
  changedColumns: about(z.array(z.string()), "Those that differ from the known state before."),
  notKnown: about(orNull(z.strictObject({ code: errorCode, message: z.string() })), "Why the state is not known."),
  restore: about(orNull(z.string()), "The command that brings this state back into the live table."),
});

export const history = operation({
  name: "history",
  access: "restore",
  request,
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    table: about(z.string(), "With its schema or database."),
    keyValues: about(values, "The key as it was understood, by column."),
    states: about(z.array(state), "Oldest first; equal states that follow each other are one."),
    asked: about(z.array(z.string()), "What was asked."),
    notExamined: about(z.array(z.string()), "What was not, one sentence each. The history is complete without any."),
    warnings: z.array(z.string()),
    restore: about(
      orNull(z.string()),
      "The command that brings back the newest state that differs from the last one. Null: there is none.",
    ),
  }),
  plan: {
    result: plan,
    run: (context, asking) => planHistory(context, sourceNamed(context, asking.source), requestOf(context, asking), context),
    exit: exitOfPlan,
  },

  async run(context, asking) {
    const source = sourceNamed(context, asking.source);
    const told = await historyOf(context, source, requestOf(context, asking), context);
    const present = presentOf(context);
    const command = (of: RowState): string | null => commandOf(source.name, asking.table, told, of);
    const wanted = stateBefore(told.states);
    return {
      ...{ job: told.job, source: source.name, table: told.named.table, keyValues: told.named.key },
      states: told.states.map((one) => ({
        from: understand(one.from, present),
        until: understand(one.until, present),
        ...{ seenCount: one.seen, seenIn: one.by, kind: one.kind },
        row: one.found?.row ?? null,
        missing: missingOf(one),
        writtenBy: writtenBy(one.change),
        changedColumns: [...one.changed],
        notKnown: one.code === undefined ? null : { code: one.code, message: one.reason ?? "" },
        restore: command(one),
      })),
      ...{ asked: [...told.asked], notExamined: [...told.notExamined], warnings: [...told.remarks] },
      restore: wanted === undefined ? null : command(wanted),
    };
  },
  exit({ states, notExamined }) {
    const codes = states.flatMap(({ notKnown }) => notKnown?.code ?? []);
    const broken = codes.find((code: ErrorCode) => ERROR_CODES[code].exit === EXIT.integrity);
    if (broken !== undefined) return EXIT.integrity;
    return codes.length > 0 || notExamined.length > 0 || states.every(({ row }) => row === null) ? EXIT.inconclusive : EXIT.done;
  },
});

const writtenBy = (change: RowState["change"]) => {
  if (change === undefined) return null;
  const { operation, origin = null, ...where } = change;
  return { kind: operation, ...where, origin };
};

const missingOf = ({ found }: RowState): "row" | "table" | "database" | null =>
  found === undefined || found.row !== undefined ? null : (found.missing ?? "row");

/** The present state needs no command. One in which the row was not there takes it away. */
function commandOf(source: string, table: string, { named }: RowTold, { found, kind, restoreTo, from }: RowState): string | null {
  if (found === undefined || found.missing !== undefined || kind === "now") return null;
  const words = ["lifeboat", "restore", source, "--to", restoreTo ?? from, "--tables", table, "--where", named.condition, "--merge"];
  return [...words.map(shellWord), ...(found.row === undefined ? ["--delete-extra"] : [])].join(" ");
}

function requestOf(context: Context, { table, key, columns, limit, ...range }: Request): HistoryRequest {
  const present = presentOf(context);
  const instant = (name: "from" | "to"): Micros | undefined => {
    const text = range[name];
    const target = text === undefined ? undefined : parseRecoveryTarget(text, present);
    if (target === undefined || (name === "to" && target.kind === "latest")) return undefined;
    if (target.kind !== "time") throw new LifeboatError("USAGE", `--${name} is not a time`);
    return target.at;
  };
  const [from, to] = [instant("from"), instant("to")];
  if (from !== undefined && to !== undefined && from >= to) throw new LifeboatError("USAGE", "--from does not lie before --to");
  return { row: { table, key }, from, to, columns, limit };
}
