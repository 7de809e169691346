// What the policy comes to at Atlas: items and one time of the day, with the rules that Atlas cannot follow set apart.

import type { PointRule } from "../../../ports/descriptor.ts";
import type { AtlasPolicyItem } from "../api/types.ts";
import type { AtlasOptions } from "../options.ts";
import { type DesiredItem, describeTime, keyOf, translateRule } from "./schedule.ts";

export interface DesiredSchedule {
  readonly items: readonly AtlasPolicyItem[];
  readonly at?: { readonly hour: number; readonly minute: number } | undefined;
  readonly impossible: readonly { readonly rule: PointRule; readonly why: string }[];
}

const isAtlas = ({ by }: PointRule): boolean => by !== "snapshot";

/** Rules are taken in order: where two want what only one can have, the first has it. */
export function desiredSchedule({ desired }: Pick<AtlasOptions, "desired">): DesiredSchedule {
  const items: AtlasPolicyItem[] = [];
  const impossible: { rule: PointRule; why: string }[] = [];
  let time: { readonly at: NonNullable<DesiredItem["at"]>; readonly rule: PointRule } | undefined;
  for (const rule of desired.rules.filter(isAtlas)) {
    const translated = translateRule(rule);
    if ("why" in translated) {
      impossible.push({ rule, why: translated.why });
      continue;
    }
    const { item, at } = translated;
    if (items.some((one) => keyOf(one) === keyOf(item))) {
      impossible.push({ rule, why: `Atlas takes one ${item.frequency} item of a kind, and another rule has it already` });
    } else if (at !== undefined && time !== undefined && (at.hour !== time.at.hour || at.minute !== time.at.minute)) {
      const first = `${describeTime(time.at)}, that of ${time.rule.name}`;
      impossible.push({
        rule,
        why: `Atlas takes all its snapshots of a day at one time, ${first}; use \`by: snapshot\`, or the same time`,
      });
    } else {
      items.push(item);
      if (at !== undefined) time ??= { at, rule };
    }
  }
  return { items, at: time?.at, impossible };
}

const DAY_MS = 86_400_000;

/** Whole days; undefined: no spec. */
export function wantedWindowDays({ desired }: Pick<AtlasOptions, "desired">): number | undefined {
  return desired.windowMs === undefined || desired.windowMs <= 0 ? undefined : Math.ceil(desired.windowMs / DAY_MS);
}

/** Continuous backup belongs to every policy but one that desired for a window of nothing. */
export const wantsPit = ({ desired }: Pick<AtlasOptions, "desired">): boolean => desired.windowMs !== 0;
