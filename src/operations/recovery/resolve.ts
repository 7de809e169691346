// Which route reaches a recovery target: the provider's history, a base backup and its WAL, a backup and its oplog, or a backup alone.
// Every route that can reach it is asked, and the most exact one is taken; a restore, a drill and a recovery all ask here.
import { formatDuration } from "../../core/duration.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { dateOfMicros, microsOf } from "../../core/micros.ts";
import { achievedRpoSeconds } from "../../core/objectives.ts";
import type { Plan, PlanRoute } from "../../core/plan.ts";
import { askedOf, type RecoveryTarget, understood } from "../../core/recovery-target.ts";
import { isDamaged, isWhole, newest } from "../../core/restore-point.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import { counted } from "../../core/words.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { logOf } from "../archive/log-view.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import { findPoint, pointsOf, targetOf } from "../points/points.ts";
import { copyWithLog, lossOf, pointIn, type StoredCopy } from "./copy.ts";
import { courseTo, pointOf, type RecoveryCourse } from "./course.ts";
import { type PastTarget, pastTargetOf } from "./history.ts";

export type Route =
  | { readonly kind: "provider"; readonly past: PastTarget }
  | { readonly kind: "cluster"; readonly course: RecoveryCourse }
  | { readonly kind: "copy"; readonly copy: StoredCopy };

export interface Resolved {
  readonly asked: RecoveryTarget;
  readonly route: Route;
  /** For people: by what, and why by that. */
  readonly told: PlanRoute;
  /** Why a person has to say that less than what was asked for will do. Absent: the target is reached exactly. */
  readonly inexact?: LifeboatError | undefined;
}

export interface ResolveOptions {
  /** A restore point that no trusted key has signed will do, when it is named. */
  readonly unsigned?: boolean | undefined;
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
  for (const find of [byProvider, byCluster, byLog]) {
    try {
      const route = await find(context, source, asked, watch, options);
      if (route !== undefined) return { asked, route, told: tell(asked, route) };
    } catch (error) {
      const outside = isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") || isLifeboatError(error, "NO_RESTORE_POINT");
      if (!outside || asked.kind === "lsn" || asked.kind === "point") throw error;
      misses.push(error);
    }
  }
  const [miss] = misses;
  const copy = await targetOf(context, source.name, asked, options).catch((error: unknown) => {
    throw isLifeboatError(error, "NO_RESTORE_POINT") || isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") ? (miss ?? error) : error;
  });
  const route: Route = { kind: "copy", copy };
  return { asked, route, told: tell(asked, route), inexact: copy.exact ? undefined : tooOld(source, copy, miss) };
}

type Find = (context: Context, source: Source, asked: RecoveryTarget, watch: Watch, options: ResolveOptions) => Promise<Route | undefined>;

const byProvider: Find = async (context, source, asked, watch) => {
  const past = await pastTargetOf(context, source, asked, watch);
  return past && { kind: "provider", past };
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
  return { kind: "cluster", course: await courseTo(context, source, asked, watch.signal) };
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
    return { kind: "provider", what: route.past.point.name, why, at: asked.kind === "lsn" ? undefined : microsOf(route.past.at) };
  }
  if (route.kind === "cluster") return tellReplay("base backup", "WAL", asked, route.course);
  const { entry, named, exact, course } = route.copy;
  if (course !== undefined) return tellReplay("backup", "log", asked, course);
  const { point } = entry;
  const unnamed =
    asked.kind === "latest" ? "nothing reaches further" : exact ? "it holds exactly that instant" : "it is the newest before the target";
  return { kind: "copy", what: `backup ${point.name} (${point.id})`, why: named ? "it was named" : unnamed, at: microsOf(point.time) };
}

function tellReplay(
  backup: string,
  log: string,
  asked: RecoveryTarget,
  { base, chain, expectedEnd, named, at }: RecoveryCourse,
): PlanRoute {
  const { name, id } = base.point;
  const length = chain.length === 0 ? `its own ${log}` : `${counted(chain.length, `${log} segment`)}`;
  const reaches = asked.kind === "latest" ? "reaches further than any backup" : "reaches it exactly";
  const why = named ? "that base backup was named" : `the ${log} ${reaches}`;
  return { kind: log === "WAL" ? "cluster" : "copy", what: `${backup} ${name} (${id}) and ${length}, replayed to ${expectedEnd}`, why, at };
}

/** What is brought back, as evidence names it. */
export function evidencePoint(route: Route): Evidence["point"] {
  if (route.kind === "provider") return route.past.point;
  return route.kind === "cluster" ? pointOf(route.course) : pointIn(route.copy);
}

/** The restore point that a job works with; undefined: there is none, only a provider's history. */
export function jobPoint(route: Route): string | undefined {
  if (route.kind === "provider") return route.past.entry?.point.id;
  return (route.kind === "cluster" ? route.course.base : route.copy.entry).point.id;
}

/**
 * How much of the past is lost by this route, in seconds, if the accident is now. Undefined where no instant was asked for, and of a copy
 * that failed.
 */
export function lossBy(route: Route, now: Date, checks: readonly Check[]): number | undefined {
  if (route.kind === "copy") return lossOf(route.copy, now, checks);
  if (!isSoundCopy(checks)) return undefined;
  if (route.kind === "provider") {
    const { instant, asked, windowLatest } = route.past;
    if (!instant) return undefined;
    if (asked.kind !== "latest") return 0;
    return windowLatest === undefined ? undefined : achievedRpoSeconds(windowLatest, now);
  }
  const { named, asked, window, at } = route.course;
  if (named) return undefined;
  return asked.kind === "latest" ? achievedRpoSeconds(dateOfMicros(window?.latest ?? at), now) : 0;
}

/** The route by a provider's history, told. */
export const toldOf = (past: PastTarget): Pick<Resolved, "asked" | "told"> => ({
  asked: past.asked,
  told: tell(past.asked, { kind: "provider", past }),
});

/** The same for a plan: with the instant as clocks show it. */
export function toldIn(context: Context, { asked, told }: Pick<Resolved, "asked" | "told">): Required<Pick<Plan, "to" | "route">> {
  const present = presentOf(context);
  return { to: askedOf(asked, present), route: { ...told, holds: told.at === undefined ? undefined : understood(told.at, present) } };
}
