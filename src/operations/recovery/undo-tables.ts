// The undo of a load that changed whole tables: they come back from the undo set by the same load, or nothing changes.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { MergedTable } from "../../core/merge-plan.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { judge } from "../../core/verdict.ts";
import { wordsOf } from "../../core/words.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import { fillSpool } from "../../repository/spool.ts";
import { readUndoFingerprint, readUndoSet, type UndoArchive, type UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { eraseAgain, explained, type OpenLedger, openLedger, wholeLedger } from "./erase.ts";
import { advancing, bringBack } from "./load.ts";
import { differencesOf, replacedTables, scopeOf } from "./replaced-tables.ts";
import { type FoundUndo, type UndoneJob, type UndoRequest, withUndoSet } from "./undo-record.ts";

/** What the undo set holds, what the tables hold now, and whether that is what the job has left. */
interface Standing {
  readonly archive: UndoArchive;
  readonly before: Fingerprint;
  readonly now: Fingerprint;
  /** They are as they were before the job. */
  readonly isDone: boolean;
  /** Why it would not be done: the tables were changed since, or others depend on them. */
  readonly refusal?: LifeboatError | undefined;
}

export async function planUndoTables(
  context: Context,
  found: FoundUndo,
  request: UndoRequest,
  place: RestoreTarget,
  job: Job,
  watch: Watch,
): Promise<Plan> {
  return planOf(found, request, await standingOf(context, found, request, place, job, watch));
}

export async function undoTables(
  context: Context,
  found: FoundUndo,
  request: UndoRequest,
  place: RestoreTarget,
  job: Job,
  watch: Watch,
): Promise<UndoneJob> {
  const { record, source } = found;
  const standing = await standingOf(context, found, request, place, job, watch);
  requireDigest(planOf(found, request, standing).digest, request.planDigest);
  const { archive, before, now, isDone, refusal } = standing;
  const done = { job: job.id, source: source.name, target: record.target, undone: record.job };
  if (isDone) return { ...done, tables: [] };
  if (refusal !== undefined) throw refusal;
  const { tables, created, rowsOnly } = archive;
  const ledger = await wholeLedger(context, source.name, job.signal);
  const replacing = {
    verb: "undo",
    target: record.target,
    into: request.into ?? record.into,
    rowsOnly,
    refuse(present: Fingerprint) {
      const changed = request.overwriteChanged ? [] : differencesOf(source, now, present, archive);
      if (changed.length > 0) throw changedSince(record, changed);
    },
  };
  const loader = source.engine.dropLoader === undefined ? undefined : RESOURCE.loader(source.name, place.server.label);
  context.servers.set(place.server.label, place.server);
  if (loader !== undefined) await job.declare(loader);
  const { checks, undo } = await withUndoSet(job, source.name, async (file) => {
    const replaced = replacedTables(context, source, replacing, job, file, watch);
    const arrival = await bringBack(context, source, supplyOf(context, found, before, watch), job, watch, {
      tables,
      dataOnly: rowsOnly,
      replace: true,
      removes: created,
      erased: ledger.keys,
      replaced,
      probes: false,
      begin: async () => ({ connection: place.connection, ownServer: false }),
    }).catch((error: unknown) => {
      throw explained(error, source, ledger.entries);
    });
    const released = (await arrival.release?.()) ?? [];
    const { erasures } = await eraseAgain(context, source, () => place.connection, job, watch, { tables });
    if (erasures !== undefined && erasures.rows > 0) await replaced.after(place.connection, undefined);
    return { checks: [...arrival.checks, ...released], undo: replaced.undo };
  });
  if (loader !== undefined) await job.withdraw(loader);
  const { verdict, reasons } = judge(checks);
  if (verdict === "fail") {
    throw new LifeboatError("CHECK_FAILED", `the tables are not as they were before job ${record.job}: ${reasons[0]}`, {
      hint: `run \`lifeboat undo ${job.id} --yes ${source.name}\` to go back to what they held`,
    });
  }
  return { ...done, tables: changesOf(before, now), undo };
}

function supplyOf(context: Context, { record, place }: FoundUndo, expected: Fingerprint, watch: Watch): Parameters<typeof bringBack>[2] {
  const { sizeBytes } = record.plain;
  return {
    at: new Date(record.madeAt),
    async fill(spool, job) {
      const key = await context.openKey();
      await job.step("fetch", () => fillSpool(spool, advancing(readUndoSet(place, record, key, job.signal), watch), sizeBytes), {
        totalBytes: sizeBytes,
      });
      return { sizeBytes, consistency: "snapshot", expected, checks: [] };
    },
  };
}

async function standingOf(
  context: Context,
  { record, source, place: stored }: FoundUndo,
  { overwriteChanged }: UndoRequest,
  place: RestoreTarget,
  job: Job,
  watch: Watch,
): Promise<Standing> {
  const { archive } = record;
  if (archive === undefined) throw new LifeboatError("INTEGRITY", `the undo set of job ${record.job} names no tables`);
  const key = await context.openKey();
  const [before, after] = [
    await readUndoFingerprint(stored, record, "before", key, job.signal),
    await readUndoFingerprint(stored, record, "after", key, job.signal),
  ];
  if (before === undefined) throw new LifeboatError("INTEGRITY", `the undo set of job ${record.job} says nothing of the state before`);
  const now = await job.step("compare", () =>
    source.engine.fingerprint(place.connection, scopeOf(archive), { signal: job.signal, progress: watch.progress }),
  );
  const ledger = await openLedger(context, source.name, job.signal);
  const isDone = differencesOf(source, before, now, archive).length === 0;
  const changed = isDone || overwriteChanged ? undefined : refusalOf(record, after && differencesOf(source, after, now, archive));
  const refusal = isDone
    ? undefined
    : (changed ?? (await misfitOf(source, place, archive, readUndoSet(stored, record, key, job.signal), ledger, job)));
  return { archive, before, now, isDone, refusal };
}

/** Why the load would be refused. */
async function misfitOf(
  source: FoundUndo["source"],
  place: RestoreTarget,
  { tables, created, rowsOnly }: UndoArchive,
  bytes: AsyncIterable<Uint8Array>,
  ledger: OpenLedger,
  { signal }: Job,
): Promise<LifeboatError | undefined> {
  try {
    const loads = { tables, removes: created, dataOnly: rowsOnly, replace: true, existing: true, erased: ledger.keys };
    await source.engine.assertFits?.(place, bytes, { ...loads, signal });
    return undefined;
  } catch (error) {
    if (isLifeboatError(error, "LOAD_FAILED")) return error;
    if (isLifeboatError(error, "ERASURE_BLOCKED")) return explained(error, source, ledger.entries);
    throw error;
  }
}

function refusalOf(record: UndoRecord, changed: readonly string[] | undefined): LifeboatError | undefined {
  if (changed === undefined)
    return new LifeboatError("MERGE_REFUSED", `job ${record.job} ended before it recorded how it left the tables`, {
      hint: `look at them, then repeat the command with --overwrite-changed; what they hold is stored first`,
    });
  return changed.length === 0 ? undefined : changedSince(record, changed);
}

const NAMED = 3;

function changedSince({ job }: UndoRecord, changed: readonly string[]): LifeboatError {
  const named = changed.slice(0, NAMED).join(", ") + (changed.length > NAMED ? ` and ${changed.length - NAMED} more` : "");
  return new LifeboatError("MERGE_REFUSED", `changed after job ${job}: ${named}`, {
    hint: "add --overwrite-changed to overwrite these changes too; what the tables hold now is stored first",
    details: { changed },
  });
}

function planOf({ record, source }: FoundUndo, { overwriteChanged }: UndoRequest, standing: Standing): Plan {
  const { archive, now, isDone, refusal } = standing;
  const { table } = wordsOf(source.engine.name);
  const list = (names: readonly string[]): string => `${table}${names.length === 1 ? "" : "s"} ${names.join(", ")}`;
  const object = record.target;
  const reason = `as before job ${record.job}`;
  const all = [...archive.tables, ...archive.created];
  const removal: PlanStep = archive.rowsOnly
    ? { action: "remove-rows", subject: list(archive.tables), object, effect: "remove", reason }
    : { action: "drop-tables", subject: list(all), object, effect: "remove", reason };
  const steps: PlanStep[] = isDone
    ? []
    : [
        { action: "store-undo", subject: `what ${list(all)} hold now, sealed`, effect: "none", reason: "the undo can be undone" },
        removal,
        { action: "load", subject: `${archive.rowsOnly ? "the rows of " : ""}${list(archive.tables)}`, object, effect: "change", reason },
      ];
  const states = Object.entries(now.tables).map(([name, { rows, digest }]) => `${name} ${rows} ${digest}`);
  const plan: Plan = {
    verb: "undo",
    source: record.source,
    steps,
    refusals: refusal === undefined ? [] : [{ code: refusal.code, message: refusal.message }],
    facts: { set: record.stored.sha256, now: states.sort() },
  };
  return withDigest(plan, { job: record.job, overwriteChanged });
}

/** Whole tables: all rows that were there go, and all that were there before come. */
function changesOf(before: Fingerprint, now: Fingerprint): MergedTable[] {
  const names = [...new Set([...Object.keys(before.tables), ...Object.keys(now.tables)])].sort();
  return names.map((table) => ({
    table,
    inserted: before.tables[table]?.rows ?? 0,
    updated: 0,
    deleted: now.tables[table]?.rows ?? 0,
    unchanged: 0,
    changedSince: 0,
    changedKeys: [],
  }));
}
