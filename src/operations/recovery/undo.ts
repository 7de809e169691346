// Undo: the state before a job comes back from the undo set that it stored. Rows that were changed since a merge are left alone; tables
// that were changed since they were replaced are refused.
import { LifeboatError } from "../../core/errors.ts";
import { isId, timeOfId } from "../../core/ids.ts";
import type { MergeFindings } from "../../core/merge-plan.ts";
import type { Plan } from "../../core/plan.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Merging } from "../../ports/merge.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import type { JobRecord } from "../../repository/journal.ts";
import { jobsSince } from "../../repository/journals.ts";
import { listUndoSets, readUndoSet, type UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { sourceNamed } from "../sources.ts";
import { wholeLedger } from "./erase.ts";
import { applied, liveOf, rowEngine } from "./merge.ts";
import { changeSteps } from "./merge-plan.ts";
import type { FoundUndo, UndoneJob, UndoRequest } from "./undo-record.ts";
import { planUndoTables, undoTables } from "./undo-tables.ts";

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
  const undo = await found(context, request.job, watch);
  return runJob(
    context,
    { verb: "plan-undo", source: undo.source.name, aside: true },
    watch,
    async (job) =>
      undo.record.content === "archive"
        ? planUndoTables(context, undo, request, await placeOf(undo, request, job), job, watch)
        : withUndo(context, undo, request, job, async (merging) => planOf(undo, request, merging.findings)),
    ({ digest }) => ({ digest }),
  );
}

export async function undoJob(context: Context, request: UndoRequest, watch: Watch): Promise<UndoneJob> {
  const undo = await found(context, request.job, watch);
  const { record, source } = undo;
  if (request.yes !== source.name) {
    throw new LifeboatError("CONFIRMATION_NEEDED", `what job ${record.job} changed in ${record.target} would be set back`, {
      hint: `look at them with --plan, or run \`lifeboat undo ${record.job} --yes ${source.name}\``,
    });
  }
  return runJob(
    context,
    { verb: "undo", source: source.name, aside: true },
    watch,
    async (job) => {
      job.decide(`the changes of job ${record.job} in ${record.target} are undone`);
      if (record.content === "archive") return undoTables(context, undo, request, await placeOf(undo, request, job), job, watch);
      return withUndo(context, undo, request, job, async (merging) => {
        requireDigest(planOf(undo, request, merging.findings).digest, request.planDigest);
        const [refusal] = merging.findings.unmergeable;
        if (refusal !== undefined) throw new LifeboatError("MERGE_REFUSED", refusal.message, { hint: "connect as the owner of the table" });
        const options = { into: request.into ?? record.into, overwriteChanged: request.overwriteChanged };
        const { merged, undo: again } = await applied(
          context,
          source,
          options,
          { merging, target: record.target, verb: "undo" },
          job,
          watch,
        );
        return { job: job.id, source: source.name, target: record.target, undone: record.job, tables: merged, undo: again };
      });
    },
    ({ tables, undone }) => ({ undone, changed: tables.reduce((sum, one) => sum + one.inserted + one.updated + one.deleted, 0) }),
  );
}

async function withUndo<T>(
  context: Context,
  { record, source, place }: FoundUndo,
  { into }: UndoRequest,
  job: Job,
  use: (merging: Merging) => Promise<T>,
): Promise<T> {
  const rows = rowEngine(source);
  const live = await liveOf(source, into ?? record.into, job.signal);
  assertTarget(record, live);
  const key = await context.openKey();
  const { keys: erased } = await wholeLedger(context, source.name, job.signal);
  const merging = await job.step("compare", () =>
    rows.beginUndo(live, readUndoSet(place, record, key, job.signal), { signal: job.signal, erased }),
  );
  try {
    return await use(merging);
  } finally {
    await merging.end();
  }
}

/** The database of tables that the job changed. */
async function placeOf({ record, source }: FoundUndo, { into = record.into }: UndoRequest, job: Job): Promise<RestoreTarget> {
  const own = into?.includes("://") === true ? undefined : await source.provider.connection({ signal: job.signal });
  const place = source.engine.resolveTarget(own, into ?? own?.url ?? "");
  assertTarget(record, place.connection);
  return place;
}

function assertTarget({ job, target }: UndoRecord, { label }: Connection): void {
  if (label === target) return;
  throw new LifeboatError("RESTORE_TARGET_INVALID", `job ${job} changed ${target}, not ${label}`, {
    hint: "give --into the address of the database that was changed",
  });
}

async function found(context: Context, wanted: string, { signal }: Watch): Promise<FoundUndo> {
  const typed = wanted.toLowerCase();
  const all: Omit<FoundUndo, "source">[] = [];
  for (const place of await placesOf(context))
    for (const source of context.sources.keys())
      for (const record of await listUndoSets(place, source, signal)) all.push({ record, place });
  const matching = typed === "" ? [] : all.filter(({ record }) => record.job.startsWith(typed));
  const [one, ...others] = matching;
  if (others.length > 0)
    throw new LifeboatError("POINT_AMBIGUOUS", `${matching.length} jobs begin with ${wanted}`, {
      hint: `give the whole id: ${matching.map(({ record }) => record.job).join(", ")}`,
    });
  if (one !== undefined) return { ...one, source: sourceNamed(context, one.record.source) };
  const job = await jobOf(context, typed, signal);
  if (job?.verb === "restore") throw withoutSet(context, job);
  const newest = all.slice(-3).map(({ record }) => record.job);
  const there = newest.length === 0 ? "no undo set is stored" : `the newest that can be undone: ${newest.join(", ")}`;
  throw new LifeboatError("JOB_UNKNOWN", `job ${wanted} has no undo set (${there})`);
}

/** The journal of a job, by its whole id. */
async function jobOf(context: Context, id: string, signal: AbortSignal): Promise<JobRecord | undefined> {
  if (!isId(id)) return undefined;
  // A journal is stored when its job has begun, moments after its id was made.
  const since = new Date(timeOfId(id).getTime() - 1000);
  for (const place of await placesOf(context)) for await (const job of jobsSince(place, since, signal)) if (job.id === id) return job;
  return undefined;
}

/** What a restore without an undo set has replaced, and how that comes back. */
function withoutSet({ sources }: Context, { id, source, resources }: JobRecord): LifeboatError {
  const kept = resources.find(({ kind }) => kind === "kept-database")?.locator.name;
  if (kept === undefined)
    return new LifeboatError("JOB_UNKNOWN", `job ${id} has nothing to undo: it replaced nothing in a database in use`, {
      hint: `drop what it made, which evidence/${source}/${id}/report.md names`,
    });
  const name = kept.replace(/_before_[^_]*$/, "");
  const back =
    sources.get(source)?.engine.renamesDatabases === true
      ? `rename ${name}, then run in psql: alter database "${kept}" rename to "${name}"`
      : `run \`mongodump --uri URI --db ${kept} --archive | mongorestore --uri URI --archive --drop --nsFrom '${kept}.*' --nsTo '${name}.*'\``;
  return new LifeboatError("JOB_UNKNOWN", `job ${id} has no undo set: what it replaced is kept whole, as the database ${kept}`, {
    hint: `${back}; \`lifeboat accept ${id} --yes ${source}\` drops it`,
    details: { kept },
  });
}

function planOf({ record, source }: FoundUndo, { overwriteChanged }: UndoRequest, findings: MergeFindings): Plan {
  const plan: Plan = {
    verb: "undo",
    source: record.source,
    steps: changeSteps(source, findings.tables, () => `as before job ${record.job}`),
    refusals: findings.unmergeable.map(({ message }) => ({ code: "MERGE_REFUSED", message })),
    merge: findings,
    facts: { merge: findings.digest },
  };
  return withDigest(plan, { job: record.job, overwriteChanged });
}
