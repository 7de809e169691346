// The states that data went through between two instants, as its log says: each begins with a change and lasts until the next.
import { LifeboatError } from "../../core/errors.ts";
import type { LogChange, Micros } from "../../core/log.ts";
import { compareLsn, maxLsn } from "../../core/lsn.ts";
import { fileNameOf, logEngineOf } from "../archive/log-intake.ts";
import type { Context, Source } from "../context.ts";
import { bytesOf, type Replay, replayFrom, replayTo } from "./replay.ts";

export interface State {
  /** A replay to any instant from this one on, and before the next state, has this data. */
  readonly at: Micros;
  /** How far the log must have been replayed. */
  readonly reach: string;
  /** What led here, oldest first; of very many, the first ones. */
  readonly changes: readonly LogChange[];
  /** How many they are. */
  readonly count: number;
}

export interface LogRange {
  /** The base and the log that lead through all of the states. */
  readonly replay: Replay;
  /** Of the first instant, and what followed. */
  readonly states: readonly [State, ...State[]];
  /** The last instant whose data is known. */
  readonly until: Micros;
}

/** States beyond this many are told apart by the second only. */
const FINE_STATES = 200_000;
const TOLD_CHANGES = 20;

/** Reads the log between two instants; `to` undefined: up to its proven end. RECOVERY_TARGET_OUTSIDE_WINDOW, NO_RESTORE_POINT. */
export async function logRange(
  context: Context,
  source: Source,
  from: Micros,
  to: Micros | undefined,
  signal: AbortSignal,
): Promise<LogRange> {
  const first = await replayTo(context, source, { kind: "time", at: from }, signal);
  const { base, log } = first;
  if (to !== undefined) await replayFrom(context, source, { kind: "time", at: to }, log, signal);
  const window = log.windows
    .filter((one) => one.bases.some(({ id }) => id === base.point.id) && (to === undefined || to <= one.latest))
    .sort((a, b) => b.timeline - a.timeline)[0];
  const facts = window?.bases.find(({ id }) => id === base.point.id)?.facts;
  if (window === undefined || facts === undefined) {
    const edges = `${from} and ${to ?? "now"}`;
    throw new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `no recovery window of ${source.name} holds both ${edges}`);
  }
  const until = to ?? window.latest;
  const chain = window.chain.filter(({ nextLsn }) => compareLsn(nextLsn, facts.startLsn) > 0);
  const engine = logEngineOf(source);
  const begin = facts.endLsn;
  async function* changes(): AsyncGenerator<LogChange, void> {
    let isBegun = false;
    for (const [index, segment] of chain.entries()) {
      signal.throwIfAborted();
      isBegun ||= segment.maxCommitAt !== undefined && segment.maxCommitAt > from;
      if (isBegun) yield* engine.changesIn(fileNameOf(segment), await bytesOf(context, segment, signal), chain[index - 1]);
      else yield { lsn: begin, end: segment.endLsn, at: from, changes: false };
    }
  }
  const states = await statesOf(changes(), { from, begin, until });
  return { replay: { ...first, chain, timeline: window.timeline }, states, until };
}

interface Edges {
  /** The first instant. */
  readonly from: Micros;
  /** The position that the data at hand has reached: changes before it are in the data. */
  readonly begin: string;
  /** The last instant. */
  readonly until: Micros;
}

/** Folds changes, in the order of the log, into states. */
export async function statesOf(changes: AsyncIterable<LogChange>, { from, begin, until }: Edges): Promise<readonly [State, ...State[]]> {
  let state: { at: Micros; reach: string; changes: LogChange[]; count: number } = { at: from, reach: begin, changes: [], count: 0 };
  const states: [State, ...State[]] = [state];
  for await (const change of changes) {
    if (compareLsn(change.lsn, begin) < 0) continue;
    // Replay to the instant would stop before this one, in log order, so nothing behind it counts.
    if (change.at > until) break;
    const isOther = change.at > state.at;
    const sameSecond = states.length > FINE_STATES && change.at.slice(0, 19) === state.at.slice(0, 19);
    if (isOther && !sameSecond) {
      state = { at: change.at, reach: change.end, changes: [], count: 0 };
      states.push(state);
    }
    state.reach = maxLsn(state.reach, change.end);
    if (states.length === 1 || !change.changes) continue;
    state.count += 1;
    if (state.changes.length < TOLD_CHANGES) state.changes.push(change);
  }
  return states;
}
