// What can be asked for the history of a row: backups, parts of the log, snapshots, the provider's history, and the source itself.
import { LifeboatError } from "../../core/errors.ts";
import type { Micros } from "../../core/log.ts";
import { microsOf } from "../../core/micros.ts";
import { counted } from "../../core/words.ts";
import type { RowHistory } from "../../ports/row-history.ts";
import { logOn } from "../archive/log-view.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type PointEntry, pointsOf } from "../points/points.ts";
import { type SnapshotEntry, snapshotsOf } from "../points/snapshots.ts";
import { type HistoryRequest, type LogAsk, unknownFor } from "./history-part.ts";

/** What is asked for the history of a row. */
export interface Asks {
  readonly backups: readonly PointEntry[];
  /** Base backups without a log that reaches them. */
  readonly bases: readonly PointEntry[];
  readonly logs: readonly LogAsk[];
  readonly snapshots: readonly SnapshotEntry[];
  /** The provider's history, within these instants. */
  readonly provider?: { readonly from: Micros; readonly to: Micros } | undefined;
  readonly now: boolean;
  readonly notExamined: readonly string[];
  readonly remarks: readonly string[];
}

/** CAPABILITY_MISSING. */
export function rowHistoryOf({ engine, name }: Source): RowHistory {
  if (engine.history !== undefined) return engine.history;
  throw new LifeboatError("CAPABILITY_MISSING", `${name} (${engine.name}) has no history of rows`);
}

/** Branches of a provider that costs little for them. */
export const PROVIDER_LOOKS = 40;

const WITH_ROWS: ReadonlySet<string> = new Set(["full", "data", "tables"]);

/** Lists what can be asked. Reads nothing of the data. */
export async function asksOf(context: Context, source: Source, request: HistoryRequest, watch: Watch): Promise<Asks> {
  const { from, to } = request;
  const points = await pointsOf(context, source.name);
  const inRange = (at: Micros): boolean => (from === undefined || at >= from) && (to === undefined || at <= to);
  const timed = points.map((entry) => ({ entry, at: microsOf(entry.point.time) }));
  const withRows = timed.filter(({ entry }) => WITH_ROWS.has(entry.point.kind));
  const chosen = withRows.filter(({ entry }) => holdsTable(source, entry, request.row.table));
  const backups = chosen.filter(({ at }) => inRange(at));
  // The state in which the range begins.
  const before = from === undefined ? undefined : chosen.findLast(({ at }) => at < from);
  const { windows, log } = await logOn(context, source.name, points, watch.signal);
  const logs: LogAsk[] = [];
  let covered: Micros | undefined = to;
  for (const { earliest, latest, chain, bases } of windows) {
    if (chain.length === 0) continue;
    const begin = from !== undefined && from > earliest ? from : earliest;
    const end = covered !== undefined && covered < latest ? covered : latest;
    const base = points.find(({ point }) => point.id === bases.findLast(({ facts }) => facts.endedAt <= begin)?.id);
    if (begin >= end || base === undefined) continue;
    logs.unshift({ from: begin, to: end, base, sizeBytes: chain.reduce((sum, { stored }) => sum + stored.sizeBytes, 0) });
    covered = begin;
  }
  const inLog = new Set(windows.filter(({ chain }) => chain.length > 0).flatMap(({ bases }) => bases.map(({ id }) => id)));
  const bases = timed.filter(({ entry, at }) => entry.point.kind === "base" && !inLog.has(entry.point.id) && inRange(at));
  const notExamined = gapsOf(logs, bases).map(
    ({ from, to }) => `the log from ${from} to ${to} is missing: what a row was in between is not known`,
  );
  const provider = await providerRange(source, request, watch).catch((error: unknown) => {
    notExamined.push(`the provider's history was not asked: ${unknownFor(error, watch).reason}`);
    return undefined;
  });
  const snapshots = await snapshotsOf(context, source, watch).catch((error: unknown) => {
    notExamined.push(`the provider's points were not listed: ${unknownFor(error, watch).reason}`);
    return [];
  });
  const others = withRows.length - chosen.length;
  return {
    backups: [...(before === undefined ? [] : [before]), ...backups].map(({ entry }) => entry),
    bases: bases.map(({ entry }) => entry),
    logs,
    snapshots: snapshots.filter(({ point }) => inRange(microsOf(point.time))),
    provider,
    now: to === undefined,
    notExamined,
    remarks: [
      ...(others > 0 ? [`${counted(others, "backup")} of other tables cannot be asked`] : []),
      ...log.flaws,
      ...context.catalog.flaws(source.name).map(({ message }) => message),
    ],
  };
}

/** What no log tells between the first and the last instant that one does, or that a base backup without its log is of. */
function gapsOf(logs: readonly LogAsk[], bases: readonly { readonly at: Micros }[]): { readonly from: Micros; readonly to: Micros }[] {
  if (logs.length === 0) return [];
  const told = [...logs, ...bases.map(({ at }) => ({ from: at, to: at }))].sort((a, b) => (a.from < b.from ? -1 : 1));
  const gaps: { from: Micros; to: Micros }[] = [];
  let end: Micros | undefined;
  for (const { from, to } of told) {
    if (end !== undefined && end < from) gaps.push({ from: end, to: from });
    if (end === undefined || end < to) end = to;
  }
  return gaps;
}

/** Of a backup of chosen tables, whether it holds this one; by its bare name, for it may have been given without its schema. */
function holdsTable({ engine }: Source, { manifest }: PointEntry, table: string): boolean {
  if (manifest.kind !== "tables" || manifest.tables === undefined) return true;
  const bare = (name: string): string => (engine.renamesDatabases ? name.replace(/^.*\./s, "").replaceAll('"', "").toLowerCase() : name);
  return manifest.tables.some((one) => bare(one) === bare(table) || /[*?]/.test(one));
}

async function providerRange({ managed, provider }: Source, { from, to }: HistoryRequest, watch: Watch) {
  if (managed !== true || provider.history === undefined) return undefined;
  const window = await provider.history.window(watch);
  if (window === undefined) return undefined;
  const [earliest, latest] = [microsOf(window.earliest), microsOf(window.latest)];
  const [begin, end] = [from !== undefined && from > earliest ? from : earliest, to !== undefined && to < latest ? to : latest];
  return begin < end ? { from: begin, to: end } : undefined;
}

export function askedWords({ backups, bases, logs, snapshots, provider, now }: Asks): string[] {
  return [
    ...(backups.length > 0 ? [counted(backups.length, "backup")] : []),
    ...(bases.length > 0 ? [counted(bases.length, "base backup")] : []),
    ...logs.map(({ from, to }) => `the log from ${from} to ${to}`),
    ...(snapshots.length > 0 ? [counted(snapshots.length, "snapshot")] : []),
    ...(provider === undefined ? [] : [`the provider's history from ${provider.from} to ${provider.to}`]),
    ...(now ? ["the source as it is now"] : []),
  ];
}
