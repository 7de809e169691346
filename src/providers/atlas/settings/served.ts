// Which rules of the policy a snapshot of Atlas's schedule was made for: a missing weekly one must show, however many daily ones there are.
import { previousSlot } from "../../../core/cron.ts";
import type { PointRule } from "../../../ports/descriptor.ts";
import type { AtlasSnapshot } from "../api/types.ts";
import { isRarer, translateRule } from "./schedule.ts";

/** Atlas takes one snapshot for all that is due at its time of the day, and names the rarest; it takes a while to begin. */
const SAME_MS = 12 * 3_600_000;

/** Names of the rules; undefined where Atlas does not say how often one like it is taken. */
export function rulesServed({ frequency, createdAt, onDemand }: AtlasSnapshot, rules: readonly PointRule[]): string[] | undefined {
  if (onDemand || frequency === undefined || createdAt === undefined) return undefined;
  const serves = (rule: PointRule): boolean => {
    const translated = translateRule(rule);
    // What Atlas cannot follow is named as that; it is not missed on top.
    if ("why" in translated) return true;
    if (translated.item.frequency === frequency) return true;
    const slot = isRarer(frequency, translated.item.frequency) ? previousSlot(rule.cron, createdAt) : undefined;
    return slot !== undefined && createdAt.getTime() - slot.getTime() <= SAME_MS;
  };
  return rules
    .filter(({ by }) => by !== "snapshot" && by !== "branch")
    .filter(serves)
    .map(({ name }) => name);
}
