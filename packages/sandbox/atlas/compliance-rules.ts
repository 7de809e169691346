// What a Backup Compliance Policy forbids.
import { refused } from "./errors.ts";
import { type PolicyItem, rankOf, retentionDays } from "./schedule-rules.ts";
import type { Snapshot, Store } from "./state.ts";

const NAMED = "the project's Backup Compliance Policy";

/** No snapshot can be deleted while a policy is on. */
export function requireSnapshotDeletable(store: Store, snapshot: Snapshot): void {
  if (store.compliance === undefined) return;
  throw refused(
    "BACKUP_COMPLIANCE_POLICY_CANNOT_DELETE_SNAPSHOT",
    `Snapshot ${snapshot.id} cannot be deleted: ${NAMED} protects it.`,
    snapshot.id,
  );
}

export function requireNoDecrease(store: Store, snapshot: Snapshot, expiresAt: Date): void {
  if (store.compliance === undefined || expiresAt >= snapshot.expiresAt) return;
  throw refused(
    "BACKUP_COMPLIANCE_POLICY_CANNOT_DECREASE_RETENTION",
    `The retention of snapshot ${snapshot.id} cannot be shortened: ${NAMED} protects it.`,
    snapshot.id,
  );
}

/** The policy may say how long at least an on-demand snapshot is kept. */
export function requireKeptLongEnough(store: Store, retentionInDays: number): void {
  const least = store.compliance?.settings.onDemandPolicyItem as PolicyItem | null | undefined;
  if (least === undefined || least === null || retentionInDays >= retentionDays(least)) return;
  throw refused(
    "BACKUP_COMPLIANCE_POLICY_CANNOT_DECREASE_RETENTION",
    `${NAMED} keeps on-demand snapshots for ${least.retentionValue} ${least.retentionUnit}.`,
    retentionInDays,
  );
}

/** A schedule holds at least what the policy asks for. */
export function requireScheduleWithin(store: Store, items: readonly PolicyItem[], windowDays: number): void {
  const settings = store.compliance?.settings;
  if (settings === undefined) return;
  for (const least of (settings.scheduledPolicyItems ?? []) as readonly PolicyItem[]) {
    const kept = items.filter((item) => item.frequencyType === least.frequencyType);
    if (kept.length === 0 || kept.some((item) => retentionDays(item) < retentionDays(least)))
      throw refused(
        "BACKUP_POLICIES_NOT_MEETING_BACKUP_COMPLIANCE_POLICY_REQUIREMENTS",
        `${NAMED} needs ${least.frequencyType} snapshots for ${least.retentionValue} ${least.retentionUnit}.`,
        least.frequencyType,
      );
  }
  const least = Number(settings.restoreWindowDays ?? 0);
  if (windowDays < least)
    throw refused(
      "BACKUP_POLICIES_NOT_MEETING_BACKUP_COMPLIANCE_POLICY_REQUIREMENTS",
      `${NAMED} needs a restore window of ${least} days.`,
      windowDays,
    );
}

/** Extends the items of a schedule to what a policy requires: longer retentions stay. */
export function raised(items: readonly PolicyItem[], least: readonly PolicyItem[], mint: () => string): PolicyItem[] {
  const lifted = items.map((item) => {
    const wanted = least.find((each) => each.frequencyType === item.frequencyType);
    if (wanted === undefined || retentionDays(item) >= retentionDays(wanted)) return item;
    return { ...item, retentionUnit: wanted.retentionUnit, retentionValue: wanted.retentionValue };
  });
  const added = least
    .filter((wanted) => !items.some((item) => item.frequencyType === wanted.frequencyType))
    .map((wanted) => ({ ...wanted, id: mint() }));
  return [...lifted, ...added].sort((a, b) => rankOf(a) - rankOf(b));
}
