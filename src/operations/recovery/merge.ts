// A merge: any route gives a restored copy, it is compared with the live database by primary key, and what is missing or changed is brought
// back. The state before is stored as an undo set first.
import type { Erasures } from "../../core/erasure.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { MergedTable, MergeFindings } from "../../core/merge-plan.ts";
import type { Plan } from "../../core/plan.ts";
import { type Check, judge } from "../../core/verdict.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Merging, RowEngine } from "../../ports/merge.ts";
import { storeUndoSet, type UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { requireDigest } from "../plan-digest.ts";
import { conclude } from "./conclude.ts";
import { isStale } from "./erase.ts";
import { judged, planOfMerge } from "./merge-plan.ts";
import { evidencePoint, jobPoint, type Resolved, type Route, recordRoute, resolve } from "./resolve.ts";
import type { Merged, MergeRequest, Restored, RestoreRequest } from "./restore-request.ts";
import { withRestoredCopy } from "./restored-copy.ts";
import { undoFacts, withUndoSet } from "./undo-record.ts";

/** USAGE for options that have no meaning without --merge. */
export function assertNoMergeOptions({ where, deleteExtra, noFollow, overwriteChanged }: MergeRequest): void {
  if (where === undefined && !deleteExtra && !noFollow && !overwriteChanged) return;
  throw new LifeboatError("USAGE", "--where, --delete-extra, --no-follow and --overwrite-changed have no meaning without --merge");
}

/** Which rows a merge would change. A restored copy is made and removed again; the live database is only read. */
export async function planMerge(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Plan> {
  assertMerge(source, request);
  const resolved = await resolve(context, source, request.to, watch, { unsigned: request.unsigned, every: true });
  return runJob(
    context,
    { verb: "plan-merge", source: source.name, point: jobPoint(resolved.route), aside: true },
    watch,
    (job) =>
      withMerging(context, source, request, resolved, job, watch, false, async ({ merging, live, erasures, blocked }) => {
        const refusals = await judged(source, request, resolved, merging.findings, live, blocked, job);
        return planOfMerge(context, source, request, resolved, merging.findings, live, watch, refusals, erasures);
      }),
    ({ digest }) => ({ digest }),
  );
}

/** Merges, and files evidence. CONFIRMATION_NEEDED before anything is read. */
export async function mergeInto(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Restored> {
  assertMerge(source, request);
  if (request.yes !== source.name) {
    throw new LifeboatError(
      "CONFIRMATION_NEEDED",
      `rows of ${request.tables?.join(", ")} in the live database of ${source.name} would be changed`,
      {
        hint: `look at them with --plan, then repeat the command with --yes ${source.name}`,
      },
    );
  }
  const resolved = await resolve(context, source, request.to, watch, { unsigned: request.unsigned });
  if (resolved.inexact !== undefined && request.nearest !== true) throw resolved.inexact;
  return runJob(
    context,
    { verb: "restore", source: source.name, point: jobPoint(resolved.route), aside: true },
    watch,
    (job) => {
      recordRoute(job, resolved, `rows of ${request.tables?.join(", ")} in the live database`);
      return withMerging(context, source, request, resolved, job, watch, true, async (opened) => {
        const { merging, live, copyChecks, reached, erasures, blocked, remarks } = opened;
        const { findings } = merging;
        const refusals = await judged(source, request, resolved, findings, live, blocked, job);
        const plan = await planOfMerge(context, source, request, resolved, findings, live, watch, refusals, erasures);
        requireDigest(plan.digest, request.planDigest);
        const [refusal] = refusals;
        if (refusal !== undefined) throw refusal;
        const failed = judge(copyChecks);
        if (failed.verdict === "fail")
          throw new LifeboatError("CHECK_FAILED", `the restored copy is not what was backed up: ${failed.reasons[0]}`);
        const { merged, undo } = await applied(context, source, request, { merging, target: live.label, verb: "merge" }, job, watch);
        const checks = [...copyChecks, ...checksOf(source, request, findings, merged)];
        const finding = await conclude(context, source, {
          verb: "restore",
          job,
          asked: resolved.asked,
          reached,
          into: "merge",
          target: live.label,
          checks,
          remarks: [...findings.remarks, ...remarks],
          erasures,
          estimated: plan.estimate,
        });
        return { ...finding, merged, undo, tables: findings.tables.map(({ table }) => table), warnings: [] };
      });
    },
    ({ evidence, merged = [], undo }) => ({
      verdict: evidence.verdict,
      point: evidencePoint(resolved.route).id,
      changed: merged.reduce((sum, one) => sum + one.inserted + one.updated + one.deleted, 0),
      ...(undo && { undo: undo.job }),
    }),
  );
}

interface Opened {
  readonly merging: Merging;
  readonly live: Connection;
  readonly copyChecks: readonly Check[];
  readonly reached: Route;
  /** Rows of the copy that were erased again: they are not brought back. */
  readonly erasures: Erasures | undefined;
  /** Of tables with rows that refer to erased ones. */
  readonly blocked: readonly LifeboatError[];
  readonly remarks: readonly string[];
}

async function withMerging<T>(
  context: Context,
  source: Source,
  request: RestoreRequest,
  { route }: Resolved,
  job: Job,
  watch: Watch,
  proof: boolean,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const rows = rowEngine(source);
  const live = await liveOf(source, request.into, job.signal);
  return withRestoredCopy(context, source, route, job, watch, proof, async ({ connection, checks, reached, ...erased }) => {
    const { erasures, remarks, blocked = [] } = erased;
    const { tables, where, deleteExtra, noFollow } = request;
    const work = { signal: job.signal, progress: watch.progress };
    // A copy from a physical backup or a branch has its source's identity: its address tells them apart.
    if (connection().label === live.label)
      throw new LifeboatError("SOURCE_WRITE_REFUSED", `the restored copy is reached at the live database's own address, ${live.label}`);
    const options = { tables, where, deleteExtra, follow: noFollow !== true, ...work };
    const merging = await job.step("compare", () => rows.beginMerge(connection(), live, options));
    try {
      return await use({ merging, live, copyChecks: checks.filter((check) => !isStale(check)), reached, erasures, blocked, remarks });
    } finally {
      await merging.end();
    }
  });
}

/** The database that rows are brought back into. */
export async function liveOf(source: Source, into: string | undefined, signal: AbortSignal): Promise<Connection> {
  const own = into?.includes("://") === true ? undefined : await source.provider.connection({ signal });
  if (into !== undefined) return source.engine.resolveTarget(own, into).connection;
  if (own === undefined) throw new LifeboatError("BUG", "a source has no connection");
  return own;
}

export function rowEngine({ engine, name }: Source): RowEngine {
  if (engine.rows === undefined) throw new LifeboatError("CAPABILITY_MISSING", `rows of ${name} cannot be merged by this engine`);
  return engine.rows;
}

/** Applies what was compared or read; the undo set comes first. */
export async function applied(
  context: Context,
  source: Source,
  { overwriteChanged, into }: Pick<RestoreRequest, "overwriteChanged" | "into">,
  { merging, target, verb }: { readonly merging: Merging; readonly target: string; readonly verb: string },
  job: Job,
  watch: Watch,
): Promise<Merged> {
  let undo: UndoRecord | undefined;
  for (const remark of merging.findings.remarks) job.decide(remark);
  const merged = await job.step("merge", () =>
    withUndoSet(job, source.name, (file) =>
      merging.apply({
        overwriteChanged,
        signal: job.signal,
        progress: watch.progress,
        assertAlive: () => job.assertAlive(),
        async storeUndo(changes) {
          const record = { ...undoFacts(context, job, source.name, { verb, target, into }), content: "changes" as const };
          undo = await file((place) => storeUndoSet(place, record, changes, context.sealKey, job.signal));
        },
      }),
    ),
  );
  for (const { table, inserted, updated, deleted, changedSince } of merged) {
    const left = changedSince === 0 ? undefined : `${changedSince} left alone, changed since they were compared`;
    job.decide(`${table}: ${inserted} inserted, ${updated} updated, ${deleted} deleted`, left);
  }
  return { merged, undo };
}

function assertMerge(source: Source, request: RestoreRequest): void {
  const { tables, replace, dataOnly, inPlace, beside, keepAs, roles, superuserRoles, asSuperuser, start } = request;
  if (tables === undefined || tables.length === 0) {
    throw new LifeboatError("USAGE", "--merge takes --tables: it brings rows of chosen tables back", {
      hint: `run \`lifeboat preview ${source.name}\` to see the ${wordsOf(source.engine.name).table}s`,
    });
  }
  if (replace || dataOnly || inPlace || beside || keepAs !== undefined || roles || superuserRoles || asSuperuser || start)
    throw new LifeboatError("USAGE", "--merge changes rows of the live database: options of other restores have no meaning beside it");
}

/**
 * One check for each table: every wanted row was written, read again and compared, and foreign keys hold; or rows were left alone.
 * Inconclusive when the condition holds for no row of either state: then nothing was compared.
 */
function checksOf(
  { engine }: Source,
  { where }: RestoreRequest,
  { tables, compared }: MergeFindings,
  merged: readonly MergedTable[],
): Check[] {
  const { row, table: thing } = wordsOf(engine.name);
  if (where !== undefined && compared === 0)
    return [{ name: "merge", kind: "data", outcome: "inconclusive", message: `the condition ${where} holds for no ${row}, then or now` }];
  if (tables.length === 0 || merged.length === 0)
    return [{ name: "merge", kind: "data", outcome: "pass", message: `no ${row} of the restored copy is missing or differs` }];
  return merged.map(({ table, inserted, updated, deleted, changedSince }): Check => {
    const name = `${thing} ${table}`;
    if (changedSince > 0) {
      const message = `${counted(changedSince, row)} changed since the comparison and left alone`;
      return { name, kind: "data", outcome: "inconclusive", message };
    }
    const message = `${inserted} inserted, ${updated} updated, ${deleted} deleted, each read again and compared`;
    return { name, kind: "data", outcome: "pass", message, rows: inserted + updated + deleted };
  });
}
