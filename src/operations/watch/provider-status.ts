// What the provider reports about a source now: settings, window, limits, drift; and the health reasons that follow.
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { type Observed, observe, type Protection } from "../../core/protection.ts";
import { loweredOf, providerReasons, satisfiedBy } from "../../core/provider-health.ts";
import { byTime, type RestorePoint } from "../../core/restore-point.ts";
import type { ProviderState } from "../../ports/control.ts";
import type { Context, Source, Watch } from "../context.ts";
import { nameOfOrphan, orphansOf } from "../jobs/orphans.ts";
import { isScheduled, type SnapshotEntry, snapshotsOf, tierOfRule } from "../points/snapshots.ts";

export interface ProviderStatus {
  readonly state?: ProviderState | undefined;
  /** Why the provider could not be asked: what it holds is then unknown, not none. */
  readonly notAsked?: string | undefined;
  readonly reasons: readonly HealthReason[];
  /** Of the reasons: what protects less than earlier beats observed. */
  readonly lowered?: readonly HealthReason[] | undefined;
  /** What the next beat compares with. Absent: the provider does not report it. */
  readonly observed?: readonly Protection[] | undefined;
  /** Points that the provider holds, without those that a restore set aside; their sizes are those of the changes, not of the data. */
  readonly points: readonly RestorePoint[];
}

const ASK_MS = 30_000;

/** Undefined for a provider without a control plane. What it does not answer becomes a reason, never an error. */
export async function providerStatus(
  context: Context,
  source: Source,
  watch: Watch,
  observed: readonly Observed[] = [],
): Promise<ProviderStatus | undefined> {
  if (source.managed !== true) return undefined;
  const now = context.clock.now();
  const none = { limits: [], drift: [], rules: [], now };
  const deadline = AbortSignal.timeout(ASK_MS);
  try {
    const work = { signal: AbortSignal.any([watch.signal, deadline]) };
    const state = await source.provider.settings?.read(work);
    const records: HealthReason[] = [];
    const entries = await snapshotsOf(context, source, work, (flaw) => records.push(flaw));
    const orphans = (await orphansOf(context, source, work)).map(nameOfOrphan);
    const { limits = [], drift = [], window, protections } = state ?? {};
    const rules = rulesOf(source, entries);
    const before = observed.filter((one) => one.source === source.name);
    const scheduled = source.snapshotPolicy?.rules.some(({ by }) => by === "provider") === true;
    const facts = { windowMs: source.windowMs, window, limits, drift, rules, orphans, now, protections, scheduled, observed: before };
    return {
      state,
      reasons: [...records, ...providerReasons(facts)],
      lowered: loweredOf(facts),
      observed: protections && observe(before, protections, satisfiedBy(facts)),
      points: entries
        .filter(isScheduled)
        .map(({ point }) => point)
        .sort(byTime),
    };
  } catch (error) {
    watch.signal.throwIfAborted();
    const isLate = deadline.aborted && !isLifeboatError(error);
    const notAsked = isLate ? `the provider's API did not answer within ${ASK_MS / 1000} s` : asLifeboatError(error).message;
    return { notAsked, reasons: [...providerReasons({ ...none, notAsked })], points: [] };
  }
}

function rulesOf(source: Source, entries: readonly SnapshotEntry[]) {
  return (source.snapshotPolicy?.rules ?? []).map((rule) => {
    const made = entries.filter(
      (entry) => isScheduled(entry) && (rule.by === "provider" ? isMadeFor(rule.name, entry) : entry.record?.rule === rule.name),
    );
    const newestMs = Math.max(...made.map(({ point }) => point.time.getTime()));
    const oldest = rule.by === "provider" ? entries.find(({ scheduled }) => scheduled)?.point.time : undefined;
    return { tier: tierOfRule(rule), newest: made.length === 0 ? undefined : new Date(newestMs), since: oldest };
  });
}

/** Where the provider does not say which rule a point serves, each of its own points serves all rules. */
const isMadeFor = (rule: string, { scheduled, snapshot }: SnapshotEntry): boolean =>
  scheduled === true && (snapshot.rules?.includes(rule) ?? true);
