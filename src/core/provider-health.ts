// Findings about a provider's settings, as reasons of health. Drift caused by a cap of the provider's plan raises no alarm; it makes the
// verdict inconclusive, because Lifeboat cannot fix it.
import { formatDuration, formatInstant } from "./duration.ts";
import type { HealthReason } from "./health.ts";
import { type Limit, limitReasons } from "./limits.ts";
import type { HealthCode } from "./monitors.ts";
import { loweredReasons, type Protection } from "./protection.ts";
import { missedSlot, type Tier } from "./tiers.ts";

export interface ProviderFacts {
  /** Why the provider could not be queried, in one sentence. */
  readonly notAsked?: string | undefined;
  /** How far back any instant must be reachable. */
  readonly windowMs?: number | undefined;
  readonly window?: { readonly earliest: Date; readonly latest: Date } | undefined;
  readonly limits: readonly Limit[];
  readonly protections?: readonly Protection[] | undefined;
  /** What earlier beats observed of the same. */
  readonly observed?: readonly Protection[] | undefined;
  /** The policy names snapshots that the provider's schedule makes. */
  readonly scheduled?: boolean | undefined;
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

export function* providerReasons(facts: ProviderFacts): Iterable<HealthReason> {
  const { notAsked, windowMs, window, limits, drift } = facts;
  if (notAsked !== undefined) {
    yield { code: "PROVIDER_NOT_ASKED", message: `the provider's settings are not known: ${notAsked}` };
    return;
  }
  const off = window === undefined && windowMs !== undefined && windowMs > 0;
  if (off) yield { code: "PITR_OFF", message: `no past instant can be reached (configured window: ${formatDuration(windowMs)})` };
  const lowered = loweredOf(facts);
  const isLowered = (kind: string): boolean => lowered.some(({ about }) => about === kind);
  // Without backups at the provider, neither their schedule nor a missing one is a finding of its own.
  const isBackupOff = drift.some(({ setting }) => CODES[setting] === "BACKUP_OFF") || lowered.some(({ code }) => code === "BACKUP_OFF");
  const found = new Set<string>();
  for (const { setting, message, blocked } of drift) {
    const code = CODES[setting] ?? "DRIFT";
    // Told once: as what was lowered, which says more than what the policy asks for.
    if ((off || isLowered("history")) && (code === "WINDOW_SHORT" || code === "PITR_OFF")) continue;
    if ((isBackupOff || isLowered("retention")) && setting === SCHEDULE) continue;
    if (blocked === undefined) found.add(code);
    if (blocked !== undefined || code === "DRIFT")
      yield { code: "DRIFT", about: setting, message: blocked === undefined ? message : `${message}: ${blocked}` };
    else yield { code, message };
  }
  yield* lowered.filter(({ code }) => !found.has(code) && !(off && code === "PITR_OFF"));
  if (!isBackupOff) yield* overdue(facts);
  for (const name of facts.orphans ?? []) {
    yield { code: "ORPHANED_SCRATCH", message: `scratch ${name} is orphaned and costs money: run \`lifeboat jobs recover\`` };
  }
  yield* limitReasons(limits);
}

/** What protects less than earlier beats observed. */
export const loweredOf = (facts: ProviderFacts): HealthReason[] => [
  ...loweredReasons(facts.observed ?? [], facts.protections ?? [], satisfiedBy(facts)),
];

/** Kinds of protection that are as the policy asks: less than before is then not a loss. */
export function satisfiedBy({ windowMs, protections = [], drift, scheduled }: ProviderFacts): ReadonlySet<Protection["kind"]> {
  const history = protections.find(({ kind }) => kind === "history")?.level ?? 0;
  const satisfied = new Set<Protection["kind"]>();
  if (windowMs !== undefined && history * 1000 >= windowMs) satisfied.add("history");
  if (scheduled === true && !drift.some(({ setting }) => setting === SCHEDULE)) satisfied.add("retention");
  return satisfied;
}

const SCHEDULE = "snapshot schedule";
const HISTORY = "history window";
const CODES: Readonly<Record<string, HealthCode>> = {
  [HISTORY]: "WINDOW_SHORT",
  protection: "PROTECTION_OFF",
  "continuous backup": "PITR_OFF",
  "cloud backup": "BACKUP_OFF",
};

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
