// The plan of a merge: the rows that it would change, and why it would refuse.
import type { Erasures } from "../../core/erasure.ts";
import { LifeboatError } from "../../core/errors.ts";
import { changesIn, type MergeFindings, type MergeRefusal, type MergeTable } from "../../core/merge-plan.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { targetInWords } from "../../core/recovery-target.ts";
import { shellWord } from "../../core/shell.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { completePlan, NOTHING, type PlanPart, routeParts } from "./plan.ts";
import type { Resolved } from "./resolve.ts";
import type { RestoreRequest } from "./restore-request.ts";

/** Why it would not be done, the weightiest first. */
export async function judged(
  source: Source,
  request: RestoreRequest,
  { inexact }: Resolved,
  { unmergeable, tables }: MergeFindings,
  live: Connection,
  blocked: readonly LifeboatError[],
  { signal }: Job,
): Promise<LifeboatError[]> {
  const database = unmergeable.length === 0 ? "" : (await source.engine.inspect(live, { signal })).database;
  const brought = new Set(tables.flatMap(({ table, insert, update }) => (insert + update > 0 ? [table] : [])));
  const refused = [
    ...unmergeable.map((refusal) => asError(source, request, refusal, database)),
    ...blocked.filter(({ details }) => brought.has(String(details.table))),
  ];
  return inexact !== undefined && request.nearest !== true ? [inexact, ...refused] : refused;
}

/** Names what can be done instead, each a command as it can be run. */
function asError({ name }: Source, { to }: RestoreRequest, { table, obstacle, message }: MergeRefusal, database: string): LifeboatError {
  const base = `lifeboat restore ${name} --to ${shellWord(targetInWords(to))} --tables ${shellWord(table)}`;
  const beside = `restore it beside the live one: \`${base} --into ${shellWord(`${database}_before`)}\``;
  const replaced = `or replace it whole: \`${base} --into ${shellWord(database)} --replace --yes ${name}\``;
  const hints: Partial<Record<MergeRefusal["obstacle"], string>> = {
    "not readable": "connect as the owner of the table, or as a role with BYPASSRLS",
    "not writable": "connect as the owner of the table, or grant the privilege named",
    "only now": "leave it out: there was nothing of that name then",
    "only then": `restore it: \`${base} --into ${shellWord(database)} --replace --yes ${name}\``,
  };
  return new LifeboatError("MERGE_REFUSED", message, { hint: hints[obstacle] ?? `${beside}, ${replaced}`, details: { table, obstacle } });
}

export async function planOfMerge(
  context: Context,
  source: Source,
  request: RestoreRequest,
  resolved: Resolved,
  findings: MergeFindings,
  live: Connection,
  watch: Watch,
  refusals: readonly LifeboatError[],
  erasures: Erasures | undefined,
): Promise<Plan> {
  const { before, after } = routeParts(context, source, resolved.route);
  const { nearest, unsigned, tables, where, deleteExtra, noFollow, overwriteChanged } = request;
  const asked = {
    to: targetInWords(resolved.asked),
    nearest,
    unsigned,
    merge: true,
    tables,
    where,
    deleteExtra,
    noFollow,
    overwriteChanged,
  };
  const load: PlanPart =
    resolved.route.kind === "copy"
      ? {
          steps: [
            {
              action: "create-scratch",
              subject: "a scratch database, and load into it",
              effect: "create",
              reason: "rows are compared with it",
            },
          ],
          timed: [{ name: "create" }, { name: "load" }, { name: "verify" }],
        }
      : NOTHING;
  return completePlan(
    context,
    {
      verb: "restore",
      source,
      resolved,
      into: "merge",
      request: { into: live.label, ...asked },
      parts: [before, load, after, mergePart(source, findings, live)],
      refusals,
      merge: findings,
      erased: erasures?.rows,
    },
    watch,
  );
}

/** One step for each table with changes. */
export function changeSteps({ engine }: Source, tables: readonly MergeTable[], reasonOf: (table: MergeTable) => string): PlanStep[] {
  const { row } = wordsOf(engine.name);
  return tables.flatMap((one): PlanStep[] => {
    const kinds = [
      ["insert", one.insert],
      ["update", one.update],
      ["delete", one.delete],
    ] as const;
    const words = kinds.flatMap(([kind, number]) => (number === 0 ? [] : [`${kind} ${counted(number, row)}`]));
    if (words.length === 0) return [];
    const effect = one.delete > 0 ? "remove" : "change";
    return [{ action: "merge", subject: words.join(", "), object: one.table, effect, reason: reasonOf(one) }];
  });
}

function mergePart(source: Source, findings: MergeFindings, { label }: Connection): PlanPart {
  const { table: thing } = wordsOf(source.engine.name);
  const { tables, sequences, digest } = findings;
  const compare: PlanStep = { action: "compare", subject: `each ${thing}`, object: label, effect: "none", reason: "by primary key" };
  const changes = changeSteps(source, tables, ({ followed }) =>
    followed === undefined ? `${thing} was chosen` : `foreign keys: ${followed.join(", ")}`,
  );
  const undo: PlanStep = {
    action: "store-undo",
    subject: "an undo set, sealed",
    effect: "none",
    reason: "`lifeboat undo` takes the merge back",
  };
  const raised = sequences.map(
    ({ sequence, from, to }): PlanStep => ({
      action: "raise",
      subject: sequence,
      object: to,
      effect: "change",
      reason: `it is at ${from}; never lowered`,
    }),
  );
  const steps = changesIn(tables) === 0 ? [compare] : [compare, undo, ...changes, ...raised];
  return { steps, timed: [{ name: "compare" }, { name: "merge" }], facts: { merge: digest } };
}
