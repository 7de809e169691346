// A source that was just added has no backup yet. While its schedule makes the first one, that does not alarm: the finding waits, for a while.
import { type Alert, alertIdentity, hiddenFrom, type Look } from "./alerts.ts";
import type { HealthCode } from "./monitors.ts";
import { OVERDUE_GRACE_MS } from "./tiers.ts";

/** What is true of every source until its first backup. */
const UNTIL_FIRST: readonly HealthCode[] = ["NO_BACKUP", "NO_BASE"];

/** How long the first backup may take: as long as any scheduled one, and while it runs, a day. */
const MOST_MS = { due: OVERDUE_GRACE_MS, running: 24 * 3_600_000 } as const;

/** A source that was seen to wait for its first backup. */
export interface Awaited {
  readonly source: string;
  /** When that was seen first. */
  readonly since: Date;
}

export const isUntilFirst = (code: HealthCode): boolean => UNTIL_FIRST.includes(code);

/**
 * Withholds the findings of sources that wait for their first backup, and returns these sources and all that are waited for. What is open
 * stays open, and no source is waited for longer than the first look at it allows.
 */
export function withholdFirst(
  looks: readonly Look[],
  open: readonly Alert[],
  awaited: readonly Awaited[],
  now: Date,
): {
  readonly looks: readonly Look[];
  readonly withheld: ReadonlySet<string>;
  readonly awaited: readonly Awaited[];
  /** The sources that are waited for are those of before. */
  readonly isSame: boolean;
} {
  const known = new Map(awaited.map((one) => [one.source, one]));
  const opened = new Set(open.map(alertIdentity));
  const withheld = new Set<string>();
  const after = looks.map((look): Look => {
    const { source, firstBackup, reasons } = look;
    if (source === null) return look;
    if (firstBackup === undefined) {
      known.delete(source);
      return look;
    }
    const before = known.get(source);
    const one = before === undefined || before.since > now ? { source, since: now } : before;
    known.set(source, one);
    if (now.getTime() - one.since.getTime() >= MOST_MS[firstBackup]) return look;
    const isWaiting = (code: HealthCode): boolean => isUntilFirst(code) && !opened.has(alertIdentity({ source, code }));
    if (!reasons.some(({ code }) => isWaiting(code))) return look;
    withheld.add(source);
    return { ...look, blindTo: hiddenFrom(look), reasons: reasons.filter(({ code }) => !isWaiting(code)) };
  });
  const isSame = known.size === awaited.length && awaited.every((one) => known.get(one.source) === one);
  return { looks: after, withheld, awaited: [...known.values()].sort((a, b) => (a.source < b.source ? -1 : 1)), isSame };
}
