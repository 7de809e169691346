// Makes what the policy says is due and is missing, and nothing else. Can be run as often as wanted.

import { previousSlot } from "../../core/cron.ts";
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { isDamaged, isInFuture, type RestorePoint, servingUntilNow, untilNow } from "../../core/restore-point.ts";
import { servedTo, tiersDue } from "../../core/tiers.ts";
import type { Context, Source, Watch } from "../context.ts";
import { summariesOf } from "../points/points.ts";
import { isScheduled, snapshotRetention, snapshotsOf } from "../points/snapshots.ts";
import { slotsDueAt } from "../sources.ts";
import { latestOf } from "../watch/clocks.ts";
import { type BackupResult, backup } from "./backup.ts";
import { type SnapshotResult, snapshot } from "./snapshot.ts";

export interface DueRequest {
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly fingerprint?: boolean | undefined;
}

export interface DueResult {
  readonly made: readonly (BackupResult | SnapshotResult)[];
  /** One failure does not keep the others from being made. */
  readonly failed: readonly { readonly source: string; readonly what: string; readonly error: LifeboatError }[];
}

/** Says what is due. Makes nothing. `at`: only slots up to here. Default: now. */
export async function dueOf(context: Context, source: Source, watch: Watch, at = context.clock.now()) {
  const made = async (of: readonly { readonly point: RestorePoint }[]): Promise<RestorePoint[]> => {
    const points = of.map(({ point }) => point);
    const here = context.clock.now();
    if (!points.some(({ time, servesTo = time }) => isInFuture(time, here) || isInFuture(servesTo, here))) return points;
    // A point of the future must not suppress those that are due before it; the storage's clock tells whether this one is wrong.
    const present = latestOf({ here, storage: await context.repository.storage.now({ signal: watch.signal }) });
    return servingUntilNow(untilNow(points, present), present);
  };
  const points = await made(await summariesOf(context, source.name));
  const rules = source.snapshotPolicy?.rules.filter(({ by }) => by !== "provider") ?? [];
  const tiers = tiersDue(source.policy.tiers, points, at);
  const base = isBaseDue(source, points, at);
  if (rules.length === 0 || source.managed !== true) return { tiers, base, rules: [] };
  const held = await made((await snapshotsOf(context, source, watch)).filter(isScheduled));
  const due = new Set(tiersDue(snapshotRetention(source).tiers, held, at));
  return { tiers, base, rules: rules.filter(({ name }) => due.has(name)) };
}

/** Replay begins at a base backup: the older the newest one, the longer the replay. */
function isBaseDue({ engine, baseCron }: Source, points: readonly RestorePoint[], now: Date): boolean {
  if (engine.physical === undefined || baseCron === undefined) return false;
  const slot = previousSlot(baseCron, now);
  return slot !== undefined && !points.some((point) => point.kind === "base" && !isDamaged(point) && servedTo(point) >= slot);
}

type Due = Awaited<ReturnType<typeof dueOf>>;

/** Says what is due now. What the schedule waits with, for the delay of the source, is made when nothing else is due. */
async function dueNow(context: Context, source: Source, watch: Watch): Promise<Due & { readonly servesTo: Date }> {
  const now = context.clock.now();
  const servesTo = slotsDueAt(source, now);
  const due = await dueOf(context, source, watch, servesTo);
  if (due.tiers.length > 0 || due.base || due.rules.length > 0 || servesTo >= now) return { ...due, servesTo };
  return { ...(await dueOf(context, source, watch, now)), servesTo: now };
}

/** Makes what is due, source by source. */
export async function makeDue(context: Context, sources: Iterable<Source>, request: DueRequest, watch: Watch): Promise<DueResult> {
  const made: (BackupResult | SnapshotResult)[] = [];
  const failed: { source: string; what: string; error: LifeboatError }[] = [];
  const attempt = async (source: Source, what: string, act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      watch.signal.throwIfAborted();
      if (isLifeboatError(error, "NOT_DUE")) return;
      failed.push({ source: source.name, what, error: asLifeboatError(error) });
    }
  };
  for (const source of sources) {
    await attempt(source, "what is due", async () => {
      const { tiers, base, rules, servesTo } = await dueNow(context, source, watch);
      const { reason, note, fingerprint } = request;
      // Another process may have made it before this one got the lease.
      const still = (isDue: (due: Due) => boolean) => async (): Promise<void> => {
        if (!isDue(await dueOf(context, source, watch, servesTo)))
          throw new LifeboatError("NOT_DUE", `another process made what was due of ${source.name}`);
      };
      if (tiers.length > 0) {
        await attempt(source, `backup for ${tiers.join(", ")}`, async () => {
          const kind = source.tables === undefined ? "full" : "tables";
          const confirm = still((due) => tiers.every((tier) => due.tiers.includes(tier)));
          made.push(await backup(context, source, { kind, tiers, servesTo, reason, note, confirm }, watch));
        });
      }
      if (base) {
        await attempt(source, "base backup", async () => {
          const confirm = still((due) => due.base);
          made.push(await backup(context, source, { kind: "base", servesTo, reason, note, confirm }, watch));
        });
      }
      for (const rule of rules) {
        await attempt(source, `snapshot ${rule.name}`, async () => {
          const confirm = still((due) => due.rules.some(({ name }) => name === rule.name));
          made.push(await snapshot(context, source, { rule, servesTo, reason, note, fingerprint, confirm }, watch));
        });
      }
    });
  }
  return { made, failed };
}
