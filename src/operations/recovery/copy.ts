// The route over a stored backup, with the log of engines that replay it onto dumps: the newest dump before the instant is loaded, then
// the log that is proven to follow it is applied, up to exactly the instant, and everything is read again.
import { LifeboatError } from "../../core/errors.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { achievedRpoSeconds } from "../../core/objectives.ts";
import type { LogTarget } from "../../core/recovery-target.ts";
import { isDamaged, isWhole, newest } from "../../core/restore-point.ts";
import { type Check, isSoundCopy, judge } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { LogReplay } from "../../ports/log.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { readSegmentBytes } from "../archive/log-intake.ts";
import { logOn } from "../archive/log-view.ts";
import { contentsOf } from "../backup/contents.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { type ChosenPoint, pointsOf } from "../points/points.ts";
import { type Arrival, bringBack, type LoadRequest, storedSupply } from "./load.ts";
import { fetchFrom, pointOf, type Replay, replayFrom } from "./replay.ts";

/** A restore point, and the log that is replayed onto it. */
export interface StoredCopy extends ChosenPoint {
  /** Absent: the point as it is. */
  readonly replay?: Replay | undefined;
}

/**
 * The newest backup before the target, and the log that is replayed onto it. Undefined where none is archived, and for `latest` where a
 * backup reaches further. RECOVERY_TARGET_OUTSIDE_WINDOW with both edges, NO_RESTORE_POINT.
 */
export async function copyWithLog(
  context: Context,
  source: Source,
  target: LogTarget,
  signal: AbortSignal,
): Promise<StoredCopy | undefined> {
  if (source.engine.log === undefined) return undefined;
  const points = await pointsOf(context, source.name);
  const log = await logOn(context, source.name, points, signal);
  if (target.kind !== "lsn" && (log.log.segments.length === 0 || log.bases.length === 0)) return undefined; // no window at all
  if (log.bases.length === 0) {
    throw new LifeboatError("NO_RESTORE_POINT", `${source.name} has no full backup that its log could be replayed onto`);
  }
  if (target.kind === "latest") {
    const dump = newest(points.map(({ point }) => point).filter((point) => isWhole(point) && !isDamaged(point)));
    const furthest = log.windows[0]?.latest;
    if (furthest === undefined || (dump !== undefined && dateOfMicros(furthest) < dump.time)) return undefined;
  }
  const replay = await replayFrom(context, source, target, log, signal);
  const { base, chain, expectedEnd, at } = replay;
  const route = `by point-in-time recovery: backup ${base.point.id} and ${chain.length} log segments, replayed to ${expectedEnd}`;
  const remarks = [route, ...log.log.flaws];
  return { entry: base, asked: target, named: false, instant: dateOfMicros(at), exact: true, remarks, replay };
}

export interface Brought extends Arrival {
  /** What it is a copy of: what was asked for, or the backup alone where the log was not replayed. */
  readonly reached: StoredCopy;
}

/** Brings the point back, and replays the log that belongs to it. */
export async function bringTo(
  context: Context,
  source: Source,
  copy: StoredCopy,
  job: Job,
  watch: Watch,
  options: LoadRequest,
): Promise<Brought> {
  const { entry, replay } = copy;
  const { log } = source.engine;
  const supply = storedSupply(context, entry, watch);
  if (replay === undefined || log === undefined) {
    return { ...(await bringBack(context, source, supply, job, watch, options)), reached: copy };
  }
  const arrival = await bringBack(context, source, supply, job, watch, { ...options, logFollows: true, probes: false });
  // Onto what is not what was backed up, nothing is replayed: the verdict is settled, and it is the backup's.
  if (judge(arrival.checks).verdict === "fail") {
    const released = (await arrival.release?.()) ?? [];
    return { ...arrival, checks: [...arrival.checks, ...released], reached: notReplayed(copy) };
  }
  const { connection } = arrival;
  const replayed = await replayLog(context, source, log, replay, arrival, job, watch, options.tables);
  const checks = await job.step("read", async () => {
    const work = { signal: job.signal, progress: watch.progress };
    const read = await readAgain(source, replay, connection, options.tables, work);
    return [...read, ...(await source.engine.probe(connection, source.probes, dateOfMicros(replay.at), { ...work, mayHaveExpired: true }))];
  });
  return { ...arrival, checks: [...arrival.checks, ...replayed, ...checks], reached: copy };
}

/** What may be said of a copy when its log was not replayed: the backup it begins with. */
export function notReplayed(copy: StoredCopy): StoredCopy {
  const { replay, entry } = copy;
  if (replay === undefined) return copy;
  const remark = `the log was not replayed: ${replay.wanted} was not reached, only backup ${entry.point.id} of ${entry.manifest.snapshotAt}`;
  return { ...copy, replay: undefined, remarks: [remark, ...replay.log.log.flaws] };
}

async function replayLog(
  context: Context,
  source: Source,
  log: LogReplay,
  replay: Replay,
  { connection: target, held }: Arrival,
  job: Job,
  watch: Watch,
  tables: readonly string[] | undefined,
): Promise<Check[]> {
  const { base, chain, expectedEnd, stopBefore, stopsAt, wanted } = replay;
  const from = base.manifest.log?.endLsn ?? expectedEnd;
  const totalBytes = chain.reduce((sum, { plain }) => sum + plain.sizeBytes, 0);
  const { reachedLsn, entries, applied } = await job.step(
    "replay",
    async () => {
      const databases = await databasesOf(context, source, replay, job.signal);
      return log.replay({
        target,
        databases,
        tables,
        segments: segmentsOf(context, source, replay, job.signal),
        from,
        stopBefore,
        expectedEnd,
        held,
        signal: job.signal,
        progress: watch.progress,
      });
    },
    { totalBytes },
  );
  const before = stopsAt === undefined ? "the end of what is proven" : `just before ${stopsAt}`;
  const check: Check = {
    name: `log replayed to ${wanted}`,
    kind: "data",
    outcome: "pass",
    message: `replay ended at exactly ${reachedLsn}, as proven from the log itself: ${before}; ${entries} entries, of which ${applied} changed what was restored`,
    expected: reachedLsn,
    actual: reachedLsn,
  };
  return [check];
}

/** The plain bytes of the log, segment by segment. */
export async function* segmentsOf(context: Context, source: Source, replay: Replay, signal: AbortSignal) {
  const fetch = fetchFrom(context, replay, await context.openKey());
  for (const segment of replay.chain) {
    const { name } = segment;
    const stored = await fetch(name, signal);
    if (stored === undefined) throw new LifeboatError("OBJECT_MISSING", `log segment ${name} of ${source.name} no longer exists`);
    yield { name, bytes: await readSegmentBytes(stored, segment) };
  }
}

/** As they are called at the source. An archive that lists nothing is of the source's own. */
export async function databasesOf(context: Context, source: Source, { base }: Replay, signal: AbortSignal): Promise<string[]> {
  const named = new Set((await contentsOf(context, source, base, signal)).map(({ schema }) => schema));
  named.delete("");
  return named.size > 0 ? [...named].sort() : ownDatabases(source, signal);
}

/** The database that the source's address names; none where it names none. */
export async function ownDatabases(source: Source, signal: AbortSignal): Promise<string[]> {
  const own = await source.provider.connection({ signal });
  return [source.engine.resolveTarget(own, own.url).database].filter((name) => name !== "");
}

/** That the documents are the right ones follows from the log; that they can be read, from this. */
async function readAgain(
  source: Source,
  { base }: Replay,
  connection: Connection,
  chosen: readonly string[] | undefined,
  work: { readonly signal: AbortSignal; readonly progress: Watch["progress"] },
): Promise<Check[]> {
  const scope = chosen === undefined ? { kind: "full" as const } : { kind: "tables" as const, tables: [...chosen] };
  const { tables, unhashed } = await source.engine.fingerprint(connection, scope, work);
  const rows = Object.values(tables).reduce((sum, table) => sum + table.rows, 0);
  const message = `${Object.keys(tables).length} collections with ${rows} documents were read to the end`;
  const checks: Check[] = [{ name: "reading what was restored", kind: "integrity", outcome: "pass", message, rows }];
  for (const { kind, object, reason } of unhashed) {
    checks.push({ name: `reading ${object}`, kind: "integrity", outcome: "inconclusive", message: `${kind}: ${reason}` });
  }
  if (rows === 0 && (base.manifest.fingerprint?.rows ?? 0) > 0) {
    checks.push({
      name: "documents",
      kind: "data",
      outcome: "inconclusive",
      message: "after the replay no collection holds a document",
      rows,
    });
  }
  return checks;
}

/** What was brought back, as evidence names it. */
export const pointIn = ({ entry, replay }: StoredCopy): Evidence["point"] =>
  replay === undefined ? { id: entry.point.id, name: entry.point.name, snapshotAt: entry.manifest.snapshotAt } : pointOf(replay);

/**
 * How much of the past is lost, in seconds: an instant that is reached exactly loses nothing. Undefined where no instant was asked for,
 * and of a copy that failed.
 */
export function lossOf({ entry, named, instant, replay }: StoredCopy, now: Date, checks: readonly Check[]): number | undefined {
  if (named || !isSoundCopy(checks)) return undefined;
  if (replay === undefined) return achievedRpoSeconds(entry.point.time, instant);
  return replay.wanted === "latest" ? achievedRpoSeconds(dateOfMicros(replay.at), now) : 0;
}
