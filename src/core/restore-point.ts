// A restore point: anything that can be restored, such as a backup in the repository or a provider's snapshot.
import type { BackupKind, Manifest } from "./manifest.ts";

export type PointKind = BackupKind | "snapshot";

/** A user's hold: the restore point is kept, regardless of the policy, until the hold is released. */
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
  /** The instant of its data. */
  readonly time: Date;
  readonly endedAt: Date;
  /** The expected expiry when it was made. It decides for a manual point; for one with tiers the policy decides. */
  readonly expiresAt?: Date | undefined;
  /** The stored size in bytes. */
  readonly sizeBytes: number;
  /** The size of the data at the source in bytes. */
  readonly sourceBytes: number;
  /** Default: the warmest class of the storage. */
  readonly storageClass?: string | undefined;
  /** The tiers of the policy that it was made for. Empty for a manual one. */
  readonly tiers: readonly string[];
  /** It serves the slots of its tiers up to this instant, by the clock of the machine that made it. Absent: not recorded. */
  readonly servesTo?: Date | undefined;
  readonly hold?: Hold | undefined;
  /** The deployment that it precedes. */
  readonly preDeploy?: string | undefined;
  /** The instant of the last verify or drill that passed. */
  readonly verifiedAt?: Date | undefined;
  /** The instant of the last verify or drill that found it damaged or not restorable. */
  readonly damagedAt?: Date | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  /** When a user said that its content is intended, however much less it is than before. */
  readonly acceptedAt?: Date | undefined;
  /** Its maker, as `user@host`. */
  readonly madeBy: string;
  /** Why it cannot be restored, according to the storage's listing: a part is missing or has another size. */
  readonly incomplete?: string | undefined;
  /** It holds chosen tables, and these are all that the source's configuration protects. */
  readonly covers?: true | undefined;
  /** No trusted key signed it. It is listed, does not count, and is restored only with `--unsigned`. */
  readonly unsigned?: true | undefined;
}

/** Facts about a backup that were learned after its manifest was written. */
export type Marks = Pick<RestorePoint, "hold" | "verifiedAt" | "damagedAt" | "acceptedAt" | "storageClass" | "preDeploy" | "expiresAt">;

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
    servesTo: manifest.servesTo === undefined ? undefined : new Date(manifest.servesTo),
    hold: marks.hold,
    preDeploy: marks.preDeploy,
    verifiedAt: marks.verifiedAt,
    damagedAt: marks.damagedAt,
    acceptedAt: marks.acceptedAt,
    reason: manifest.reason,
    note: manifest.note,
    madeBy: `${manifest.madeBy.user}@${manifest.madeBy.host}`,
  };
}

/** The kinds that restore a whole database. The other kinds hold a part of it. */
const WHOLE: ReadonlySet<PointKind> = new Set<PointKind>(["full", "base", "snapshot"]);

export const isWhole = (point: RestorePoint): boolean => WHOLE.has(point.kind) || point.covers === true;

/** Tells whether a point is known not to be restorable: found damaged and not found intact since, or incomplete. */
export const isDamaged = (point: RestorePoint): boolean => point.incomplete !== undefined || wasFoundDamaged(point);

const wasFoundDamaged = (point: RestorePoint): boolean =>
  point.damagedAt !== undefined && (point.verifiedAt === undefined || point.verifiedAt <= point.damagedAt);

/** Tells whether a verify or drill passed and none has failed since. */
export const isVerified = (point: RestorePoint): boolean => point.verifiedAt !== undefined && !isDamaged(point);

/** Clock skew below this is tolerated. */
export const CLOCK_SKEW_MS = 300_000;

/** Tells whether the instant is in the future by more than tolerable clock skew, which means that the writer's clock was wrong. */
export const isInFuture = (at: Date, present: Date): boolean => at.getTime() - present.getTime() > CLOCK_SKEW_MS;

/** Returns the points that are not dated in the future. Those prove nothing about the present. */
export const untilNow = (points: readonly RestorePoint[], present: Date): RestorePoint[] =>
  points.filter(({ time }) => !isInFuture(time, present));

/** The same points. What a wrong clock said of the slots that they serve does not count. */
export const servingUntilNow = (points: readonly RestorePoint[], present: Date): RestorePoint[] =>
  points.map((point) => (point.servesTo !== undefined && isInFuture(point.servesTo, present) ? { ...point, servesTo: undefined } : point));

/** Sorts oldest first. Equal instants are ordered by id, so that the result does not depend on the order of the input. */
export const byTime = (a: Pick<RestorePoint, "time" | "id">, b: Pick<RestorePoint, "time" | "id">): number =>
  a.time.getTime() - b.time.getTime() || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

export function newest(points: readonly RestorePoint[]): RestorePoint | undefined {
  let latest: RestorePoint | undefined;
  for (const point of points) if (latest === undefined || byTime(latest, point) < 0) latest = point;
  return latest;
}

/**
 * Returns the exposure in milliseconds: the data that would be lost if the source vanished at `now`, since the newest undamaged restore
 * point of the whole database or the end of the recovery window. Undefined when there is neither. An instant in the future counts as
 * `now` within the tolerated clock skew, and does not count beyond it.
 */
export function exposureMs(points: readonly RestorePoint[], now: Date, windowLatest?: Date): number | undefined {
  const latest = newest(points.filter((point) => isWhole(point) && !isDamaged(point) && !isInFuture(point.time, now)));
  const ends = [latest?.time, windowLatest].flatMap((at) =>
    at === undefined || isInFuture(at, now) ? [] : [now.getTime() - at.getTime()],
  );
  return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends));
}

const iso = (at: Date | undefined): string | null => at?.toISOString() ?? null;

/** Converts a restore point to the JSON of `list`: instants in ISO 8601 UTC, null for absent values. */
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

export type PointJson = ReturnType<typeof pointJson>;

const dateOf = (text: string | null): Date | undefined => (text === null ? undefined : new Date(text));

/** What the JSON does not hold. `covers` depends on the configuration. */
export type PointRest = Pick<RestorePoint, "servesTo" | "preDeploy" | "acceptedAt">;

/** Converts it back. */
export function pointOfJson(json: PointJson, { servesTo, preDeploy, acceptedAt }: PointRest): RestorePoint {
  const { hold } = json;
  return {
    id: json.id,
    source: json.source,
    kind: json.kind,
    name: json.name,
    time: new Date(json.time),
    endedAt: new Date(json.endedAt),
    expiresAt: dateOf(json.expiresAt),
    sizeBytes: json.sizeBytes,
    sourceBytes: json.sourceBytes,
    storageClass: json.storageClass ?? undefined,
    tiers: json.tiers,
    servesTo,
    hold: hold === null ? undefined : { by: hold.by, at: new Date(hold.at), reason: hold.reason ?? undefined },
    preDeploy,
    verifiedAt: dateOf(json.verifiedAt),
    damagedAt: dateOf(json.damagedAt),
    reason: json.reason ?? undefined,
    note: json.note ?? undefined,
    acceptedAt,
    madeBy: json.madeBy,
    incomplete: json.incomplete ?? undefined,
    unsigned: json.signed ? undefined : true,
  };
}
