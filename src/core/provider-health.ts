// What a provider's settings say about protection, as reasons of health. Drift that a plan's cap causes is no alarm of its own:
// it is said, and makes the verdict inconclusive, for nobody can mend it from here.
import { formatDuration, formatInstant } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import { missedSlot, type Tier } from "./tiers.ts";

export interface ProviderFacts {
  /** Why the provider could not be asked, in one sentence. */
  readonly notAsked?: string | undefined;
  /** How far back any instant is to be reachable. */
  readonly windowMs?: number | undefined;
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  readonly limits: readonly { readonly name: string; readonly used: number; readonly max?: number | undefined }[];
  readonly drift: readonly { readonly setting: string; readonly message: string; readonly blocked?: string | undefined }[];
  /** Rules of snapshots, and the newest point of each. */
  readonly rules: readonly {
    readonly tier: Tier;
    readonly newest?: Date | undefined;
    /** Since when the provider's schedule is known to run: what was not due since cannot be missing. */
    readonly since?: Date | undefined;
  }[];
  /** Names of scratch places that no job is responsible for. */
  readonly orphans?: readonly string[] | undefined;
  readonly now: Date;
}

/** Use of a limit from which it is warned of (R3). */
export const LIMIT_NEAR_SHARE = 0.8;

export function* providerReasons(facts: ProviderFacts): Iterable<HealthReason> {
  const { notAsked, windowMs, window, limits, drift } = facts;
  if (notAsked !== undefined) {
    yield { code: "PROVIDER_NOT_ASKED", message: `the provider's settings are not known: ${notAsked}` };
    return;
  }
  const off = window === undefined && windowMs !== undefined && windowMs > 0;
  if (off) yield { code: "PITR_OFF", message: `no past instant can be reached, and ${formatDuration(windowMs)} are wanted` };
  for (const { setting, message, blocked } of drift) {
    if (setting === HISTORY && off) continue;
    if (blocked !== undefined) yield { code: "DRIFT", message: `${message}: ${blocked}` };
    else yield { code: CODES[setting] ?? "DRIFT", message };
  }
  yield* overdue(facts);
  for (const name of facts.orphans ?? []) {
    yield { code: "ORPHANED_SCRATCH", message: `scratch ${name} is still there and costs money: run \`lifeboat jobs recover\`` };
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
