// Settings that protect a source, compared with what was observed before: protection that was lowered is noticed although no policy names it.
import { formatDuration } from "./duration.ts";
import type { HealthReason } from "./monitors.ts";

export const PROTECTIONS = ["history", "backup", "retention", "deletion"] as const;

/** How far a setting protects the source. */
export interface Protection {
  /**
   * `history`: how far back any instant can be reached. `backup`: whether the provider makes backups of its own. `retention`: how long it
   * keeps them. `deletion`: whether production is protected against being deleted.
   */
  readonly kind: (typeof PROTECTIONS)[number];
  /** Seconds for `history` and `retention`; otherwise 1 for on. 0: off. */
  readonly level: number;
}

/** What protected the source at most, by the beats before. */
export interface Observed extends Protection {
  readonly source: string;
}

/** Yields what protects less than before. `satisfied`: kinds that are as the policy asks. */
export function* loweredReasons(
  before: readonly Protection[],
  now: readonly Protection[],
  satisfied: ReadonlySet<Protection["kind"]>,
): Iterable<HealthReason> {
  for (const { kind, level } of now) {
    const was = before.find((one) => one.kind === kind)?.level ?? 0;
    if (level >= was || satisfied.has(kind)) continue;
    const kept = formatDuration(was * 1000);
    if (kind === "backup") yield { code: "BACKUP_OFF", message: "the provider's own backup is off, and it was on" };
    else if (kind === "deletion") yield { code: "PROTECTION_OFF", message: "protection against deletion is off, and it was on" };
    else if (kind === "history" && level === 0) {
      yield { code: "PITR_OFF", message: `no past instant can be reached; the provider kept ${kept} of history before` };
    } else {
      const what = kind === "history" ? "history" : "its snapshots";
      const keeps = level === 0 ? "no longer keeps" : `keeps ${formatDuration(level * 1000)} of`;
      yield { code: "RETENTION_LOWERED", about: kind, message: `the provider ${keeps} ${what}; it kept ${kept} before` };
    }
  }
}

/** What the next beat compares with: the most that was observed, and what is as the policy asks. */
export function observe(
  before: readonly Protection[],
  now: readonly Protection[],
  satisfied: ReadonlySet<Protection["kind"]>,
): Protection[] {
  const kinds = new Map([...before, ...now].map(({ kind }) => [kind, 0]));
  return [...kinds.keys()].map((kind) => {
    const was = before.find((one) => one.kind === kind)?.level ?? 0;
    const is = now.find((one) => one.kind === kind)?.level;
    return { kind, level: is !== undefined && satisfied.has(kind) ? is : Math.max(was, is ?? 0) };
  });
}
