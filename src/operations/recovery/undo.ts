// Undo: the state before a merge comes back from the undo set that its job stored. Rows that were changed since are left alone.
import { LifeboatError } from "../../core/errors.ts";
import { changesIn, type MergedTable, type MergeFindings } from "../../core/merge-plan.ts";
import type { Plan } from "../../core/plan.ts";
import { counted } from "../../core/words.ts";
import type { Merging } from "../../ports/merge.ts";
import { listUndoSets, readUndoSet, type UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { sourceNamed } from "../sources.ts";
import { applied, liveOf, rowEngine } from "./merge.ts";

export interface UndoRequest {
  /** The job's id or the beginning of it. */
  readonly job: string;
  /** The database, where the merge went to an address. */
  readonly into?: string | undefined;
  readonly overwriteChanged?: boolean | undefined;
  readonly planDigest?: string | undefined;
  /** The source's name: the operator is sure. */
  readonly yes?: string | undefined;
}

export interface UndoneMerge {
  readonly job: string;
  readonly source: string;
  readonly target: string;
  /** The job whose changes were undone. */
  readonly undone: string;
  readonly tables: readonly MergedTable[];
  /** What undoes this again. Absent: nothing was changed. */
  readonly undo?: UndoRecord | undefined;
}

/** The source of the job and the database that the undo changes; absent: the source's own. JOB_UNKNOWN, POINT_AMBIGUOUS. */
export async function undoTarget(
  context: Context,
  { job, into }: Pick<UndoRequest, "job" | "into">,
  watch: Watch,
): Promise<{ readonly source: Source; readonly into?: string | undefined }> {
  const { record, source } = await found(context, job, watch);
  return { source, into: into ?? record.into };
}

/** Which rows the undo would change. JOB_UNKNOWN, POINT_AMBIGUOUS. */
export async function planUndo(context: Context, request: UndoRequest, watch: Watch): Promise<Plan> {
  const { record, source } = await found(context, request.job, watch);
  return runJob(
    context,
    { verb: "plan-undo", source: record.source, aside: true },
    watch,
    (job) => withUndo(context, source, record, request, job, async (merging) => planOf(record, request, merging.findings)),
    ({ digest }) => ({ digest }),
  );
}

export async function undoMerge(context: Context, request: UndoRequest, watch: Watch): Promise<UndoneMerge> {
  const { record, source } = await found(context, request.job, watch);
  if (request.yes !== source.name) {
    throw new LifeboatError("CONFIRMATION_NEEDED", `the rows that job ${record.job} changed in ${record.target} would be set back`, {
      hint: `look at them with --plan, or run \`lifeboat undo ${record.job} --yes ${source.name}\``,
    });
  }
  return runJob(
    context,
    { verb: "undo", source: source.name, aside: true },
    watch,
    (job) =>
      withUndo(context, source, record, request, job, async (merging) => {
        requireDigest(planOf(record, request, merging.findings).digest, request.planDigest);
        const [refusal] = merging.findings.unmergeable;
        if (refusal !== undefined) throw new LifeboatError("MERGE_REFUSED", refusal.message, { hint: "connect as the owner of the table" });
        const options = { into: request.into ?? record.into, overwriteChanged: request.overwriteChanged };
        const { merged, undo } = await applied(context, source, options, { merging, target: record.target, verb: "undo" }, job, watch);
        return { job: job.id, source: source.name, target: record.target, undone: record.job, tables: merged, undo };
      }),
    ({ tables, undone }) => ({ undone, changed: tables.reduce((sum, one) => sum + one.inserted + one.updated + one.deleted, 0) }),
  );
}

async function withUndo<T>(
  context: Context,
  source: Source,
  record: UndoRecord,
  { into }: UndoRequest,
  job: Job,
  use: (merging: Merging) => Promise<T>,
): Promise<T> {
  const rows = rowEngine(source);
  const live = await liveOf(source, into ?? record.into, job.signal);
  if (live.label !== record.target) {
    throw new LifeboatError("RESTORE_TARGET_INVALID", `job ${record.job} changed ${record.target}, not ${live.label}`, {
      hint: "give --into the address of the database that was changed",
    });
  }
  const key = await context.openKey();
  const place = await placeOf(context, record);
  const merging = await job.step("compare", () =>
    rows.beginUndo(live, readUndoSet(place, record, key, job.signal), { signal: job.signal }),
  );
  try {
    return await use(merging);
  } finally {
    await merging.end();
  }
}

async function placeOf(context: Context, { source, job }: UndoRecord) {
  for (const place of await placesOf(context)) if ((await listUndoSets(place, source)).some((one) => one.job === job)) return place;
  return context.repository;
}

async function found(
  context: Context,
  wanted: string,
  { signal }: Watch,
): Promise<{ readonly record: UndoRecord; readonly source: Source }> {
  const typed = wanted.toLowerCase();
  const all: UndoRecord[] = [];
  for (const place of await placesOf(context))
    for (const source of context.sources.keys()) all.push(...(await listUndoSets(place, source, signal)));
  const matching = typed === "" ? [] : all.filter(({ job }) => job.startsWith(typed));
  const [record, ...others] = matching;
  if (others.length > 0) throw new LifeboatError("POINT_AMBIGUOUS", `${matching.length} jobs begin with ${wanted}`);
  if (record !== undefined) return { record, source: sourceNamed(context, record.source) };
  const newest = all.slice(-3).map(({ job }) => job);
  const there = newest.length === 0 ? "no undo set is stored" : `the newest that can be undone: ${newest.join(", ")}`;
  throw new LifeboatError("JOB_UNKNOWN", `job ${wanted} has no undo set (${there})`);
}

function planOf(record: UndoRecord, { overwriteChanged }: UndoRequest, findings: MergeFindings): Plan {
  const { tables, unmergeable } = findings;
  const steps = tables.flatMap((one) => {
    const kinds = [
      ["insert", one.insert],
      ["update", one.update],
      ["delete", one.delete],
    ] as const;
    const words = kinds.flatMap(([kind, number]) => (number === 0 ? [] : [`${kind} ${counted(number, "row")}`]));
    if (words.length === 0) return [];
    const effect = one.delete > 0 ? ("remove" as const) : ("change" as const);
    return [{ action: "merge" as const, subject: words.join(", "), object: one.table, effect, reason: `as before job ${record.job}` }];
  });
  const plan: Plan = {
    verb: "undo",
    source: record.source,
    steps: changesIn(tables) === 0 ? [] : steps,
    refusals: unmergeable.map(({ message }) => ({ code: "MERGE_REFUSED", message })),
    merge: findings,
    facts: { merge: findings.digest },
  };
  return withDigest(plan, { job: record.job, overwriteChanged });
}
