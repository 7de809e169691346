// What the history of a row would ask, what of it is fetched, and how long it takes.
import { microsOf } from "../../core/micros.ts";
import type { Plan } from "../../core/plan.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";
import { type Asks, asksOf, PROVIDER_LOOKS, rowHistoryOf } from "./history-asks.ts";
import { type HistoryRequest, paid } from "./history-part.ts";
import { partOf } from "./load.ts";
import { clusterPart, completePlan, type PlanPart, scratchIn } from "./plan.ts";
import { replayTo } from "./replay.ts";

/** Nothing is touched, and none of the data is read. */
export async function planHistory(context: Context, source: Source, request: HistoryRequest, watch: Watch): Promise<Plan> {
  rowHistoryOf(source);
  const asks = await asksOf(context, source, request, watch);
  const { table } = request.row;
  const parts: PlanPart[] = [nowPart(source, table, asks), backupsPart(table, asks)];
  for (const ask of asks.logs) {
    if (source.engine.physical === undefined) parts.push(entriesPart(ask.base, ask.sizeBytes, table, ask.to));
    else {
      const replay = await replayTo(context, source, { kind: "time", at: ask.to }, watch.signal);
      parts.push(
        clusterPart(context, { ...replay, base: ask.base }, scratchIn(context)),
        lookPart(`${table} after each transaction that may have written the row`),
      );
    }
  }
  if (asks.provider !== undefined || asks.snapshots.length > 0) parts.push(providerPart(source, request, asks));
  const first = asks.backups[0]?.point.time ?? context.clock.now();
  const what = [
    counted(asks.backups.length, "backup"),
    counted(asks.logs.length, "log window"),
    counted(asks.snapshots.length, "snapshot"),
  ].join(", ");
  const told = {
    kind: asks.logs.length > 0 && source.engine.physical !== undefined ? "cluster" : "copy",
    what,
    why: "each is asked in the cheapest way",
  } as const;
  return completePlan(
    context,
    {
      verb: "history",
      source,
      resolved: { asked: { kind: "time", at: request.to ?? microsOf(context.clock.now()) }, told },
      into: "scratch",
      request: { table, from: request.from ?? microsOf(first), to: request.to ?? "now", limit: request.limit },
      parts,
    },
    watch,
  );
}

const lookPart = (subject: string): PlanPart => ({
  steps: [{ action: "read", subject, effect: "none", reason: "each state of the row is shown" }],
  timed: [{ name: "look" }],
});

function nowPart({ engine, name }: Source, table: string, { now }: Asks): PlanPart {
  const { row } = wordsOf(engine.name);
  if (!now) return { steps: [], timed: [] };
  return {
    steps: [
      {
        action: "read",
        subject: `the ${row} of ${table} in ${name} as it is now`,
        effect: "none",
        reason: "it is the end of the time line",
      },
    ],
    timed: [],
  };
}

function backupsPart(table: string, { backups }: Asks): PlanPart {
  return {
    steps: backups.map(({ point }) => ({
      action: "read",
      subject: `${table} in backup ${point.name} (${point.id}), without a restore`,
      sizeBytes: point.sizeBytes,
      effect: "none",
      reason: `it holds the data of ${point.time.toISOString()}`,
    })),
    timed: backups.map(({ manifest }) => ({ name: "read", sizeBytes: partOf(manifest, "data").plain.sizeBytes })),
    readBytes: backups.reduce((sum, { point }) => sum + point.sizeBytes, 0),
  };
}

function entriesPart({ point }: Asks["backups"][number], sizeBytes: number, table: string, to: string): PlanPart {
  return {
    steps: [
      {
        action: "read",
        subject: `${table} in backup ${point.name} (${point.id}), without a restore`,
        sizeBytes: point.sizeBytes,
        effect: "none",
        reason: "the oplog begins there",
      },
      { action: "read", subject: `the archived oplog to ${to}`, sizeBytes, effect: "none", reason: "it has every change" },
    ],
    timed: [{ name: "look", sizeBytes: point.sizeBytes + sizeBytes }],
    readBytes: point.sizeBytes + sizeBytes,
  };
}

function providerPart(source: Source, { limit }: HistoryRequest, { provider }: Asks): PlanPart {
  const { place, cost } = historyControl(source);
  const most = limit ?? (paid(source) ? 0 : PROVIDER_LOOKS);
  const reason = provider === undefined ? "each holds one snapshot" : `the provider's history is from ${provider.from} to ${provider.to}`;
  if (most === 0) return { steps: [], timed: [] };
  return {
    steps: [
      { action: "create-scratch", subject: `at most ${most} scratch places (${place}), one after the other`, effect: "create", reason },
      { action: "remove-scratch", subject: "each of them before the next", effect: "none", reason: "a history leaves nothing" },
    ],
    timed: [{ name: "create" }],
    cost,
  };
}
