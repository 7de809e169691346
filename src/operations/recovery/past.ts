// A part of a source's history that can be looked at, place by place: states of its log, seconds at its provider, or restore points.
import { LifeboatError } from "../../core/errors.ts";
import type { Micros } from "../../core/log.ts";
import { dateOfMicros, microsOf } from "../../core/micros.ts";
import { isDamaged, isWhole } from "../../core/restore-point.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl, scratchPlace } from "../points/look.ts";
import { pointsOf } from "../points/points.ts";
import { snapshotsOf } from "../points/snapshots.ts";
import { clusterPast, dumpPast, serverLogPast } from "./log-past.ts";
import { inOrder, type Past } from "./places.ts";
import { placePart } from "./plan.ts";
import { type Resolved, resolve } from "./resolve.ts";
import { assertApart, withUnerasedCopy } from "./restored-copy.ts";
import { logRange } from "./states.ts";

/**
 * The most exact history between two instants; `to` undefined: up to now. RECOVERY_TARGET_OUTSIDE_WINDOW, NO_RESTORE_POINT where fewer
 * than two places can be reached.
 */
export async function pastOf(context: Context, source: Source, from: Micros, to: Micros | undefined, watch: Watch): Promise<Past> {
  const first = await resolve(context, source, { kind: "time", at: from }, watch);
  if (first.route.kind === "provider")
    return (await serverLogPast(context, source, from, to, watch)) ?? providerPast(context, source, from, to, watch);
  if (first.route.kind === "cluster") return clusterPast(context, source, await logRange(context, source, from, to, watch.signal), watch);
  if (first.inexact === undefined && first.route.copy.replay !== undefined)
    return dumpPast(context, source, await logRange(context, source, from, to, watch.signal), watch);
  return pointPast(context, source, from, to, first, watch);
}

/** Every step of the provider's history: a place restored for each look. */
async function providerPast(context: Context, source: Source, from: Micros, to: Micros | undefined, watch: Watch): Promise<Past> {
  const history = historyControl(source);
  const window = await history.window(watch);
  const stepMs = Math.max(1000, history.precisionMs ?? 1);
  const beginMs = Math.floor(dateOfMicros(from).getTime() / stepMs) * stepMs;
  const end = to === undefined ? (window?.latest ?? context.clock.now()) : dateOfMicros(to);
  const last = Math.floor((end.getTime() - beginMs) / stepMs);
  const at = (place: number): Micros => microsOf(new Date(Math.max(beginMs + place * stepMs, window?.earliest.getTime() ?? 0)));
  const scratch = scratchPlace(context, source, watch);
  return {
    by: `the provider's history, a restored ${history.place} for each look`,
    kind: "provider",
    last,
    width: 1,
    plan: ({ places }) => placePart(source, places),
    at,
    until: at,
    changes: () => undefined,
    look: (places, use, job) =>
      inOrder(places, async (place) => {
        const { route } = await resolve(context, source, { kind: "time", at: at(place) }, watch);
        if (route.kind !== "provider") throw new LifeboatError("BUG", `${at(place)} left the provider's history`);
        const connection = await scratch.at(route.target.history, job);
        await assertApart(source, connection, job.signal);
        return use(connection, place);
      }),
    end: scratch.end,
  };
}

/** Restore points alone: what was between two of them is not known. */
async function pointPast(
  context: Context,
  source: Source,
  from: Micros,
  to: Micros | undefined,
  { inexact }: Resolved,
  watch: Watch,
): Promise<Past> {
  const [stored, snapshots] = await Promise.all([pointsOf(context, source.name), snapshotsOf(context, source, watch)]);
  const all = [...stored.map(({ point }) => point), ...snapshots.map(({ point }) => point)]
    .filter((point) => (isWhole(point) || point.kind === "snapshot") && point.kind !== "base" && !isDamaged(point))
    .sort((a, b) => a.time.getTime() - b.time.getTime());
  const begin = dateOfMicros(from);
  const before = all.findLast(({ time }) => time <= begin);
  const points = [
    ...(before === undefined ? [] : [before]),
    ...all.filter(({ time }) => time > begin && (to === undefined || microsOf(time) <= to)),
  ];
  if (points.length < 2) {
    throw new LifeboatError(
      "NO_RESTORE_POINT",
      `fewer than two restore points of ${source.name} are between these instants${inexact === undefined ? "" : `, and ${inexact.message}`}`,
      { hint: `run \`lifeboat list ${source.name}\` to see its restore points, and give --good an earlier time` },
    );
  }
  const pointAt = (place: number) => {
    const point = points[place];
    if (point === undefined) throw new LifeboatError("BUG", `there is no restore point ${place} of ${points.length}`);
    return point;
  };
  return {
    by: `${points.length} restore points: ${source.name} has no log or history that reaches the instants between them`,
    kind: "copy",
    last: points.length - 1,
    width: 1,
    plan: () => ({
      steps: [{ action: "create-scratch", subject: "a restored copy for each look", effect: "create", reason: "the check is run in it" }],
      timed: [],
    }),
    at: (place) => microsOf(pointAt(place).time),
    until: (place) => microsOf(pointAt(place).time),
    changes: () => undefined,
    look: (places, use, job) =>
      inOrder(places, async (place) => {
        const { route } = await resolve(context, source, { kind: "point", name: pointAt(place).id }, watch);
        return withUnerasedCopy(context, source, route, job, watch, false, ({ connection }) => use(connection(), place));
      }),
  };
}
