// What a recovery target means where backups and a log archive are: which base, which log, the exact record to stop at, and the files of
// the log that a recovering server may read: exactly those, each proven while it is read.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { LogSegment, Micros, RecoveryWindow } from "../../core/log.ts";
import { parseLsn } from "../../core/lsn.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { type Located, locateAll, planFrom } from "../../core/recovery-plan.ts";
import { type LogTarget, type RecoveryTarget, targetInWords } from "../../core/recovery-target.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { markLogDamage, readLogBytes } from "../../repository/log.ts";
import { historyPlace, type LogPlace, placeOf } from "../../repository/log-place.ts";
import { readSegment } from "../../repository/log-segment.ts";
import { assertReadable } from "../../repository/whole.ts";
import type { OpenKey } from "../../seal/keys.ts";
import { fileNameOf, logEngineOf, readSegmentBytes } from "../archive/log-intake.ts";
import { logOf, type SourceLog } from "../archive/log-view.ts";
import type { Context, Source } from "../context.ts";
import { findPoint, type PointEntry } from "../points/points.ts";

export interface Replay {
  readonly asked: RecoveryTarget;
  readonly base: PointEntry;
  /** Log to replay, in order; empty: only the log that the base holds itself. */
  readonly chain: readonly LogSegment[];
  readonly timeline: number;
  readonly stopBefore?: string | undefined;
  readonly expectedEnd: string;
  /** What was asked for, in words: `2026-11-21T06:00:00.000000Z`, `0/16B3740`, `latest`, or the base's name. */
  readonly wanted: string;
  /** The record that replay stops before, in words; undefined: there is none, or no instant was asked for. */
  readonly stopsAt?: string | undefined;
  /** The instant whose data it is, as near as it is known. */
  readonly at: Micros;
  /** A restore point was named, rather than an instant. */
  readonly named: boolean;
  readonly window: RecoveryWindow | undefined;
  readonly log: SourceLog;
  /** False: the replay broke off. */
  readonly reached?: boolean | undefined;
}

/** RECOVERY_TARGET_OUTSIDE_WINDOW with both edges, NO_RESTORE_POINT, POINT_UNKNOWN; CAPABILITY_MISSING without a log to speak of. */
export async function replayTo(context: Context, source: Source, target: RecoveryTarget, signal: AbortSignal): Promise<Replay> {
  logEngineOf(source);
  const log = await logOf(context, source.name, signal);
  if (target.kind === "point") return { ...(await baseAlone(context, source, target.name)), asked: target, window: log.window, log };
  return replayFrom(context, source, target, log, signal);
}

/** The same, where the window and the target are known. */
export async function replayFrom(
  context: Context,
  source: Source,
  target: LogTarget,
  log: SourceLog,
  signal: AbortSignal,
): Promise<Replay> {
  const { window } = log;
  const [located, ...others] = locateAll(source.name, log.windows, target, log.flaws);
  const { stop, foundIn } = await stopIn(context, source, located, signal);
  await assertOneTimeline(context, source, target, [located, ...others], log, signal);
  const plan = planFrom(located, stop, foundIn);
  const base = log.bases.find(({ id }) => id === plan.base.id)?.entry;
  if (base === undefined) throw new LifeboatError("BUG", `base backup ${plan.base.id} is planned with and not there`);
  const { chain, timeline, expectedEnd } = plan;
  const at = target.kind === "time" ? target.at : (latestBefore(chain, plan.stopBefore) ?? plan.base.facts.endedAt);
  return {
    ...{ asked: target, base, chain, timeline, expectedEnd, at, window, log },
    stopBefore: atEndOfSegment(plan.stopBefore, base.manifest.base?.segmentBytes) && chain.length === 0 ? undefined : plan.stopBefore,
    wanted: targetInWords(target),
    stopsAt: stop && `${stop.lsn}${stop.at === undefined ? "" : `, a transaction that ended at ${stop.at}`}`,
    named: false,
  };
}

interface Stop {
  readonly stop?: { readonly lsn: string; readonly previousEnd: string; readonly at?: Micros } | undefined;
  /** The segment in which the record ends. */
  readonly foundIn?: LogSegment | undefined;
}

/** The record to stop before; none: replay runs to the proven end. */
async function stopIn(context: Context, source: Source, { candidates, target, from }: Located, signal: AbortSignal): Promise<Stop> {
  const physical = logEngineOf(source);
  for (const { segment, before } of candidates) {
    const bytes = await bytesOf(context, segment, signal);
    const name = fileNameOf(segment);
    const stop =
      target.kind === "time"
        ? physical.firstCommitAfter(name, bytes, before, target.at, from)
        : target.kind === "lsn"
          ? physical.recordAt(name, bytes, before, target.lsn)
          : undefined;
    if (stop !== undefined) return { stop, foundIn: segment };
  }
  return {};
}

export async function bytesOf(context: Context, segment: LogSegment, signal: AbortSignal): Promise<Uint8Array> {
  return readSegmentBytes(readSegment(context.repository, segment, await context.openKey(), signal), segment);
}

/**
 * After a failover that lost commits, an instant exists on two timelines with different data. TIMELINE_AMBIGUOUS, where the commits that an
 * older timeline has and a newer one lost lie before the target: only a person can know which ones are wanted.
 */
async function assertOneTimeline(
  context: Context,
  source: Source,
  target: LogTarget,
  located: readonly Located[],
  log: SourceLog,
  signal: AbortSignal,
): Promise<void> {
  if (located.length < 2 || target.timeline !== undefined) return;
  const byAge = located.toSorted((a, b) => a.window.timeline - b.window.timeline);
  for (const [index, older] of byAge.entries()) {
    const newer = byAge[index + 1];
    if (newer === undefined) return;
    const left = log.log.histories.get(newer.window.timeline)?.find(({ timeline }) => timeline === older.window.timeline);
    const switchedAt = left?.switchedAt ?? "0/0";
    const { stop } = await stopIn(context, source, older, signal);
    const lost = await firstCommitFrom(context, source, older.window.chain, switchedAt, signal);
    if (lost === undefined || (stop !== undefined && parseLsn(lost.lsn) >= parseLsn(stop.lsn))) continue;
    const [one, two] = [older.window.timeline, newer.window.timeline];
    const wanted = targetInWords(target);
    throw new LifeboatError(
      "TIMELINE_AMBIGUOUS",
      `${wanted} exists on timeline ${one} and on timeline ${two} of ${source.name}, which differ from ${switchedAt} on`,
      {
        details: { wanted, timelines: [one, two], switchedAt, firstLostCommit: lost.at },
        hint: `add --timeline ${two} for the data after the failover, or --timeline ${one} for the lost commits`,
      },
    );
  }
}

/** The first commit at or after the position. */
async function firstCommitFrom(
  context: Context,
  source: Source,
  chain: readonly LogSegment[],
  position: string,
  signal: AbortSignal,
): Promise<{ readonly lsn: string; readonly at: Micros } | undefined> {
  const physical = logEngineOf(source);
  for (const [index, segment] of chain.entries()) {
    if (segment.maxCommitAt === undefined || parseLsn(segment.nextLsn) <= parseLsn(position)) continue;
    const bytes = await bytesOf(context, segment, signal);
    const found = physical.firstCommitAfter(fileNameOf(segment), bytes, chain[index - 1], BEGINNING, position);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Before every commit. */
const BEGINNING: Micros = "0001-01-01T00:00:00.000000Z";

/** A base backup as it is: replay of the log that it holds itself, to its own end. */
async function baseAlone(context: Context, source: Source, wanted: string) {
  const base = await findPoint(context, wanted, source.name);
  const facts = base.manifest.base;
  if (facts === undefined) {
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `${base.point.name} is a backup of kind ${base.point.kind}, which a directory cannot be made of`,
      {
        hint: "give --into the name of a database, or --to an instant for the whole cluster",
      },
    );
  }
  const { timeline, endLsn, endedAt, segmentBytes } = facts;
  const stopBefore = atEndOfSegment(endLsn, segmentBytes) ? undefined : endLsn;
  return { base, chain: [], timeline, stopBefore, expectedEnd: endLsn, wanted: base.point.name, at: endedAt, named: true };
}

/** There is no record to stop before: the base's own log ends with the segment. */
const atEndOfSegment = (lsn: string | undefined, segmentBytes: number | undefined): boolean =>
  lsn !== undefined && segmentBytes !== undefined && parseLsn(lsn) % BigInt(segmentBytes) === 0n;

/** The latest commit of the segments before the one that holds the position, or of all. */
function latestBefore(chain: readonly LogSegment[], position: string | undefined): Micros | undefined {
  let latest: Micros | undefined;
  for (const { maxCommitAt, nextLsn } of chain) {
    if (position !== undefined && parseLsn(nextLsn) > parseLsn(position)) break;
    if (maxCommitAt !== undefined && (latest === undefined || maxCommitAt > latest)) latest = maxCommitAt;
  }
  return latest;
}

/** As evidence names it. */
export function pointOf({ base, wanted, named, at, reached = true }: Replay): Evidence["point"] {
  const { id, name } = base.point;
  if (!reached) return { id, name, snapshotAt: base.manifest.snapshotAt };
  return { id, name: named ? name : `${name} and its log to ${wanted}`, snapshotAt: dateOfMicros(at).toISOString() };
}

/** Damage that is found is remembered beside the segment: no window counts on it afterwards. */
export function fetchFrom(context: Context, replay: Replay, key: OpenKey) {
  const { repository } = context;
  const { source } = replay.base;
  const segments = new Map(replay.chain.map((segment) => [segment.name, segment]));
  const histories = new Map(replay.log.log.historyRecords.map((record) => [record.name, record]));
  const reading = async function* (place: LogPlace, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      if (isLifeboatError(error, "INTEGRITY"))
        await markLogDamage(context.repository, place, { at: context.clock.now(), message: error.message });
      throw error;
    }
  };
  return async (name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> => {
    // A partial segment is the last of its chain, and is asked for by the name that it will have when it is full.
    const segment = segments.get(name);
    if (segment !== undefined) {
      assertReadable("log segment", segment.plain.sizeBytes);
      return reading(placeOf(segment), readSegment(repository, segment, key, signal));
    }
    const history = histories.get(name);
    if (history === undefined) return undefined;
    assertReadable("history file", history.plain.sizeBytes);
    const place = historyPlace(source, history.timeline);
    return reading(place, readLogBytes(repository.storage, place, history, key, signal));
  };
}
