// Which restore points are kept and which expire, as a pure function that gives its reasons. Nothing here removes anything.
import { formatDuration, formatInstant, type Keep } from "./duration.ts";
import { LifeboatError } from "./errors.ts";
import { byTime, isDamaged, isInFuture, isVerified, isWhole, newest, type RestorePoint } from "./restore-point.ts";
import { isColder, STORAGE_CLASSES, warmestClass } from "./storage-class.ts";
import { suspicionOf } from "./suspicion.ts";
import { missedSlot, type StandIn, standIns, type Tier } from "./tiers.ts";

export interface RetentionPolicy {
  readonly tiers: readonly Tier[];
  /** How long a manual backup without an expiry of its own is kept after its snapshot; absent: for ever. */
  readonly keepManualMs?: Keep | undefined;
}

export interface ExpireOptions {
  /** The last attempt to make a backup of this source failed. */
  readonly lastAttemptFailed?: boolean | undefined;
  /** How late after its slot a backup is missing. */
  readonly graceMs?: number | undefined;
  /** Classes of the storage, warmest first; empty: it has none, and nothing moves. */
  readonly storageClasses?: readonly string[] | undefined;
  /** More reasons why nothing may be removed, as the end of a sentence: `nothing is removed while …`. */
  readonly doubts?: readonly string[] | undefined;
  /** The latest of the clocks that were asked; default: `now`. A point that is later than it is dated in the future. */
  readonly present?: Date | undefined;
  /** More than half of the points may go at once. */
  readonly most?: boolean | undefined;
  /** By point: why it would not go although it may, as a sentence. It is no removal that counts. */
  readonly pinned?: ReadonlyMap<string, string> | undefined;
  /** Points dated in the future go too. */
  readonly future?: boolean | undefined;
  /** By point: another reason for keeping it. A manual point that has one, and no expiry of its own, follows it alone. */
  readonly keepReasons?: ReadonlyMap<string, KeepReason> | undefined;
}

export interface Decision {
  readonly point: RestorePoint;
  /** Full sentences without the full stop; never empty. */
  readonly reasons: readonly string[];
}

export interface Transition {
  readonly point: RestorePoint;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface Expiry {
  /** Everything that is not removed, oldest first. */
  readonly keep: readonly Decision[];
  /** Oldest first. */
  readonly remove: readonly Decision[];
  /** Kept points that belong in a colder class now; never a warmer one. */
  readonly transitions: readonly Transition[];
  /** Why nothing at all may be removed at present; empty when nothing stands against it. */
  readonly blocked: readonly string[];
  /** What would be removed, were it not most of what is there. They are in `keep` as well. Absent: that is not what blocks. */
  readonly withheld?: readonly Decision[];
}

/** One reason on which the policy keeps a point, or kept it: until an instant, or for ever. */
export interface KeepReason {
  readonly until: Date | "forever";
  readonly says: string;
  readonly tier?: Tier | undefined;
}

/**
 * Decides about every restore point of one source at the instant `now`.
 *
 * A backup is held by each tier recorded in its manifest until its snapshot's instant plus the tier's keep *as the
 * policy says today*. When none of these holds it any more, the slots it stands in for do (tiers.ts). A tier that the
 * policy does not know any more holds until the expiry recorded when the backup was made; with none recorded, for ever:
 * renaming a tier removes nothing by accident. A manual backup follows its own expiry, else `keepManualMs`.
 *
 * Never removed: points on hold; the newest one and the newest whole one; the newest verified one, and the newest whole
 * one of these; and anything while the newest whole backup is missing, failed, damaged or suspiciously small.
 *
 * A clock that was wrong can make everything look expired. So a point dated in the future counts for nothing here and is
 * left alone (unless `future`), and more than half of what is there never goes at once (unless `most`, or it is but a few).
 */
export function expire(points: readonly RestorePoint[], policy: RetentionPolicy, now: Date, options: ExpireOptions = {}): Expiry {
  if (new Set(points.map((point) => point.source)).size > 1) {
    throw new LifeboatError("BUG", "retention was asked about several sources at once");
  }
  const { present = now } = options;
  const sorted = points.filter(({ time }) => !isInFuture(time, present)).sort(byTime);
  const blocked = [...blockers(sorted, policy, now, options), ...(options.doubts ?? [])];
  const expiry = decide(sorted, policy, now, { ...options, blocked });
  const ahead = points.filter(({ time }) => isInFuture(time, present)).sort(byTime);
  const mayGo = options.future === true && expiry.blocked.length === 0 && sorted.some((point) => isWhole(point) && !isDamaged(point));
  const gone = mayGo ? ahead.filter(({ hold }) => hold === undefined) : [];
  const dated = (point: RestorePoint): Decision => ({ point, reasons: [...heldBy(point), datedInFuture(point)] });
  return {
    ...expiry,
    keep: [...expiry.keep, ...ahead.filter((point) => !gone.includes(point)).map(dated)],
    remove: [...expiry.remove, ...gone.map(dated)],
  };
}

const datedInFuture = ({ time }: RestorePoint): string => `it is dated ${formatInstant(time)}, in the future, and counts for nothing`;

/** So many may always go at once. */
const FEW = 2;

/** Decides about points of which none is dated in the future. `blocked`: why nothing may be removed. */
function decide(
  sorted: readonly RestorePoint[],
  policy: RetentionPolicy,
  now: Date,
  options: ExpireOptions & Pick<Expiry, "blocked">,
): Expiry {
  const { blocked } = options;
  const protections = protectedPoints(sorted);
  const stand = standIns(policy.tiers, sorted);
  const keep: Decision[] = [];
  const remove: Decision[] = [];
  const transitions: Transition[] = [];
  for (const point of sorted) {
    const keepReasons = keepReasonsOf(point, policy, stand.get(point.id) ?? [], now, options.keepReasons?.get(point.id));
    const holding = keepReasons.filter((reason) => isActive(reason, now));
    const reasons = [...(protections.get(point) ?? []), ...holding.map(keeps)];
    const expired = holding.length > 0 ? [] : keepReasons.map(kept);
    const pinned = options.pinned?.get(point.id);
    if (reasons.length > 0) keep.push({ point, reasons: [...reasons, ...expired] });
    else if (pinned !== undefined) keep.push({ point, reasons: [...expired, pinned] });
    else if (blocked.length > 0) keep.push({ point, reasons: [...expired, ...blocked.map((why) => `nothing is removed while ${why}`)] });
    else remove.push({ point, reasons: expired });
    // While something is wrong, older points may be needed soon: they stay where they can be read at once.
    const transition = blocked.length > 0 ? undefined : colder(point, holding, options.storageClasses ?? STORAGE_CLASSES);
    if (transition !== undefined) transitions.push(transition);
  }
  if (options.most === true || remove.length <= Math.max(FEW, keep.length)) return { keep, remove, transitions, blocked };
  const why = `${remove.length} of ${sorted.length} restore points would go at once, more than half`;
  return { ...decide(sorted, policy, now, { ...options, blocked: [why] }), withheld: remove };
}

/** When a backup made for these tiers is expected to expire: its last tier's end; undefined for never. Manual: no tiers. */
export function expectedExpiry(tiers: readonly string[], policy: RetentionPolicy, snapshotAt: Date): Date | undefined {
  const keeps =
    tiers.length === 0
      ? [policy.keepManualMs ?? "forever"]
      : policy.tiers.filter((tier) => tiers.includes(tier.tier)).map((tier) => tier.keepMs);
  if (keeps.length === 0 || keeps.includes("forever")) return undefined;
  return new Date(snapshotAt.getTime() + Math.max(...keeps.map(Number)));
}

/** Sentences on why nothing may be removed, or none. */
function blockers(points: readonly RestorePoint[], policy: RetentionPolicy, now: Date, options: ExpireOptions): string[] {
  const why: string[] = [];
  if (options.lastAttemptFailed === true) why.push("the last attempt to make a backup failed");
  const latest = newest(points.filter(isWhole)) ?? newest(points);
  if (latest === undefined) return why;
  const missed = missedSlot(policy.tiers, latest.time, now, options.graceMs);
  if (missed !== undefined) {
    why.push(
      `the backup of ${formatInstant(missed.slot)} (tier ${missed.tier}) is missing: the newest is of ${formatInstant(latest.time)}`,
    );
  }
  if (latest.incomplete !== undefined) why.push(`the newest backup ${latest.id} cannot be restored: ${latest.incomplete}`);
  else if (latest.damagedAt !== undefined && isDamaged(latest)) {
    why.push(`the newest backup ${latest.id} was found damaged on ${formatInstant(latest.damagedAt)}`);
  }
  const suspicion = suspicionOf(latest, points);
  if (suspicion !== undefined) why.push(suspicion);
  return why;
}

/** Points that stay whatever the policy says, with the reasons. */
function protectedPoints(points: readonly RestorePoint[]): ReadonlyMap<RestorePoint, readonly string[]> {
  const reasons = new Map<RestorePoint, string[]>();
  const add = (point: RestorePoint | undefined, reason: string): void => {
    if (point !== undefined) reasons.set(point, [...(reasons.get(point) ?? []), reason]);
  };
  for (const point of points) for (const reason of heldBy(point)) add(point, reason);
  const latest = newest(points);
  const latestWhole = newest(points.filter(isWhole));
  add(latest, "it is the newest restore point");
  if (latestWhole !== latest) add(latestWhole, "it is the newest restore point of the whole database");
  const sound = newest(points.filter((point) => isWhole(point) && !isDamaged(point)));
  if (sound !== latest && sound !== latestWhole) add(sound, "it is the newest restore point of the whole database that is not damaged");
  const verified = newest(points.filter(isVerified));
  const verifiedWhole = newest(points.filter((point) => isVerified(point) && isWhole(point)));
  add(verified, "it is the newest verified restore point");
  if (verifiedWhole !== verified) add(verifiedWhole, "it is the newest verified restore point of the whole database");
  return reasons;
}

function heldBy({ hold }: RestorePoint): string[] {
  if (hold === undefined) return [];
  const { by, at, reason } = hold;
  return [`${by} holds it since ${formatInstant(at)}${reason === undefined ? "" : `: ${reason}`}`];
}

/** Every reason the policy has or had for keeping the point; never empty. Stand-in duty counts once recorded tiers have let go. */
function keepReasonsOf(
  point: RestorePoint,
  policy: RetentionPolicy,
  duties: readonly StandIn[],
  now: Date,
  extra: KeepReason | undefined,
): KeepReason[] {
  const more = extra === undefined ? [] : [extra];
  // A base backup is there for the window; a dump that somebody made is theirs, whatever else it is good for.
  const forWindow = point.kind === "base" && extra !== undefined && point.expiresAt === undefined;
  if (point.tiers.length === 0) return forWindow ? more : [manualKeepReason(point, policy), ...more];
  const keepReasons = point.tiers.map((name): KeepReason => {
    const tier = policy.tiers.find((known) => known.tier === name);
    if (tier !== undefined) return { until: after(point, tier.keepMs), says: `tier ${name}`, tier };
    const recorded = point.expiresAt === undefined ? ", which recorded no expiry" : "";
    return { until: point.expiresAt ?? "forever", says: `tier ${name}, which the policy does not have any more${recorded},` };
  });
  keepReasons.push(...more);
  if (keepReasons.some((reason) => isActive(reason, now))) return keepReasons;
  const standing = duties.map(({ tier, slot }): KeepReason => {
    const says = `tier ${tier.tier}, for whose slot of ${formatInstant(slot)} no other backup was recorded,`;
    return { until: after(point, tier.keepMs), says, tier };
  });
  return [...keepReasons, ...standing.filter((reason) => isActive(reason, now))];
}

function manualKeepReason(point: RestorePoint, policy: RetentionPolicy): KeepReason {
  if (point.expiresAt !== undefined) return { until: point.expiresAt, says: "its own expiry" };
  const keepMs = policy.keepManualMs ?? "forever";
  const says = keepMs === "forever" ? "the rule for manual backups" : `the rule for manual backups (${formatDuration(keepMs)})`;
  return { until: after(point, keepMs), says };
}

const after = (point: RestorePoint, keepMs: Keep): Date | "forever" =>
  keepMs === "forever" ? keepMs : new Date(point.time.getTime() + keepMs);

/** At the very instant of its end a reason holds no longer. */
const isActive = (reason: KeepReason, now: Date): boolean => reason.until === "forever" || reason.until > now;

const keeps = ({ until, says }: KeepReason): string =>
  `${says} keeps it ${until === "forever" ? "for ever" : `until ${formatInstant(until)}`}`;
const kept = ({ until, says }: KeepReason): string =>
  `${says} kept it ${until === "forever" ? "for ever" : `until ${formatInstant(until)}`}`;

/** The move to the warmest class that a tier still holding the point wants, if that is colder than where it lies. */
function colder(point: RestorePoint, holding: readonly KeepReason[], classes: readonly string[]): Transition | undefined {
  const tiers = holding.flatMap((reason) => reason.tier ?? []);
  const from = point.storageClass ?? classes[0];
  const to = warmestClass(tiers, classes);
  if (tiers.length < holding.length || from === undefined || to === undefined || !isColder(to, from, classes)) return undefined;
  return { point, from, to, reason: `${to} is the warmest class wanted by what still keeps it: ${holding.map(keeps).join("; ")}` };
}
