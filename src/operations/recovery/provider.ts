// What a recovery target means to a provider that has a history of its own, and whether it can be reached.
import { formatDuration } from "../../core/duration.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import { dateOfMicros } from "../../core/micros.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { HistoryControl, HistoryTarget } from "../../ports/control.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { readSnapshotFingerprint } from "../../repository/snapshots.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";
import { findPoint, pointsOf } from "../points/points.ts";
import { findSnapshot, type SnapshotEntry } from "../points/snapshots.ts";

export interface ProviderTarget {
  readonly asked: RecoveryTarget;
  /** As the provider is told it. */
  readonly history: HistoryTarget;
  /** As evidence names it. */
  readonly point: Evidence["point"];
  /** The instant whose data it is; for a position in the log, now. */
  readonly at: Date;
  /** What was asked for: an instant, or `latest`, rather than a point. */
  readonly instant: boolean;
  readonly entry?: SnapshotEntry | undefined;
  /** The end of what can be reached, for `latest`. */
  readonly windowLatest?: Date | undefined;
  /** What the source equalled at exactly the target, where it was read just now. */
  readonly expected?: Fingerprint | undefined;
  /** What a user should know of how the target was understood. */
  readonly remarks: readonly string[];
}

/**
 * The target within the provider's history; undefined when it means something else (a backup in the repository).
 * RECOVERY_TARGET_OUTSIDE_WINDOW with both edges.
 */
export async function providerTargetOf(
  context: Context,
  source: Source,
  asked: RecoveryTarget,
  watch: Watch,
): Promise<ProviderTarget | undefined> {
  if (source.managed !== true || source.provider.history === undefined) return undefined;
  const now = context.clock.now();
  if (asked.kind === "latest") {
    const history = historyControl(source);
    const window = await history.window(watch);
    // A provider that keeps nothing of it (a free cluster): then the newest backup is the latest state that can be had.
    if (window === undefined && (await pointsOf(context, source.name)).length > 0) {
      if ((await history.obstacles({ target: { kind: "latest" }, inPlace: false }, watch)).length > 0) return undefined;
    }
    const at = window?.latest ?? now;
    return { asked, history: asked, point: named("latest", at), at, instant: true, windowLatest: window?.latest, remarks: [] };
  }
  if (asked.kind === "lsn") {
    if (!source.provider.history.positions)
      throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} restores to instants, not to positions in the log`);
    const point = { id: "history", name: `position ${asked.lsn}`, snapshotAt: now.toISOString() };
    return { asked, history: asked, point, at: now, instant: false, remarks: [] };
  }
  if (asked.kind === "time") {
    const { at, remarks } = roundedDown(source.provider.history, dateOfMicros(asked.at));
    await assertWithin(source, at, watch);
    return { asked, history: { kind: "time", at }, point: named(at.toISOString(), at), at, instant: true, remarks };
  }
  // The repository first: a copy in it must be found when the provider is away.
  if (await isBackup(context, source.name, asked.name)) return undefined;
  const entry = await findSnapshot(context, asked.name, [source], watch);
  if (entry === undefined) return undefined;
  const { id, form } = entry.snapshot;
  const { name, time } = entry.point;
  return {
    asked,
    history: { kind: "snapshot", id, form },
    point: { id, name, snapshotAt: time.toISOString() },
    at: time,
    instant: false,
    entry,
    remarks: [],
  };
}

/** The instant as the provider can be told it. What is finer is rounded down, never up: what is to be undone must not come back. */
function roundedDown({ precisionMs = 1 }: HistoryControl, wanted: Date): { readonly at: Date; readonly remarks: readonly string[] } {
  const at = new Date(Math.floor(wanted.getTime() / precisionMs) * precisionMs);
  if (at.getTime() === wanted.getTime()) return { at, remarks: [] };
  const unit = formatDuration(precisionMs);
  return {
    at,
    remarks: [`asked for ${wanted.toISOString()}; the provider restores to steps of ${unit}, so it is ${at.toISOString()}, rounded down`],
  };
}

async function isBackup(context: Context, source: string, wanted: string): Promise<boolean> {
  try {
    await findPoint(context, wanted, source, { unsigned: true });
    return true;
  } catch (error) {
    if (isLifeboatError(error, "POINT_UNKNOWN")) return false;
    throw error;
  }
}

const named = (what: string, at: Date): Evidence["point"] => ({ id: "history", name: `history at ${what}`, snapshotAt: at.toISOString() });

async function assertWithin(source: Source, at: Date, watch: Watch): Promise<void> {
  const window = await historyControl(source).window(watch);
  if (window === undefined) {
    throw new LifeboatError(
      "RECOVERY_TARGET_OUTSIDE_WINDOW",
      `${source.name} has no history at its provider: only its restore points can be reached`,
      {
        details: { wanted: at.toISOString() },
      },
    );
  }
  const [earliest, latest] = [window.earliest.toISOString(), window.latest.toISOString()];
  if (at >= window.earliest && at <= window.latest) return;
  throw new LifeboatError(
    "RECOVERY_TARGET_OUTSIDE_WINDOW",
    `${source.name} can be restored from ${earliest} to ${latest}, not to ${at.toISOString()}`,
    { details: { earliest, latest, wanted: at.toISOString() } },
  );
}

/** What the data of the target must equal, where a snapshot recorded it. */
export async function expectedOf(context: Context, { entry }: ProviderTarget, watch: Watch): Promise<Fingerprint | undefined> {
  if (entry?.record?.fingerprint === undefined) return undefined;
  return readSnapshotFingerprint(context.repository.storage, entry.record, await context.openKey(), watch.signal);
}
