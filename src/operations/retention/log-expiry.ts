// Expiry of base backups and of the log that follows them: the policy's window applied to what the repository has.
import { asLifeboatError } from "../../core/errors.ts";
import type { LogSegment } from "../../core/log.ts";
import { dumpKeepReasons, expireLog, type LogExpiry, windowKeepReasons } from "../../core/log-retention.ts";
import { compareLsn } from "../../core/lsn.ts";
import { isDamaged, type RestorePoint } from "../../core/restore-point.ts";
import type { KeepReason } from "../../core/retention.ts";
import { removeLogFile } from "../../repository/log.ts";
import { type LogPlace, placeOf } from "../../repository/log-place.ts";
import { readAll } from "../../repository/read-all.ts";
import { recordLogRemoval } from "../../repository/removals.ts";
import { logOf, type SourceLog } from "../archive/log-view.ts";
import type { Context, Source, Watch } from "../context.ts";
import { holdersOf } from "../jobs/holders.ts";
import type { Job } from "../jobs/job.ts";
import type { SummaryEntry } from "../points/points.ts";

export interface LogExpiryPlan extends LogExpiry {
  readonly removeBytes: number;
  /** Bytes that a crash left without their description, in log that no window requires. */
  readonly leftovers: readonly LogPlace[];
  /** Why a removal ended early, in one sentence. */
  readonly refused?: string | undefined;
}

/** What the window says of the bases, for the decision about restore points; undefined: no window was asked for. */
export function baseKeepReasons(
  log: SourceLog<SummaryEntry>,
  points: readonly RestorePoint[],
  source: Source,
  now: Date,
): ReadonlyMap<string, KeepReason> | undefined {
  const { windowMs } = source;
  if (windowMs === undefined || source.managed === true) return undefined;
  const keepReasons = keepReasonsFor(log, source, windowMs, now);
  // A damaged one is the way to nothing, but stays as long as a sound one would: it may be all there is.
  for (const point of points) {
    if (point.kind !== "base" || !isDamaged(point)) continue;
    keepReasons.set(point.id, { until: new Date(point.time.getTime() + windowMs), says: "the window" });
  }
  return keepReasons;
}

const keepReasonsFor = (
  { windows, bases }: SourceLog<SummaryEntry>,
  { engine }: Source,
  windowMs: number,
  now: Date,
): Map<string, KeepReason> =>
  engine.log === undefined ? windowKeepReasons(windows, bases, windowMs) : dumpKeepReasons(windows, windowMs, now);

/** What would go of the log, once the restore points that are to go have gone. */
export async function planLogExpiry(
  context: Context,
  source: Source,
  log: SourceLog,
  decided: { readonly removing: ReadonlySet<string>; readonly blocked: readonly string[] },
): Promise<LogExpiryPlan> {
  const now = context.clock.now();
  const keepReasons = source.windowMs === undefined ? undefined : keepReasonsFor(log, source, source.windowMs, now);
  const { holders } = await holdersOf(context);
  const inUse = new Set(holders.flatMap(({ record, abandoned }) => (abandoned ? [] : (record.point ?? []))));
  const bases = log.bases.filter(({ id }) => inUse.has(id) || !decided.removing.has(id));
  const leads = (id: string): boolean => {
    const until = keepReasons?.get(id)?.until;
    // Where no window has come about yet, every base may still begin one.
    return (
      keepReasons === undefined || keepReasons.size === 0 || inUse.has(id) || until === "forever" || (until !== undefined && until > now)
    );
  };
  const leading = new Set(bases.map(({ id }) => id).filter(leads));
  const blocked = [...decided.blocked, ...log.log.flaws];
  const plan = expireLog({ segments: log.log.segments, bases, leading, blocked });
  const removeBytes = plan.remove.reduce((sum, segment) => sum + segment.stored.sizeBytes, 0);
  return { ...plan, removeBytes, leftovers: blocked.length > 0 ? [] : leftoversOf(log, plan) };
}

/** Bytes whose JSON is gone, older than all that stays: a crash interrupted their removal. Newer ones may be on their way in. */
function leftoversOf({ log, bases }: SourceLog, { keep }: LogExpiry): LogPlace[] {
  const first = keep.reduce<LogSegment | undefined>(
    (low, one) => (low && compareLsn(low.startLsn, one.startLsn) <= 0 ? low : one),
    undefined,
  );
  if (bases.length === 0 || first === undefined) return [];
  const cut = first.name.slice(8);
  return log.orphans.filter(({ stem }) => /^[0-9A-F]{24}/.test(stem) && stem.slice(8, 24) < cut);
}

/** Removes what no window of the repository, as it is now, requires. Returns what was done. */
export async function removeLog(
  context: Context,
  source: Source,
  blocked: readonly string[],
  job: Job,
  watch: Watch,
): Promise<LogExpiryPlan> {
  const log = await logOf(context, source.name, job.signal);
  const plan = await planLogExpiry(context, source, log, { removing: new Set(), blocked });
  await job.assertAlive();
  await recordLogRemoval(context.repository, source.name, endsOf(plan.remove), context.clock);
  let refused: string | undefined;
  await readAll([...plan.leftovers, ...plan.remove.map(placeOf)], async (place) => {
    if (refused !== undefined) return;
    try {
      await removeLogFile(context.repository, place, job.signal); // JSON first: from that moment no window relies on it
      watch.progress.advance(1);
    } catch (error) {
      job.signal.throwIfAborted();
      refused = asLifeboatError(error).message;
    }
  });
  return { ...plan, refused };
}

/** Up to which position of each timeline the log goes: what is gone before it is missed by no machine. */
function endsOf(segments: readonly LogSegment[]): { readonly timeline: number; readonly throughLsn: string }[] {
  const ends = new Map<number, string>();
  for (const { timeline, nextLsn } of segments) {
    const end = ends.get(timeline);
    if (end === undefined || compareLsn(end, nextLsn) < 0) ends.set(timeline, nextLsn);
  }
  return [...ends].map(([timeline, throughLsn]) => ({ timeline, throughLsn }));
}
