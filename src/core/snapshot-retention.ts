// Retention of a provider's snapshots. Rules of the policy are tiers, so backups and snapshots share one function. This file decides
// what differs: which snapshots may be deleted at all, and the state before an accepted restore.
import { formatInstant } from "./duration.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type Decision, type ExpireOptions, type Expiry, expire, type RetentionPolicy } from "./retention.ts";

/** A provider's snapshot with the facts that decide about its deletion. */
export interface ProviderPoint {
  readonly point: RestorePoint;
  /** Made by Lifeboat. Others are listed and never changed. */
  readonly ours: boolean;
  /** The recorded expiry, where the provider has its own expiry as a safety net. Null: none is recorded. */
  readonly ownExpiresAt?: Date | null | undefined;
  /** The provider's schedule made it and deletes it. */
  readonly scheduled?: boolean | undefined;
  /** Why the provider refuses to delete it now. */
  readonly pinned?: string | undefined;
  /** The state before a restore, which is not part of the schedule. `acceptedAt`: when a user accepted the restore. */
  readonly kept?: { readonly job: string; readonly acceptedAt?: Date | undefined } | undefined;
}

export interface SnapshotExpireOptions
  extends Pick<ExpireOptions, "graceMs" | "lastAttemptFailed" | "doubts" | "present" | "most" | "future"> {
  /** The last snapshot failed because a limit was reached. Then expired snapshots are deleted even if one is missing, to make room. */
  readonly noRoom?: boolean | undefined;
}

/**
 * Decides about the provider's snapshots of one source. Only those that Lifeboat made expire, by their rules, holds and expiries; never
 * the newest, and never one that the provider protects. The state before a restore has its own expiry, counted from acceptance.
 */
export function expireSnapshots(
  points: readonly ProviderPoint[],
  policy: RetentionPolicy,
  now: Date,
  options: SnapshotExpireOptions = {},
): Omit<Expiry, "transitions"> {
  const regular = points.filter(({ ours, scheduled, kept }) => ours && scheduled !== true && kept === undefined);
  const { graceMs, lastAttemptFailed, noRoom = false, ...others } = options;
  const decided = expire(
    // The size of a snapshot says nothing about its data, because a later one may hold only changes.
    regular.map(({ point, ownExpiresAt = point.expiresAt }) => ({
      ...{ ...point, sizeBytes: 0, sourceBytes: 0 },
      expiresAt: ownExpiresAt ?? undefined,
    })),
    policy,
    now,
    {
      ...others,
      pinned: new Map(regular.flatMap(({ point, pinned }) => (pinned === undefined ? [] : [[point.id, keptBy(pinned)]]))),
      most: noRoom || options.most === true,
      graceMs: noRoom ? Number.POSITIVE_INFINITY : graceMs,
      lastAttemptFailed: lastAttemptFailed === true && !noRoom,
      storageClasses: [],
    },
  );
  const byId = new Map(points.map((one) => [one.point.id, one]));
  const own = (decision: Decision): Decision => ({ ...decision, point: byId.get(decision.point.id)?.point ?? decision.point });
  const keep = decided.keep.map(own);
  const remove: Decision[] = [];
  for (const decision of [
    ...decided.remove.map(own),
    ...points.filter(({ kept, ours }) => ours && kept !== undefined).map((one) => ofKept(one, now)),
  ]) {
    const pinned = byId.get(decision.point.id)?.pinned;
    if ("keep" in decision) keep.push(decision);
    else if (pinned !== undefined) keep.push({ ...decision, reasons: [...decision.reasons, keptBy(pinned)] });
    else remove.push(decision);
  }
  for (const { point, scheduled, ours } of points) {
    if (scheduled === true) keep.push({ point, reasons: ["the provider's schedule made it and deletes it"] });
    else if (!ours) keep.push({ point, reasons: ["it was not made by Lifeboat"] });
  }
  const inTime = (a: Decision, b: Decision): number =>
    a.point.time.getTime() - b.point.time.getTime() || (a.point.id < b.point.id ? -1 : 1);
  return {
    keep: keep.sort(inTime),
    remove: remove.sort(inTime),
    blocked: decided.blocked,
    ...(decided.withheld && { withheld: decided.withheld.map(own) }),
  };
}

const keptBy = (pinned: string): string => `the provider keeps it: ${pinned}`;

/** Decides about the state before a restore. `keep` marks a decision to keep it. */
function ofKept({ point, kept }: ProviderPoint, now: Date): Decision & { readonly keep?: true } {
  if (point.hold !== undefined) {
    const { by, at, reason } = point.hold;
    return { point, keep: true, reasons: [`${by} put it on hold on ${formatInstant(at)}${reason === undefined ? "" : `: ${reason}`}`] };
  }
  if (kept?.acceptedAt === undefined)
    return { point, keep: true, reasons: [`it is the state before job ${kept?.job}, which has not been accepted yet`] };
  if (point.expiresAt === undefined || point.expiresAt > now) {
    const until = point.expiresAt === undefined ? "forever" : `until ${formatInstant(point.expiresAt)}`;
    return {
      point,
      keep: true,
      reasons: [`job ${kept.job} was accepted on ${formatInstant(kept.acceptedAt)}, and what it replaced is kept ${until}`],
    };
  }
  return {
    point,
    reasons: [
      `job ${kept.job} was accepted on ${formatInstant(kept.acceptedAt)}, and what it replaced was kept until ${formatInstant(point.expiresAt)}`,
    ],
  };
}
