// Which route reaches a recovery target: the provider's history, a base backup and its WAL, a backup and its oplog, or a backup alone.
// Every route that can reach it is asked, and the most exact one is taken; a restore, a drill and a recovery all ask here.
import { formatDuration } from "../../core/duration.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { dateOfMicros, microsOf } from "../../core/micros.ts";
import { achievedRpoSeconds } from "../../core/objectives.ts";
import type { PlanRoute } from "../../core/plan.ts";
import { type RecoveryTarget, targetInWords } from "../../core/recovery-target.ts";
import { isDamaged, isWhole, newest } from "../../core/restore-point.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import { counted } from "../../core/words.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { logOf } from "../archive/log-view.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { findPoint, pointsOf, targetOf } from "../points/points.ts";
import { copyWithLog, lossOf, notReplayed, pointIn, type StoredCopy } from "./copy.ts";
import { type ProviderTarget, providerTargetOf } from "./provider.ts";
import { pointOf, type Replay, replayTo } from "./replay.ts";

export type Route =
  | { readonly kind: "provider"; readonly target: ProviderTarget }
  | { readonly kind: "cluster"; readonly replay: Replay }
  | { readonly kind: "copy"; readonly copy: StoredCopy };

export interface Resolved {
  readonly asked: RecoveryTarget;
  readonly route: Route;
  /** For people: by what, and why by that. */
  readonly told: PlanRoute;
  /** Other routes to the target, where they were asked for. */
  readonly others?: readonly PlanRoute[] | undefined;
  /** Why a person has to say that less than what was asked for will do. Absent: the target is reached exactly. */
  readonly inexact?: LifeboatError | undefined;
}

export interface ResolveOptions {
  /** A restore point that no trusted key has signed will do, when it is named. */
  readonly unsigned?: boolean | undefined;
  /** Tells of every route, not only of the most exact one: for a plan. */
  readonly every?: boolean | undefined;
  /** Log says what happened to whole rows and definitions: MongoDB's cannot be replayed for documents alone. */
  readonly dataOnly?: boolean | undefined;
}

/**
 * RECOVERY_TARGET_OUTSIDE_WINDOW with the edges of what can be reached, where not even an older backup is there; NO_RESTORE_POINT,
 * POINT_UNKNOWN, CAPABILITY_MISSING for a position in a log that is not archived.
 */
export async function resolve(
  context: Context,
  source: Source,
  asked: RecoveryTarget,
  watch: Watch,
  options: ResolveOptions = {},
): Promise<Resolved> {
  const misses: LifeboatError[] = [];
  const found: Route[] = [];
  for (const find of asked.kind !== "point" && asked.timeline !== undefined ? [byCluster] : [byProvider, byCluster, byLog]) {
    try {
      const route = await find(context, source, asked, watch, options);
      if (route !== undefined) found.push(route);
    } catch (error) {
      if (found.length > 0) continue; // the route that is taken stands
      const outside = isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") || isLifeboatError(error, "NO_RESTORE_POINT");
      if (!outside || asked.kind === "lsn" || asked.kind === "point") throw error;
      misses.push(error);
    }
    if (found.length > 0 && options.every !== true) break;
  }
  const [route, ...others] = found;
  if (route !== undefined) {
    const told = others.map((other) => tell(asked, other));
    if (options.every === true) told.push(...(await backupAlone(context, source, asked, route, options)));
    return { asked, route, told: tell(asked, route), ...(options.every === true && { others: told }) };
  }
  const [miss] = misses;
  if (asked.kind !== "point" && asked.timeline !== undefined)
    throw miss ?? new LifeboatError("CAPABILITY_MISSING", `${source.name} has no WAL archive, so it has no timelines`);
  const copy = await targetOf(context, source.name, asked, options).catch((error: unknown) => {
    throw isLifeboatError(error, "NO_RESTORE_POINT") || isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") ? (miss ?? error) : error;
  });
  const last: Route = { kind: "copy", copy };
  const inexact = copy.exact ? undefined : tooOld(source, copy, miss);
  return { asked, route: last, told: tell(asked, last), ...(options.every === true && { others: [] }), inexact };
}

/** Records in the journal how the data is reached, why so, and where it goes. */
export function recordRoute(job: Pick<Job, "decide">, { asked, told, inexact }: Resolved, into: string): void {
  const at = told.at === undefined ? "" : `, data of ${told.at.replace(/\.?0+Z$/, "Z")}`;
  job.decide(`route to ${asked.kind === "point" ? "the restore point" : targetInWords(asked)}: ${told.what}${at}`, told.why);
  job.decide(`destination: ${into}`);
  if (inexact !== undefined) job.decide("the nearest earlier data is taken", inexact.message);
}

/** The newest backup before the target, as the route that is always there; none where the target is a restore point. */
async function backupAlone(
  context: Context,
  source: Source,
  asked: RecoveryTarget,
  taken: Route,
  options: ResolveOptions,
): Promise<PlanRoute[]> {
  if (asked.kind === "point" || (taken.kind === "copy" && taken.copy.replay === undefined)) return [];
  const copy = await targetOf(context, source.name, asked, options).catch(() => undefined);
  if (copy === undefined) return [];
  const gap = formatDuration(Math.max(0, copy.instant.getTime() - copy.entry.point.time.getTime()));
  return [{ ...tell(asked, { kind: "copy", copy }), why: `it holds data that is ${gap} older` }];
}

type Find = (context: Context, source: Source, asked: RecoveryTarget, watch: Watch, options: ResolveOptions) => Promise<Route | undefined>;

const byProvider: Find = async (context, source, asked, watch) => {
  const target = await providerTargetOf(context, source, asked, watch);
  return target && { kind: "provider", target };
};

/** Only where there is a base backup; for `latest`, only where the WAL reaches further than the newest backup. */
const byCluster: Find = async (context, source, asked, watch, options) => {
  if (source.engine.physical === undefined) return undefined;
  const points = (await pointsOf(context, source.name)).map(({ point }) => point);
  if (!points.some(({ kind }) => kind === "base")) return undefined;
  if (asked.kind === "point") {
    const { point } = await findPoint(context, asked.name, source.name, options);
    if (point.kind !== "base") return undefined;
  }
  if (asked.kind === "latest") {
    const dump = newest(points.filter((point) => isWhole(point) && !isDamaged(point) && point.kind !== "base"));
    const { window } = dump === undefined ? { window: undefined } : await logOf(context, source.name, watch.signal);
    if (dump !== undefined && (window === undefined || dateOfMicros(window.latest) < dump.time)) return undefined;
  }
  return { kind: "cluster", replay: await replayTo(context, source, asked, watch.signal) };
};

const byLog: Find = async (context, source, asked, watch, { dataOnly }) => {
  if (asked.kind === "point" || dataOnly === true) return undefined;
  const copy = await copyWithLog(context, source, asked, watch.signal);
  return copy && { kind: "copy", copy };
};

function tooOld(source: Source, { entry, instant }: StoredCopy, miss: LifeboatError | undefined): LifeboatError {
  const { point } = entry;
  const wanted = instant.toISOString();
  const why = miss?.message ?? `${source.name} has no log archive, so only the instants of its backups can be restored, not ${wanted}`;
  const gap = formatDuration(instant.getTime() - point.time.getTime());
  return new LifeboatError(
    "RECOVERY_TARGET_OUTSIDE_WINDOW",
    `${why}; the nearest backup before it, ${point.name}, holds the data of ${point.time.toISOString()}, ${gap} earlier`,
    {
      hint: "add --nearest to restore that one",
      details: { ...miss?.details, wanted, nearest: { id: point.id, at: point.time.toISOString() } },
    },
  );
}

/** By what it is reached, and why by that. */
export function tell(asked: RecoveryTarget, route: Route): PlanRoute {
  if (route.kind === "provider") {
    const why = asked.kind === "point" ? "the provider holds that restore point" : "the provider's history reaches it";
    return { kind: "provider", what: route.target.point.name, why, at: asked.kind === "lsn" ? undefined : microsOf(route.target.at) };
  }
  if (route.kind === "cluster") return tellReplay("base backup", "WAL", asked, route.replay);
  const { entry, named, exact, replay } = route.copy;
  if (replay !== undefined) return tellReplay("backup", "log", asked, replay);
  const { point } = entry;
  const unnamed =
    asked.kind === "latest" ? "nothing reaches further" : exact ? "it holds exactly that instant" : "it is the newest before the target";
  return { kind: "copy", what: `backup ${point.name} (${point.id})`, why: named ? "it was named" : unnamed, at: microsOf(point.time) };
}

function tellReplay(
  backup: string,
  log: string,
  asked: RecoveryTarget,
  { base, chain, expectedEnd, named, at, timeline }: Replay,
): PlanRoute {
  const { name, id } = base.point;
  const line = timeline > 1 ? ` on timeline ${timeline}` : "";
  const length = chain.length === 0 ? `its own ${log}` : `${counted(chain.length, `${log} segment`)}`;
  const reaches = asked.kind === "latest" ? "reaches further than any backup" : "reaches it exactly";
  const why = named ? "that base backup was named" : `the ${log} ${reaches}`;
  return {
    kind: log === "WAL" ? "cluster" : "copy",
    what: `${backup} ${name} (${id}) and ${length}, replayed to ${expectedEnd}${line}`,
    why,
    at,
  };
}

/** What is brought back, as evidence names it. */
export function evidencePoint(route: Route): Evidence["point"] {
  if (route.kind === "provider") return route.target.point;
  return route.kind === "cluster" ? pointOf(route.replay) : pointIn(route.copy);
}

/** The restore point that a job works with; undefined: there is none, only a provider's history. */
export function jobPoint(route: Route): string | undefined {
  if (route.kind === "provider") return route.target.entry?.point.id;
  return (route.kind === "cluster" ? route.replay.base : route.copy.entry).point.id;
}

/**
 * How much of the past is lost by this route, in seconds, if the accident is now. Undefined where no instant was asked for, and of a copy
 * that failed.
 */
export function lossBy(route: Route, now: Date, checks: readonly Check[]): number | undefined {
  if (route.kind === "copy") return lossOf(route.copy, now, checks);
  if (!isSoundCopy(checks)) return undefined;
  if (route.kind === "provider") {
    const { instant, asked, windowLatest } = route.target;
    if (!instant) return undefined;
    if (asked.kind !== "latest") return 0;
    return windowLatest === undefined ? undefined : achievedRpoSeconds(windowLatest, now);
  }
  const { named, asked, window, at } = route.replay;
  if (named) return undefined;
  return asked.kind === "latest" ? achievedRpoSeconds(dateOfMicros(window?.latest ?? at), now) : 0;
}

/** A restore point was named, rather than an instant: it loses nothing that was asked for. */
export function isNamed(route: Route): boolean {
  if (route.kind === "provider") return !route.target.instant;
  return route.kind === "cluster" ? route.replay.named : route.copy.named;
}

/** What a reader of the evidence must know of the route. */
export function routeRemarks(route: Route): readonly string[] {
  if (route.kind === "provider") return route.target.remarks;
  return route.kind === "copy" ? route.copy.remarks : replayRemarks(route.replay);
}

/** How it was reached, what the base backup lacks, and what is wrong with the log. */
function replayRemarks({ base, chain, expectedEnd, log, reached, timeline }: Replay): readonly string[] {
  const replayed = reached === false ? "not replayed" : "replayed";
  const line = timeline > 1 ? ` on timeline ${timeline}` : "";
  const route = `by point-in-time recovery: base backup ${base.point.id} and ${chain.length} log segments, ${replayed} to ${expectedEnd}${line}`;
  const lost = base.manifest.notIncluded.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`);
  return [route, ...lost, ...log.log.flaws];
}

/** The route when it broke off: all that may be named is what it would have begun with. */
export function notReached(route: Route): Route {
  if (route.kind === "cluster") return { ...route, replay: { ...route.replay, reached: false } };
  return route.kind === "copy" ? { ...route, copy: notReplayed(route.copy) } : route;
}
