// Retention of points that a provider holds. A rule of the policy is a tier, so that backups and snapshots follow one
// function; what differs is decided here: who may be removed at all, and what has been accepted.
import { formatInstant } from "./duration.ts";
import type { RestorePoint } from "./restore-point.ts";
import { type Decision, type ExpireOptions, type Expiry, expire, type RetentionPolicy } from "./retention.ts";

/** A provider's point with what stands for and against its removal. */
export interface ProviderPoint {
  readonly point: RestorePoint;
  /** Made by us; others are listed and never touched. */
  readonly ours: boolean;
  /** When it is to go by what we wrote down, where the provider has an expiry of its own as a last net; null: we wrote down none. */
  readonly ownExpiresAt?: Date | null | undefined;
  /** The provider's schedule made it, and removes it. */
  readonly scheduled?: boolean | undefined;
  /** Why the provider would not remove it now. */
  readonly pinned?: string | undefined;
  /** The state before a restore: not a point of the schedule. `acceptedAt`: somebody said that the restore is good. */
  readonly kept?: { readonly job: string; readonly acceptedAt?: Date | undefined } | undefined;
}

export interface SnapshotExpireOptions
  extends Pick<ExpireOptions, "graceMs" | "lastAttemptFailed" | "doubts" | "present" | "most" | "future"> {
  /** The last attempt found no room: then what has expired is what makes room, and nothing missing keeps it. */
  readonly noRoom?: boolean | undefined;
}

/**
 * Decides about the provider's points of one source. Ours only: by their rules, holds and expiries, never the newest, never
 * what the provider has pinned. The state before a restore goes by its own expiry, which begins with the acceptance.
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
    // Sizes of snapshots say nothing about what is in them: a later one may hold only what has changed.
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
    if (scheduled === true) keep.push({ point, reasons: ["the provider's own schedule made it, and removes it"] });
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

/** The branch that a restore set aside. `keep` marks a decision to keep. */
function ofKept({ point, kept }: ProviderPoint, now: Date): Decision & { readonly keep?: true } {
  if (point.hold !== undefined) {
    const { by, at, reason } = point.hold;
    return { point, keep: true, reasons: [`${by} holds it since ${formatInstant(at)}${reason === undefined ? "" : `: ${reason}`}`] };
  }
  if (kept?.acceptedAt === undefined)
    return { point, keep: true, reasons: [`it is the state before job ${kept?.job}, which nobody has accepted yet`] };
  if (point.expiresAt === undefined || point.expiresAt > now) {
    const until = point.expiresAt === undefined ? "for ever" : `until ${formatInstant(point.expiresAt)}`;
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
