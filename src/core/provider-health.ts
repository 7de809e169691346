// Findings about a provider's settings, as reasons of health. Drift caused by a cap of the provider's plan raises no alarm; it makes the
// verdict inconclusive, because Lifeboat cannot fix it.
import { formatDuration, formatInstant } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import { missedSlot, type Tier } from "./tiers.ts";

export interface ProviderFacts {
  /** Why the provider could not be queried, in one sentence. */
  readonly notAsked?: string | undefined;
  /** How far back any instant must be reachable. */
  readonly windowMs?: number | undefined;
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  readonly limits: readonly { readonly name: string; readonly used: number; readonly max?: number | undefined }[];
  readonly drift: readonly { readonly setting: string; readonly message: string; readonly blocked?: string | undefined }[];
  /** The snapshot rules, and the newest snapshot of each. */
  readonly rules: readonly {
    readonly tier: Tier;
    readonly newest?: Date | undefined;
    /** When the provider's schedule was first known to run. A snapshot that was due earlier cannot be missing. */
    readonly since?: Date | undefined;
  }[];
  /** The names of orphaned scratch resources. */
  readonly orphans?: readonly string[] | undefined;
  readonly now: Date;
}

/** The use of a limit that causes a warning (R3). */
export const LIMIT_NEAR_SHARE = 0.8;

export function* providerReasons(facts: ProviderFacts): Iterable<HealthReason> {
  const { notAsked, windowMs, window, limits, drift } = facts;
  if (notAsked !== undefined) {
    yield { code: "PROVIDER_NOT_ASKED", message: `the provider's settings are not known: ${notAsked}` };
    return;
  }
  const off = window === undefined && windowMs !== undefined && windowMs > 0;
  if (off) yield { code: "PITR_OFF", message: `no past instant can be reached (configured window: ${formatDuration(windowMs)})` };
  for (const { setting, message, blocked } of drift) {
    if (setting === HISTORY && off) continue;
    if (blocked !== undefined) yield { code: "DRIFT", message: `${message}: ${blocked}` };
    else yield { code: CODES[setting] ?? "DRIFT", message };
  }
  yield* overdue(facts);
  for (const name of facts.orphans ?? []) {
    yield { code: "ORPHANED_SCRATCH", message: `scratch ${name} is orphaned and costs money: run \`lifeboat jobs recover\`` };
  }
  for (const { name, used, max } of limits) {
    if (max === undefined || max <= 0 || used / max < LIMIT_NEAR_SHARE) continue;
    yield { code: "LIMIT_NEAR", message: `${Math.round((used / max) * 100)} % of ${name} are used` };
  }
}

const HISTORY = "history window";
const CODES: Readonly<Record<string, "WINDOW_SHORT" | "PROTECTION_OFF">> = { [HISTORY]: "WINDOW_SHORT", protection: "PROTECTION_OFF" };

function* overdue({ rules, now }: ProviderFacts): Iterable<HealthReason> {
  for (const { tier, newest, since } of rules) {
    if (newest === undefined) {
      const due = since && missedSlot([tier], since, now);
      if (since !== undefined && due === undefined) continue;
      const when = due === undefined ? "" : `, and one was due on ${formatInstant(due.slot)}`;
      yield { code: "SNAPSHOT_OVERDUE", message: `there is no snapshot ${tier.tier}${when}` };
      continue;
    }
    const missed = missedSlot([tier], newest, now);
    if (missed === undefined) continue;
    const message = `the newest snapshot ${tier.tier} is of ${formatInstant(newest)}, and none was made on ${formatInstant(missed.slot)}`;
    yield { code: "SNAPSHOT_OVERDUE", message };
  }
}
