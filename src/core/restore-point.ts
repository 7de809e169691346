// Anything that can be restored, whoever holds it: a backup of ours, later a provider's snapshot.
import type { BackupKind, Manifest } from "./manifest.ts";

export type PointKind = BackupKind | "snapshot";

/** Somebody wants this restore point kept, whatever the policy says, until they release it. */
export interface Hold {
  readonly by: string;
  readonly at: Date;
  readonly reason?: string | undefined;
}

export interface RestorePoint {
  readonly id: string;
  readonly source: string;
  readonly kind: PointKind;
  readonly name: string;
  /** The instant whose state of the data it holds. */
  readonly time: Date;
  readonly endedAt: Date;
  /** When it was expected to expire as it was made. For a manual one it decides; for one with tiers the policy does. */
  readonly expiresAt?: Date | undefined;
  /** Bytes that are stored and paid for. */
  readonly sizeBytes: number;
  /** Size of the data at the source. */
  readonly sourceBytes: number;
  /** Absent: the storage's default class, its warmest. */
  readonly storageClass?: string | undefined;
  /** Tiers of the policy it was made for; empty for a manual one. */
  readonly tiers: readonly string[];
  readonly hold?: Hold | undefined;
  /** The deployment that it was taken before. */
  readonly preDeploy?: string | undefined;
  /** The last verify or drill that passed. */
  readonly verifiedAt?: Date | undefined;
  /** The last verify or drill that found it damaged, or not restorable. */
  readonly damagedAt?: Date | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  /** Who or what made it, as `user@host`. */
  readonly madeBy: string;
  /** Why it cannot be restored, as the storage's own listing shows: a part of it is missing, or has another size. */
  readonly incomplete?: string | undefined;
  /** No trusted key has signed it: it is listed, counts for nothing, and is restored only on request. */
  readonly unsigned?: true | undefined;
}

/** What became known of a backup after its manifest was written. */
export type Marks = Pick<RestorePoint, "hold" | "verifiedAt" | "damagedAt" | "storageClass" | "preDeploy" | "expiresAt">;

export function restorePointOf(manifest: Manifest, marks: Marks = {}): RestorePoint {
  return {
    id: manifest.id,
    source: manifest.source,
    kind: manifest.kind,
    name: manifest.name,
    time: new Date(manifest.snapshotAt),
    endedAt: new Date(manifest.endedAt),
    expiresAt: marks.expiresAt ?? (manifest.expiresAt === undefined ? undefined : new Date(manifest.expiresAt)),
    sizeBytes: manifest.parts.reduce((sum, part) => sum + part.stored.sizeBytes, 0),
    sourceBytes: manifest.sourceBytes,
    storageClass: marks.storageClass ?? manifest.storageClass,
    tiers: manifest.tiers,
    hold: marks.hold,
    preDeploy: marks.preDeploy,
    verifiedAt: marks.verifiedAt,
    damagedAt: marks.damagedAt,
    reason: manifest.reason,
    note: manifest.note,
    madeBy: `${manifest.madeBy.user}@${manifest.madeBy.host}`,
  };
}

/** The kinds that bring a whole database back; the others hold a part of it. */
const WHOLE: ReadonlySet<PointKind> = new Set<PointKind>(["full", "base", "snapshot"]);

export const isWhole = (point: RestorePoint): boolean => WHOLE.has(point.kind);

/** Known not to be restorable: found damaged and not found whole since, or parts of it are not there. */
export const isDamaged = (point: RestorePoint): boolean => point.incomplete !== undefined || wasFoundDamaged(point);

const wasFoundDamaged = (point: RestorePoint): boolean =>
  point.damagedAt !== undefined && (point.verifiedAt === undefined || point.verifiedAt <= point.damagedAt);

/** A verify or drill passed, and none has failed since. */
export const isVerified = (point: RestorePoint): boolean => point.verifiedAt !== undefined && !isDamaged(point);

/** Clocks that differ by less than this agree. */
export const CLOCK_SKEW_MS = 300_000;

/** Whether the instant is later than the present, whatever clocks of good machines differ by: a clock was wrong when it was written. */
export const isInFuture = (at: Date, present: Date): boolean => at.getTime() - present.getTime() > CLOCK_SKEW_MS;

/** The points that count: one dated in the future says nothing about what is there now, or is due. */
export const untilNow = (points: readonly RestorePoint[], present: Date): RestorePoint[] =>
  points.filter(({ time }) => !isInFuture(time, present));

/** Oldest first; ids settle equal instants, so that every order of input gives the same order. */
export const byTime = (a: RestorePoint, b: RestorePoint): number =>
  a.time.getTime() - b.time.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

export function newest(points: readonly RestorePoint[]): RestorePoint | undefined {
  let latest: RestorePoint | undefined;
  for (const point of points) if (latest === undefined || byTime(latest, point) < 0) latest = point;
  return latest;
}

/**
 * Milliseconds of work that would be lost if the source vanished at `now`: since the newest whole restore point that is
 * not damaged, or since the end of the recovery window. Undefined when there is neither. What lies a little in the future
 * (clocks differ) counts as now; what lies further ahead does not count.
 */
export function exposureMs(points: readonly RestorePoint[], now: Date, windowLatest?: Date): number | undefined {
  const latest = newest(points.filter((point) => isWhole(point) && !isDamaged(point) && !isInFuture(point.time, now)));
  const ends = [latest?.time, windowLatest].flatMap((at) =>
    at === undefined || isInFuture(at, now) ? [] : [now.getTime() - at.getTime()],
  );
  return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends));
}

const iso = (at: Date | undefined): string | null => at?.toISOString() ?? null;

/** A restore point in the JSON of `list`: instants as ISO 8601 UTC, null where there is nothing to say. */
export function pointJson(point: RestorePoint) {
  return {
    id: point.id,
    source: point.source,
    kind: point.kind,
    name: point.name,
    time: point.time.toISOString(),
    endedAt: point.endedAt.toISOString(),
    expiresAt: iso(point.expiresAt),
    sizeBytes: point.sizeBytes,
    sourceBytes: point.sourceBytes,
    storageClass: point.storageClass ?? null,
    tiers: point.tiers,
    hold: point.hold === undefined ? null : { by: point.hold.by, at: point.hold.at.toISOString(), reason: point.hold.reason ?? null },
    verifiedAt: iso(point.verifiedAt),
    damagedAt: iso(point.damagedAt),
    reason: point.reason ?? null,
    note: point.note ?? null,
    madeBy: point.madeBy,
    signed: point.unsigned !== true,
    incomplete: point.incomplete ?? null,
  };
}
