// The schedule of a source: what its policy and its drills make when, and what of it is due. Everything is computed from the
// configuration and the repository, so that no process has to remember anything.
import { nextSlot, previousSlot } from "../../core/cron.ts";
import { isPaused, readPauses } from "../../repository/pauses.ts";
import { dueOf } from "../backup/due.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Failure } from "../operation.ts";
import { summariesOf } from "../points/points.ts";
import { dueDrills } from "../recovery/drills-due.ts";
import { type ExpiryWait, expiryWait, isExpiryDue } from "../retention/expiry-due.ts";
import { delayOf, failureOf, slotsDueAt } from "../sources.ts";
import { type JobsSince, jobsReadOnce } from "./shared.ts";

export interface Scheduled {
  readonly what: "backup" | "base backup" | "snapshot" | "drill" | "expire";
  /** Tier, rule or drill. */
  readonly name: string;
  /** In UTC, unless it names a time zone. */
  readonly cron: string;
  readonly due: boolean;
  /** It was tried in this slot and could not be done. */
  readonly waits?: ExpiryWait | undefined;
  readonly lastSlot: Date | undefined;
  readonly nextSlot: Date | undefined;
}

/** A piece of work that is due: an operation to run once. */
export interface DueWork {
  /** Names the slot: `backup:shop:2026-11-29T02:00:00.000Z`. */
  readonly key: string;
  readonly operation: "backup" | "drill" | "expire";
  /** Does what is due, and nothing when it was done meanwhile. */
  readonly request: { readonly source: string; readonly due: true };
  readonly source: string;
}

type Rule = Pick<Scheduled, "what" | "name" | "cron">;

/** What the configuration schedules of a source, by the operation that does it. The provider's own schedule is not part of it. */
function rulesOf(source: Source): Readonly<Record<DueWork["operation"], readonly Rule[]>> {
  const { policy, baseCron, expireCron, engine, snapshotPolicy, drills = [] } = source;
  const rules = source.managed === true ? (snapshotPolicy?.rules.filter(({ by }) => by !== "provider") ?? []) : [];
  return {
    backup: [
      ...policy.tiers.map(({ tier: name, cron }) => ({ what: "backup", name, cron }) as const),
      ...(baseCron === undefined || engine.physical === undefined ? [] : [{ what: "base backup", name: "base", cron: baseCron } as const]),
      ...rules.map(({ name, cron }) => ({ what: "snapshot", name, cron }) as const),
    ],
    drill: drills.map(({ name, cron }) => ({ what: "drill", name, cron })),
    expire: expireCron === undefined ? [] : [{ what: "expire", name: "expire", cron: expireCron }],
  };
}

/** Whether the schedule of the source makes backups or snapshots of it. */
export const makesBackups = (source: Source): boolean => rulesOf(source).backup.length > 0;

const OPERATIONS = ["backup", "drill", "expire"] as const;

/** The names of the rules of an operation that are due at an instant, each with its kind before it. */
const DUE: Readonly<
  Record<DueWork["operation"], (context: Context, source: Source, watch: Watch, at: Date, jobs?: JobsSince) => Promise<ReadonlySet<string>>>
> = {
  async backup(context, source, watch, at) {
    const { tiers, base, rules } = await dueOf(context, source, watch, at);
    return new Set([
      ...tiers.map((tier) => `backup ${tier}`),
      ...(base ? ["base backup base"] : []),
      ...rules.map(({ name }) => `snapshot ${name}`),
    ]);
  },
  async drill(context, source, watch, at) {
    // There is nothing to restore before the first backup.
    if (source.policy.tiers.length > 0 && (await summariesOf(context, source.name)).length === 0) return new Set();
    return new Set((await dueDrills(context, source, watch, at)).map(({ plan }) => `drill ${plan.name}`));
  },
  async expire(context, source, watch, at, jobs) {
    return new Set((await isExpiryDue(context, source, watch, at, jobs)) ? ["expire expire"] : []);
  },
};

/** What is scheduled for the source, in the order of the next slots. `jobs`: journals that are read once for several sources. */
export async function scheduleOf(
  context: Context,
  source: Source,
  watch: Watch,
  jobs: JobsSince = jobsReadOnce(context, watch.signal),
): Promise<Scheduled[]> {
  const now = context.clock.now();
  const rules = rulesOf(source);
  const entries: Scheduled[] = [];
  for (const operation of OPERATIONS) {
    if (rules[operation].length === 0) continue;
    const due = await DUE[operation](context, source, watch, slotsDueAt(source, now), jobs);
    const waits = operation === "expire" ? await expiryWait(context, source, jobs, slotsDueAt(source, now)) : undefined;
    for (const rule of rules[operation])
      entries.push({ ...rule, due: due.has(`${rule.what} ${rule.name}`), waits, ...slotsOf(source, rule.cron, now) });
  }
  return entries.sort((a, b) => (a.nextSlot?.getTime() ?? 0) - (b.nextSlot?.getTime() ?? 0));
}

/** The slots around the instant, each after the delay of the source. A slot whose delay has not passed yet is the next one. */
function slotsOf(source: Source, cron: string, now: Date): Pick<Scheduled, "lastSlot" | "nextSlot"> {
  const later = (slot: Date | undefined): Date | undefined => slot && new Date(slot.getTime() + delayOf(source));
  const at = slotsDueAt(source, now);
  return { lastSlot: later(previousSlot(cron, at)), nextSlot: later(nextSlot(cron, at)) };
}

/** When the schedule of the source next asks for work. Computed without looking at the repository. */
export function nextSlotOf(source: Source, now: Date): Date | undefined {
  const slots = Object.values(rulesOf(source)).flatMap((rules) => rules.flatMap(({ cron }) => slotsOf(source, cron, now).nextSlot ?? []));
  return slots.reduce<Date | undefined>((first, slot) => (first === undefined || slot < first ? slot : first), undefined);
}

/**
 * The work of the source that is due, one item for each operation. What cannot be judged is a failure, and keeps nothing else from its
 * turn. `jobs`: journals that are read once for several sources.
 */
export async function dueWork(
  context: Context,
  source: Source,
  watch: Watch,
  jobs?: JobsSince,
): Promise<{ work: DueWork[]; failures: Failure[] }> {
  const now = context.clock.now();
  const rules = rulesOf(source);
  const work: DueWork[] = [];
  const failures: Failure[] = [];
  for (const operation of OPERATIONS) {
    const slots = new Map(rules[operation].map(({ what, name, cron }) => [`${what} ${name}`, slotsOf(source, cron, now).lastSlot]));
    if (slots.size === 0) continue;
    try {
      const due = [...(await DUE[operation](context, source, watch, slotsDueAt(source, now), jobs))].flatMap(
        (name) => slots.get(name) ?? [],
      );
      if (due.length === 0) continue;
      const slot = new Date(Math.max(...due.map((at) => at.getTime()))).toISOString();
      work.push({
        key: `${operation}:${source.name}:${slot}`,
        operation,
        request: { source: source.name, due: true },
        source: source.name,
      });
    } catch (error) {
      watch.signal.throwIfAborted();
      failures.push(failureOf(source.name, error));
    }
  }
  return { work, failures };
}

/** The sources whose scheduled work is not paused. */
export async function unpaused(context: Context, sources: readonly Source[], signal: AbortSignal): Promise<Source[]> {
  const pauses = await readPauses(context.repository, signal);
  return sources.filter(({ name }) => !isPaused(pauses.get(name), context.clock.now()));
}
