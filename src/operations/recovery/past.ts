// A part of a source's history that can be looked at, place by place: states of its log, seconds at its provider, or restore points.
import { LifeboatError } from "../../core/errors.ts";
import type { LogChange, Micros } from "../../core/log.ts";
import { dateOfMicros, microsOf } from "../../core/micros.ts";
import { isDamaged, isWhole } from "../../core/restore-point.ts";
import { widthFor } from "../../core/search.ts";
import type { Connection } from "../../ports/connection.ts";
import { physicalOf } from "../archive/log-intake.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { historyControl } from "../points/look.ts";
import { pointsOf } from "../points/points.ts";
import { snapshotsOf } from "../points/snapshots.ts";
import { databaseOf, orderOf } from "./cluster.ts";
import { databasesOf, segmentsOf } from "./copy.ts";
import { bringBack, storedSupply } from "./load.ts";
import { replayFrom } from "./replay.ts";
import { type Resolved, resolve } from "./resolve.ts";
import { inScratch, scratchDirectory, withRestoredCopy } from "./restored-copy.ts";
import { type LogRange, logRange } from "./states.ts";

export interface Past {
  /** In words, for people. */
  readonly by: string;
  /** Places are 0 to this one. */
  readonly last: number;
  /** How many places one look covers at little further cost. */
  readonly width: number;
  /** The first instant with the data of the place. */
  at(place: number): Micros;
  /** The last instant that is known to have the data of the place: what a restore is told. */
  until(place: number): Micros;
  /** What led to the place from the one before. Undefined: this route does not tell. */
  changes(place: number): { readonly first: readonly LogChange[]; readonly count: number } | undefined;
  /**
   * Looks at places in ascending order. A connection to the source's own database, read-only or thrown away afterwards; undefined: there
   * was no such database.
   */
  look<T>(places: readonly number[], use: Use<T>, job: Job): Promise<T[]>;
  /** The slow way, for a place where a transaction that was still open keeps its locks: a copy of its own, in which it is rolled back. */
  readonly lookAlone?: (<T>(place: number, use: Use<T>, job: Job) => Promise<T>) | undefined;
}

type Use<T> = (connection: Connection | undefined, place: number) => Promise<T>;

/**
 * The most exact history between two instants; `to` undefined: up to now. RECOVERY_TARGET_OUTSIDE_WINDOW, NO_RESTORE_POINT where fewer
 * than two places can be reached.
 */
export async function pastOf(context: Context, source: Source, from: Micros, to: Micros | undefined, watch: Watch): Promise<Past> {
  const first = await resolve(context, source, { kind: "time", at: from }, watch);
  if (first.route.kind === "provider") return providerPast(context, source, from, to, watch);
  if (first.route.kind === "cluster") return clusterPast(context, source, await logRange(context, source, from, to, watch.signal), watch);
  if (first.inexact === undefined && first.route.copy.replay !== undefined)
    return dumpPast(context, source, await logRange(context, source, from, to, watch.signal), watch);
  return pointPast(context, source, from, to, first, watch);
}

/** What a look takes, and what a pass over the history takes that begins anew: roughly, to choose between them. */
const LOOK_MS = 100;
const PASS_MS = 3000;
const BYTES_PER_MS = 100_000;

function logPast({ replay, states, until }: LogRange, by: string, look: Past["look"]): Past {
  const parts = [...replay.base.manifest.parts, ...replay.chain];
  const sizeBytes = parts.reduce((sum, { plain }) => sum + plain.sizeBytes, 0);
  const stateAt = (place: number) => {
    const state = states[place];
    if (state === undefined) throw new LifeboatError("BUG", `there is no state ${place} of ${states.length}`);
    return state;
  };
  return {
    by,
    last: states.length - 1,
    width: widthFor(states.length, PASS_MS + sizeBytes / BYTES_PER_MS, LOOK_MS),
    at: (place) => stateAt(place).at,
    until: (place) => (place === states.length - 1 ? until : justBefore(stateAt(place + 1).at)),
    changes: (place) => ({ first: stateAt(place).changes, count: stateAt(place).count }),
    look,
  };
}

/** One microsecond earlier. */
function justBefore(at: Micros): Micros {
  const micros = Number(at.slice(20, 26));
  if (micros > 0) return `${at.slice(0, 20)}${String(micros - 1).padStart(6, "0")}Z`;
  const second = new Date(dateOfMicros(at).getTime() - 1000).toISOString().slice(0, 20);
  return `${second}999999Z`;
}

/** One base backup, replayed forward once for each look. */
function clusterPast(context: Context, source: Source, range: LogRange, watch: Watch): Past {
  const { replay, states } = range;
  const by = `base backup ${replay.base.point.name} (${replay.base.point.id}), replayed forward`;
  const past = logPast(range, by, async (places, use, job) => {
    const [firstPlace = 0] = places;
    const reachOf = (place: number): string => states[place]?.reach ?? replay.expectedEnd;
    const order = await orderOf(context, replay, { directory: scratchDirectory(context, job), temporary: true }, job, watch);
    const database = await databaseOf(source, job.signal);
    const forward = await physicalOf(source).beginForward({ ...order, to: reachOf(firstPlace) });
    return ending(
      () =>
        job.step("look", () =>
          inOrder(places, async (place) => {
            await forward.advance(reachOf(place));
            const isThere = (await forward.databases()).includes(database);
            return use(isThere ? forward.connection(database) : undefined, place);
          }),
        ),
      async () => {
        await job.cleanUp(() => forward.remove());
        await job.withdraw(forward.resource);
      },
    );
  });
  return {
    ...past,
    async lookAlone(place, use, job) {
      const at = { kind: "time", at: past.until(place) } as const;
      const route = { kind: "cluster", replay: await replayFrom(context, source, at, replay.log, job.signal) } as const;
      return withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => use(connection(), place));
    },
  };
}

/** One dump, loaded and replayed forward once for each look. */
function dumpPast(context: Context, source: Source, range: LogRange, watch: Watch): Past {
  const { replay, states } = range;
  const { log } = source.engine;
  const { base } = replay;
  const by = `backup ${base.point.name} (${base.point.id}), its log replayed forward`;
  return logPast(range, by, async (places, use, job) => {
    if (log === undefined) throw new LifeboatError("BUG", "a log is replayed by an engine that has none");
    const copy = { entry: base, asked: replay.asked, named: true, instant: base.point.time, exact: true, remarks: [] };
    return inScratch(source, copy, job, watch, async (begin) => {
      const options = { begin, logFollows: true, probes: false };
      const { connection, held } = await bringBack(context, source, storedSupply(context, base, watch), job, watch, options);
      const forward = await log.beginForward({
        target: connection,
        databases: await databasesOf(context, source, replay, job.signal),
        segments: segmentsOf(context, source, replay, job.signal),
        from: base.manifest.log?.endLsn ?? replay.expectedEnd,
        held,
        signal: job.signal,
        progress: watch.progress,
      });
      return ending(
        () =>
          job.step("look", () =>
            inOrder(places, async (place) => {
              await forward.advance(states[place]?.reach ?? replay.expectedEnd);
              return use(connection, place);
            }),
          ),
        () => forward.end(),
      );
    });
  });
}

/** Every step of the provider's history: a branch for each look. */
async function providerPast(context: Context, source: Source, from: Micros, to: Micros | undefined, watch: Watch): Promise<Past> {
  const history = historyControl(source);
  const window = await history.window(watch);
  const stepMs = Math.max(1000, history.precisionMs ?? 1);
  const beginMs = Math.floor(dateOfMicros(from).getTime() / stepMs) * stepMs;
  const end = to === undefined ? (window?.latest ?? context.clock.now()) : dateOfMicros(to);
  const last = Math.floor((end.getTime() - beginMs) / stepMs);
  const at = (place: number): Micros => microsOf(new Date(Math.max(beginMs + place * stepMs, window?.earliest.getTime() ?? 0)));
  return {
    by: `the provider's history, a ${history.place} for each look`,
    last,
    width: 1,
    at,
    until: at,
    changes: () => undefined,
    look: (places, use, job) =>
      inOrder(places, async (place) => {
        const { route } = await resolve(context, source, { kind: "time", at: at(place) }, watch);
        return withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => use(connection(), place));
      }),
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
    last: points.length - 1,
    width: 1,
    at: (place) => microsOf(pointAt(place).time),
    until: (place) => microsOf(pointAt(place).time),
    changes: () => undefined,
    look: (places, use, job) =>
      inOrder(places, async (place) => {
        const { route } = await resolve(context, source, { kind: "point", name: pointAt(place).id }, watch);
        return withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => use(connection(), place));
      }),
  };
}

async function inOrder<T>(places: readonly number[], look: (place: number) => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (const place of places) found.push(await look(place));
  return found;
}

/** The first cause is thrown. */
async function ending<T>(use: () => Promise<T>, end: () => Promise<void>): Promise<T> {
  let value: T;
  try {
    value = await use();
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
  await end();
  return value;
}
