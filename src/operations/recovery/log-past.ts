// The past of a source as its log tells it: a base backup, a dump or a provider's place, moved forward from state to state.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { LogChange, Micros } from "../../core/log.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { widthFor } from "../../core/search.ts";
import type { ServerLog } from "../../ports/log.ts";
import { physicalOf } from "../archive/log-intake.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl, removing, scratchPlace } from "../points/look.ts";
import { databaseOf, orderOf } from "./cluster.ts";
import { databasesOf, ownDatabases, segmentsOf } from "./copy.ts";
import { bringBack, storedSupply } from "./load.ts";
import { inOrder, type Past } from "./places.ts";
import { clusterPart, placePart, routeParts, scratchIn } from "./plan.ts";
import { type Replay, replayFrom } from "./replay.ts";
import { assertApart, inScratch, scratchDirectory, withUnerasedCopy } from "./restored-copy.ts";
import { type LogRange, type State, statesOf } from "./states.ts";

/** What a look takes, and what a pass over the history takes that begins anew: roughly, to choose between them. */
const LOOK_MS = 100;
const PASS_MS = 3000;
const BYTES_PER_MS = 100_000;
/** What a provider takes to restore over a place. */
const PLACE_MS = 300_000;

type Way = Pick<Past, "by" | "kind" | "plan" | "look">;

function logPast({ states, until }: Pick<LogRange, "states" | "until">, passMs: number, way: Way): Past {
  return {
    ...way,
    last: states.length - 1,
    width: widthFor(states.length, passMs, LOOK_MS),
    at: (place) => stateAt(states, place).at,
    until: (place) => (place === states.length - 1 ? until : justBefore(stateAt(states, place + 1).at)),
    changes: (place) => ({ first: stateAt(states, place).changes, count: stateAt(states, place).count }),
  };
}

function stateAt(states: readonly State[], place: number): State {
  const state = states[place];
  if (state === undefined) throw new LifeboatError("BUG", `there is no state ${place} of ${states.length}`);
  return state;
}

function passMsOf({ base, chain }: Replay): number {
  return PASS_MS + [...base.manifest.parts, ...chain].reduce((sum, { plain }) => sum + plain.sizeBytes, 0) / BYTES_PER_MS;
}

/** One microsecond earlier. */
function justBefore(at: Micros): Micros {
  const micros = Number(at.slice(20, 26));
  if (micros > 0) return `${at.slice(0, 20)}${String(micros - 1).padStart(6, "0")}Z`;
  const second = new Date(dateOfMicros(at).getTime() - 1000).toISOString().slice(0, 20);
  return `${second}999999Z`;
}

/** One base backup, replayed forward once for each look. */
export function clusterPast(context: Context, source: Source, range: LogRange, watch: Watch): Past {
  const { replay, states } = range;
  const past = logPast(range, passMsOf(replay), {
    by: `base backup ${replay.base.point.name} (${replay.base.point.id}), replayed forward`,
    kind: "cluster",
    plan: () => clusterPart(context, replay, scratchIn(context)),
    async look(places, use, job) {
      const [firstPlace = 0] = places;
      const order = await orderOf(context, replay, { directory: scratchDirectory(context, job), temporary: true }, job, watch);
      const database = await databaseOf(source, job.signal);
      const forward = await physicalOf(source).beginForward({ ...order, to: stateAt(states, firstPlace).reach });
      const remove = async () => {
        await job.cleanUp(() => forward.remove());
        await job.withdraw(forward.resource);
      };
      return removing(remove, () =>
        job.step("look", () =>
          inOrder(places, async (place) => {
            await forward.advance(stateAt(states, place).reach);
            const isThere = (await forward.databases()).includes(database);
            return use(isThere ? forward.connection(database) : undefined, place);
          }),
        ),
      );
    },
  });
  return {
    ...past,
    async lookAlone(place, use, job) {
      const at = { kind: "time", at: past.until(place) } as const;
      const route = { kind: "cluster", replay: await replayFrom(context, source, at, replay.log, job.signal) } as const;
      return withUnerasedCopy(context, source, route, job, watch, false, ({ connection }) => use(connection(), place));
    },
  };
}

/** One dump, loaded and replayed forward once for each look. */
export function dumpPast(context: Context, source: Source, range: LogRange, watch: Watch): Past {
  const { replay, states } = range;
  const { log } = source.engine;
  const { base } = replay;
  const copy = { entry: base, asked: replay.asked, named: true, instant: base.point.time, exact: true, remarks: [], replay };
  return logPast(range, passMsOf(replay), {
    by: `backup ${base.point.name} (${base.point.id}), its log replayed forward`,
    kind: "copy",
    plan() {
      const { before, after } = routeParts(context, source, { kind: "copy", copy });
      const timed = [...before.timed, { name: "create" }, { name: "load" }, { name: "verify" }, ...after.timed];
      return { ...before, steps: [...before.steps, ...after.steps], timed };
    },
    async look(places, use, job) {
      if (log === undefined) throw new LifeboatError("BUG", "a log is replayed by an engine that has none");
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
        return removing(forward.end, () =>
          job.step("look", () =>
            inOrder(places, async (place) => {
              await forward.advance(stateAt(states, place).reach);
              return use(connection, place);
            }),
          ),
        );
      });
    },
  });
}

/**
 * One place at the provider, restored to the first instant and moved forward by the log that the source's own server still holds: one
 * restore for many looks. Undefined: the provider restores to no positions, or that log does not reach back so far or cannot be read.
 */
export async function serverLogPast(
  context: Context,
  source: Source,
  from: Micros,
  to: Micros | undefined,
  watch: Watch,
): Promise<Past | undefined> {
  const { log } = source.engine;
  const { positions, place: word } = historyControl(source);
  const server = positions ? await serverLogOf(source, from, watch) : undefined;
  if (log === undefined || server === undefined) return undefined;
  async function* changes(): AsyncGenerator<LogChange, void> {
    if (server === undefined || log === undefined) return;
    for await (const { name, bytes } of server.segments(watch)) yield* log.changesIn(name, bytes, undefined);
  }
  const until = to === undefined || server.until < to ? server.until : to;
  const states = await statesOf(changes(), { from, begin: server.from, until });
  const scratch = scratchPlace(context, source, watch);
  const past = logPast({ states, until }, PLACE_MS, {
    by: `a ${word} restored from the provider's history, and the log of ${source.name} itself replayed forward`,
    kind: "provider",
    plan: ({ passes }) => placePart(source, passes),
    async look(places, use, job) {
      const target = await scratch.at({ kind: "lsn", lsn: server.from }, job);
      await assertApart(source, target, job.signal);
      const work = { signal: job.signal, progress: watch.progress };
      const databases = await ownDatabases(source, job.signal);
      const forward = await log.beginForward({ target, databases, segments: server.segments(work), from: server.from, ...work });
      return removing(forward.end, () =>
        job.step("look", () =>
          inOrder(places, async (place) => {
            await forward.advance(stateAt(states, place).reach);
            return use(target, place);
          }),
        ),
      );
    },
  });
  return { ...past, target: (place) => stateAt(states, place).reach, end: scratch.end };
}

/** Reasons why a server's own log is not to be had: each look is then a restore. */
const NO_LOG: ReadonlySet<string> = new Set(["SOURCE_PERMISSION", "SOURCE_UNREACHABLE", "SOURCE_AUTH", "CAPABILITY_MISSING"]);

async function serverLogOf(source: Source, from: Micros, watch: Watch): Promise<ServerLog | undefined> {
  const { log } = source.engine;
  if (log === undefined) return undefined;
  const why = (reason: string): void => watch.progress.note(`each look is a restore of its own: ${reason}`);
  try {
    const found = await log.serverLog(await source.provider.connection(watch), from, watch);
    if (found === undefined) why(`the log of ${source.name} does not reach back to ${from}`);
    return found;
  } catch (error) {
    if (!isLifeboatError(error) || !NO_LOG.has(error.code)) throw error;
    why(error.message);
    return undefined;
  }
}
