// What `status` says of the log archive: the window, what keeps instants from being reached, and the slot at the source.
import { asLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { logReasons } from "../../core/log-health.ts";
import { compareLsn } from "../../core/lsn.ts";
import { dateOfMicros } from "../../core/micros.ts";
import type { LogState } from "../../ports/log.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { SummaryEntry } from "../points/points.ts";
import { logOn, type SourceLog } from "./log-view.ts";

export interface LogStatus extends Pick<SourceLog, "windows" | "window" | "flaws"> {
  readonly segments: number;
  readonly bases: number;
  readonly sizeBytes: number;
  readonly reasons: readonly HealthReason[];
  /** Settings that endanger the source, without being an alarm. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
  readonly slot?: (NonNullable<LogState["slot"]> & { readonly name: string }) | undefined;
}

const ASK_MS = 10_000;

/** Undefined where there is no archive and none is configured. What an unreachable source cannot answer is left out: that is a reason already. */
export async function logStatus(
  context: Context,
  source: Source,
  points: readonly SummaryEntry[],
  watch: Watch,
): Promise<LogStatus | undefined> {
  const found = await logOn(context, source.name, points, watch.signal);
  const { log, bases, window, flaws, windows } = found;
  const wanted = source.archive !== undefined && source.windowMs !== undefined;
  // Dumps are worth having without any log; base backups are there for it.
  const forLog = bases.filter(({ facts }) => facts.segmentBytes !== undefined);
  const { doubts } = log;
  if (!wanted && log.segments.length === 0 && forLog.length === 0 && doubts.length === 0) return undefined;
  const state = log.segments.length > 0 || wanted ? await stateOf(source, watch) : undefined;
  const slot = state?.slot === undefined || source.archive === undefined ? undefined : { name: source.archive.slot, ...state.slot };
  const firsts = [
    ...log.segments.map(({ archivedAt }) => archivedAt),
    ...bases.map(({ facts }) => dateOfMicros(facts.endedAt).toISOString()),
  ];
  const since = firsts.reduce<string | undefined>((first, one) => (first === undefined || one < first ? one : first), undefined);
  const reasons = logReasons({
    window,
    flaws,
    unreadable: log.flaws,
    segments: log.segments.length,
    bases: bases.length,
    since: since === undefined ? undefined : new Date(since),
    windowMs: wanted ? source.windowMs : undefined,
    rpoSeconds: source.objective.rpoSeconds,
    baseCalled: source.engine.physical === undefined ? "full backup" : "base backup",
    newTablespaces: newTablespaces(bases, state),
    tablespaceAt: tablespaceAt(found),
    ...(source.engine.physical === undefined ? { baseMadeBy: "lifeboat backup SOURCE" } : {}),
    slot,
    system: state?.systemIdentifier,
    storedSystems: new Set([...log.segments, ...bases.map(({ facts }) => facts)].map(({ systemIdentifier }) => systemIdentifier)),
    now: context.clock.now(),
  });
  // A source with base backups only, and no word of a window, wants no log: that they stand alone is as it should be.
  const relevant = [...reasons].filter(({ code }) => wanted || log.segments.length > 0 || code !== "LOG_BEHIND");
  return {
    windows,
    window,
    flaws,
    segments: log.segments.length,
    bases: bases.length,
    sizeBytes: log.sizeBytes,
    reasons: [...doubts, ...relevant],
    warnings: warningsOf(source, state),
    slot,
  };
}

/** A recovery stops before the record that creates one: the copy would write into the place that the source has for it. */
function newTablespaces(bases: SourceLog<SummaryEntry>["bases"], state: LogState | undefined): string[] {
  const spans = bases
    .flatMap(({ entry: { manifest } }) => manifest.base ?? [])
    .filter(({ systemIdentifier }) => systemIdentifier === state?.systemIdentifier);
  const newest = spans.toSorted((a, b) => (a.endedAt < b.endedAt ? -1 : 1)).at(-1);
  if (newest === undefined) return [];
  const known = new Set(newest.tablespaces.map(({ oid }) => oid));
  return (state?.tablespaces ?? []).filter(({ oid }) => !known.has(oid)).map(({ name }) => name);
}

/** The log tells of one that was dropped again too. */
function tablespaceAt({ bases, log }: SourceLog<SummaryEntry>): string | undefined {
  const newest = bases.filter(({ facts }) => facts.segmentBytes !== undefined).at(-1)?.facts;
  if (newest === undefined) return undefined;
  const { systemIdentifier, endLsn } = newest;
  const later = log.segments.filter(
    (one) => one.systemIdentifier === systemIdentifier && one.placesAt !== undefined && compareLsn(one.placesAt, endLsn) >= 0,
  );
  return later[0]?.placesAt;
}

/** Of a log that a slot keeps, they matter while there is one. */
function warningsOf({ engine }: Source, state: LogState | undefined): LogStatus["warnings"] {
  if (engine.log === undefined && state?.slot?.exists !== true) return [];
  return (state?.warnings ?? []).filter(({ code }) => code !== "SLOT_IDLE" && code !== "SLOT_LOST");
}

async function stateOf(source: Source, watch: Watch): Promise<LogState | undefined> {
  const reader = source.engine.log ?? source.engine.physical;
  if (source.archive === undefined || reader === undefined) return undefined;
  const signal = AbortSignal.any([watch.signal, AbortSignal.timeout(ASK_MS)]);
  try {
    return await reader.logState(await source.provider.connection({ signal }), source.archive.slot, { signal });
  } catch (error) {
    watch.signal.throwIfAborted();
    if (asLifeboatError(error).code === "BUG" && !signal.aborted) throw error;
    return undefined; // the source does not answer, which status says of itself
  }
}

export type LogWindows = Pick<SourceLog, "windows" | "flaws">;

/** For `list`: what can be reached by the log archive of a source. A source whose provider keeps a history is the provider's to ask. */
export async function logWindows(context: Context, source: string, points: readonly SummaryEntry[], watch: Watch): Promise<LogWindows> {
  if (context.sources.get(source)?.managed === true) return { windows: [], flaws: [] };
  const { windows, flaws } = await logOn(context, source, points, watch.signal);
  // A dump that no log follows is a restore point like any other.
  const reached = windows.filter(({ chain, bases }) => chain.length > 0 || bases.some(({ facts }) => facts.segmentBytes !== undefined));
  return reached.length > 0 ? { windows: reached, flaws } : { windows: [], flaws: [] };
}
