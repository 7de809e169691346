// Retention as a pure function: decides which restore points are kept and which expire, with reasons. It deletes nothing.
import { formatDuration, formatInstant, type Keep } from "./duration.ts";
import { LifeboatError } from "./errors.ts";
import { byTime, isDamaged, isInFuture, isVerified, isWhole, newest, type RestorePoint } from "./restore-point.ts";
import { isColder, STORAGE_CLASSES, warmestClass } from "./storage-class.ts";
import { suspicionOf } from "./suspicion.ts";
import { missedSlot, type StandIn, standIns, type Tier } from "./tiers.ts";

export interface RetentionPolicy {
  readonly tiers: readonly Tier[];
  /** How long a manual backup without its own expiry is kept after its snapshot. Default: forever. */
  readonly keepManualMs?: Keep | undefined;
}

export interface ExpireOptions {
  /** Whether the last backup of this source failed. */
  readonly lastAttemptFailed?: boolean | undefined;
  /** How long after its slot a backup counts as missing. */
  readonly graceMs?: number | undefined;
  /** The classes of the storage, warmest first. Empty: it has none, and nothing is moved. */
  readonly storageClasses?: readonly string[] | undefined;
  /** More reasons to delete nothing, as the end of a sentence: `nothing is deleted while …`. */
  readonly doubts?: readonly string[] | undefined;
  /** The latest of the clocks that were read. A later point is dated in the future. Default: `now`. */
  readonly present?: Date | undefined;
  /** Allows more than half of the points to expire at once. */
  readonly most?: boolean | undefined;
  /** By point: why it cannot be deleted although it has expired, as a sentence. */
  readonly pinned?: ReadonlyMap<string, string> | undefined;
  /** Whether points dated in the future expire too. */
  readonly future?: boolean | undefined;
  /** By point: an additional reason to keep it. For a base backup without its own expiry it is the only one. */
  readonly keepReasons?: ReadonlyMap<string, KeepReason> | undefined;
}

export interface Decision {
  readonly point: RestorePoint;
  /** Sentences without the full stop. Never empty. */
  readonly reasons: readonly string[];
}

export interface Transition {
  readonly point: RestorePoint;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

export interface Expiry {
  /** All points that are kept, oldest first. */
  readonly keep: readonly Decision[];
  /** Oldest first. */
  readonly remove: readonly Decision[];
  /** Kept points that move to a colder class. They never move to a warmer one. */
  readonly transitions: readonly Transition[];
  /** Why nothing may be deleted at present. Empty when deletion is allowed. */
  readonly blocked: readonly string[];
  /** The points that are not deleted only because they are most of all points. They are in `keep` too. Absent: not the case. */
  readonly withheld?: readonly Decision[];
}

/** A reason why the policy keeps, or kept, a point: until an instant, or forever. */
export interface KeepReason {
  readonly until: Date | "forever";
  readonly says: string;
  readonly tier?: Tier | undefined;
}

/**
 * Decides about all restore points of one source at the instant `now`.
 *
 * Each tier recorded in the manifest of a backup keeps it for the tier's *current* duration after its snapshot. When no tier keeps it
 * any longer, the slots that it substitutes for do (tiers.ts). A tier that is no longer in the policy keeps it until the expiry recorded
 * when the backup was made, or forever without one, so that renaming a tier deletes nothing by accident. A manual backup has its own
 * expiry, else `keepManualMs`.
 *
 * Never deleted: points on hold; the newest point, and the newest of the whole database; the newest verified point, and the newest
 * verified one of the whole database; and any point while the newest whole backup is missing, failed, damaged or suspiciously small.
 *
 * A wrong clock can make every point look expired. So a point dated in the future does not count and is kept (unless `future`), and
 * more than half of the points never expire at once (unless `most`, or they are few).
 */
export function expire(points: readonly RestorePoint[], policy: RetentionPolicy, now: Date, options: ExpireOptions = {}): Expiry {
  if (new Set(points.map((point) => point.source)).size > 1) {
    throw new LifeboatError("BUG", "retention was called for several sources at once");
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

const datedInFuture = ({ time }: RestorePoint): string => `it is dated ${formatInstant(time)}, in the future, and does not count`;

/** This many points may always expire at once. */
const FEW = 2;

/** Decides about points that are not dated in the future. `blocked`: why nothing may be deleted. */
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
    else if (blocked.length > 0) keep.push({ point, reasons: [...expired, ...blocked.map((why) => `nothing is deleted while ${why}`)] });
    else remove.push({ point, reasons: expired });
    // While deletion is blocked, older points may be required soon, so they stay in a class that can be read at once.
    const transition = blocked.length > 0 ? undefined : colder(point, holding, options.storageClasses ?? STORAGE_CLASSES);
    if (transition !== undefined) transitions.push(transition);
  }
  if (options.most === true || remove.length <= Math.max(FEW, keep.length)) return { keep, remove, transitions, blocked };
  const why = `${remove.length} of ${sorted.length} restore points would expire at once, more than half`;
  return { ...decide(sorted, policy, now, { ...options, blocked: [why] }), withheld: remove };
}

/** Returns the expected expiry of a backup made for these tiers, the end of the last one. Undefined: never. A manual backup has no tiers. */
export function expectedExpiry(tiers: readonly string[], policy: RetentionPolicy, snapshotAt: Date): Date | undefined {
  const keeps =
    tiers.length === 0
      ? [policy.keepManualMs ?? "forever"]
      : policy.tiers.filter((tier) => tiers.includes(tier.tier)).map((tier) => tier.keepMs);
  if (keeps.length === 0 || keeps.includes("forever")) return undefined;
  return new Date(snapshotAt.getTime() + Math.max(...keeps.map(Number)));
}

/** Returns the reasons to delete nothing, as sentences. */
function blockers(points: readonly RestorePoint[], policy: RetentionPolicy, now: Date, options: ExpireOptions): string[] {
  const why: string[] = [];
  if (options.lastAttemptFailed === true) why.push("the last backup failed");
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

/** Returns the points that are kept regardless of the policy, with the reasons. */
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
  return [`${by} put it on hold on ${formatInstant(at)}${reason === undefined ? "" : `: ${reason}`}`];
}

/** Returns every reason why the policy keeps or kept the point. Never empty. Substitution counts once the recorded tiers have ended. */
function keepReasonsOf(
  point: RestorePoint,
  policy: RetentionPolicy,
  duties: readonly StandIn[],
  now: Date,
  extra: KeepReason | undefined,
): KeepReason[] {
  const more = extra === undefined ? [] : [extra];
  // A base backup serves the window. A dump made by hand follows its own rule, even when the window uses it too.
  const forWindow = point.kind === "base" && extra !== undefined && point.expiresAt === undefined;
  if (point.tiers.length === 0) return forWindow ? more : [manualKeepReason(point, policy), ...more];
  const keepReasons = point.tiers.map((name): KeepReason => {
    const tier = policy.tiers.find((known) => known.tier === name);
    if (tier !== undefined) return { until: after(point, tier.keepMs), says: `tier ${name}`, tier };
    const recorded = point.expiresAt === undefined ? ", which recorded no expiry" : "";
    return { until: point.expiresAt ?? "forever", says: `tier ${name}, which is no longer in the policy${recorded},` };
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

/** A reason is no longer active at the instant of its end. */
const isActive = (reason: KeepReason, now: Date): boolean => reason.until === "forever" || reason.until > now;

const keeps = ({ until, says }: KeepReason): string =>
  `${says} keeps it ${until === "forever" ? "forever" : `until ${formatInstant(until)}`}`;
const kept = ({ until, says }: KeepReason): string =>
  `${says} kept it ${until === "forever" ? "forever" : `until ${formatInstant(until)}`}`;

/** Returns the move to the warmest class among the tiers that still keep the point, if it is colder than the present class. */
function colder(point: RestorePoint, holding: readonly KeepReason[], classes: readonly string[]): Transition | undefined {
  const tiers = holding.flatMap((reason) => reason.tier ?? []);
  const from = point.storageClass ?? classes[0];
  const to = warmestClass(tiers, classes);
  if (tiers.length < holding.length || from === undefined || to === undefined || !isColder(to, from, classes)) return undefined;
  return { point, from, to, reason: `${to} is the warmest class of the tiers that keep it: ${holding.map(keeps).join("; ")}` };
}
