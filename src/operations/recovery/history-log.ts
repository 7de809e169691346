// A row through a log. Where base backups are replayed, one copy moves forward and is asked after each transaction that may have written
// the row; where the log itself tells it (an oplog), no server is made.
import { LifeboatError } from "../../core/errors.ts";
import type { Micros } from "../../core/log.ts";
import { compareLsn } from "../../core/lsn.ts";
import { isSame, type RowChangeFacts, type RowFound, type Sighting } from "../../core/row-history.ts";
import type { Forward } from "../../ports/physical.ts";
import type { RowReader, RowWrite } from "../../ports/row-history.ts";
import { readPart } from "../../repository/backups.ts";
import { physicalOf } from "../archive/log-intake.ts";
import { databaseOf, orderOf } from "./cluster.ts";
import { databasesOf, segmentsOf } from "./copy.ts";
import { type Asking, type LogAsk, type Part, unknownFor } from "./history-part.ts";
import { advancing, entryPlace, partOf, thaw } from "./load.ts";
import { bytesOf } from "./replay.ts";
import { scratchDirectory } from "./restored-copy.ts";
import { type LogRange, logRange, type State } from "./states.ts";

/** Of a copy that moves forward: each takes some tens of milliseconds. */
const LOOKS = 1000;

export async function followLog(asking: Asking, ask: LogAsk): Promise<Part> {
  const { context, source, job, watch } = asking;
  const sightings: Sighting[] = [];
  try {
    const range = await job.step("read log", () => logRange(context, source, ask.from, ask.to, job.signal));
    if (source.engine.physical !== undefined) return await throughCluster(asking, range, sightings);
    return await throughEntries(asking, range, sightings);
  } catch (error) {
    const at = sightings.at(-1)?.at ?? ask.from;
    return { sightings: [...sightings, { at, kind: "log", by: `the log from ${at} to ${ask.to}`, ...unknownFor(error, watch) }] };
  }
}

/** Which state a position belongs to, in ascending calls. Undefined: it lies behind the last one. */
function stateFinder(states: readonly State[]): (lsn: string) => { readonly state: State; readonly index: number } | undefined {
  let index = 0;
  return (lsn) => {
    for (let state = states[index]; state !== undefined; state = states[++index])
      if (compareLsn(lsn, state.reach) < 0) return { state, index };
    return undefined;
  };
}

const REMARK = "the WAL records transactions, not who made them: the user of a change is not known";

async function throughCluster(asking: Asking, range: LogRange, sightings: Sighting[]): Promise<Part> {
  const { context, source, engine, request, job, watch } = asking;
  const { replay, states, until } = range;
  const [first] = states;
  const writes = engine.writes?.();
  if (writes === undefined) throw new LifeboatError("CAPABILITY_MISSING", "the engine does not tell which transactions wrote a row");
  const order = await orderOf(context, replay, { directory: scratchDirectory(context, job), temporary: true }, job, watch);
  const database = await databaseOf(source, job.signal);
  const forward = await physicalOf(source).beginForward({ ...order, to: first.reach });
  const by = `base backup ${replay.base.point.name} (${replay.base.point.id}) and its WAL`;
  const copy = new MovingRow(asking, forward, database);
  const notExamined: string[] = [];
  try {
    await job.step("look", async () => {
      let last: RowFound | undefined;
      const see = async (at: Micros, write?: RowWrite): Promise<void> => {
        const seen = await copy.look().catch((error: unknown) => unknownFor(error, watch));
        if ("reason" in seen) {
          writes.watch(undefined);
          if (last !== undefined) sightings.push({ at, kind: "log", by, ...seen });
          last = undefined;
          return;
        }
        writes.watch(copy.place());
        const isWritten = last === undefined || !isSame(last, seen) || last.version !== seen.version;
        last = seen;
        if (!isWritten) return;
        pushChange(sightings, { at, kind: "log", by, found: seen, change: write && (await factsOf(write, copy)) }, write?.end);
      };
      await see(first.at);
      const find = stateFinder(states);
      let looks = 0;
      const limit = request.limit ?? LOOKS;
      let skipped: { readonly from: Micros; to: Micros; end: string } | undefined;
      for (const segment of replay.chain) {
        for (const write of writes.take(await bytesOf(context, segment, job.signal))) {
          if (compareLsn(write.lsn, first.reach) < 0) continue;
          const found = find(write.lsn);
          if (found === undefined) break;
          if (++looks <= limit) {
            await forward.advance(write.end);
            await see(found.state.at, write);
          } else {
            const { at } = found.state;
            skipped = { from: skipped?.from ?? sightings.at(-1)?.at ?? first.at, to: at, end: write.end };
          }
        }
      }
      if (skipped !== undefined) {
        await forward.advance(skipped.end);
        await see(skipped.to);
        notExamined.push(
          `${looks - limit} transactions from ${skipped.from} to ${skipped.to} may have written the row: raise --limit, or narrow --from and --to`,
        );
      }
      if (last !== undefined) sightings.push({ at: until, kind: "log", by, found: last });
    });
  } finally {
    await copy.end();
    await job.cleanUp(() => forward.remove());
    await job.withdraw(forward.resource);
  }
  return { sightings, notExamined, remarks: [REMARK] };
}

const ENDS = new WeakMap<Sighting, string>();

/** Of two changes at one instant, a restore to that instant has the second: the first one is reached by its position. */
function pushChange(sightings: Sighting[], next: Sighting, end: string | undefined): void {
  const last = sightings.at(-1);
  const lastEnd = last && ENDS.get(last);
  if (last?.at === next.at && lastEnd !== undefined) sightings[sightings.length - 1] = { ...last, restoreTo: lastEnd };
  if (end !== undefined) ENDS.set(next, end);
  sightings.push(next);
}

const factsOf = async ({ lsn, xid, origin }: RowWrite, copy: MovingRow): Promise<RowChangeFacts> => ({
  position: lsn,
  id: `transaction ${xid}`,
  origin: origin === undefined ? undefined : ((await copy.originName(origin)) ?? `origin ${origin}`),
});

/** The row in a copy that moves: its session lasts as long as the database does. */
class MovingRow {
  readonly #asking: Asking;
  readonly #forward: Forward;
  readonly #database: string;
  #reader: RowReader | undefined;
  #place: object | "no database" | undefined;

  constructor(asking: Asking, forward: Forward, database: string) {
    this.#asking = asking;
    this.#forward = forward;
    this.#database = database;
  }

  async look(): Promise<RowFound> {
    this.#place = undefined;
    try {
      return await this.#read();
    } catch (error) {
      // A session ends with its database, or when replay needs what it holds.
      await this.end();
      unknownFor(error, this.#asking.watch);
      return await this.#read();
    }
  }

  async #read(): Promise<RowFound> {
    if (this.#reader === undefined) {
      if (!(await this.#forward.databases()).includes(this.#database)) {
        this.#place = "no database";
        return { missing: "database" };
      }
      const { engine, request, job } = this.#asking;
      this.#reader = await engine.open(this.#forward.connection(this.#database), request.row, { signal: job.signal });
    }
    const found = await this.#reader.read();
    this.#place = this.#reader.place();
    return found;
  }

  place(): object | "no database" | undefined {
    return this.#place;
  }

  async originName(id: number): Promise<string | undefined> {
    return this.#reader?.originName(id);
  }

  async end(): Promise<void> {
    await this.#reader?.end();
    this.#reader = undefined;
  }
}

async function throughEntries(asking: Asking, range: LogRange, sightings: Sighting[]): Promise<Part> {
  const { context, source, engine, request, job, watch } = asking;
  const { replay, states, until } = range;
  const { base } = replay;
  const [first] = states;
  if (engine.follow === undefined) throw new LifeboatError("CAPABILITY_MISSING", "the engine does not follow a row through its log");
  const by = `backup ${base.point.name} (${base.point.id}) and its oplog`;
  const key = await context.openKey();
  await thaw(context, base, job, watch);
  const archive = readPart(context.repository.storage, entryPlace(base), partOf(base.manifest, "data"), key, job.signal);
  const steps = engine.follow({
    archive: advancing(archive, watch),
    row: request.row,
    databases: await databasesOf(context, source, replay, job.signal),
    segments: segmentsOf(context, source, replay, job.signal),
    from: base.manifest.log?.endLsn ?? first.reach,
    signal: job.signal,
  });
  await job.step("look", async () => {
    const find = stateFinder(states);
    let last: Sighting | undefined;
    let isBegun = false;
    for await (const step of steps) {
      const place = step.change === undefined ? { state: first, index: 0 } : find(step.change.position);
      if (place === undefined) break;
      const { state, index } = place;
      if (index > 0 && !isBegun) {
        if (last !== undefined) sightings.push({ ...last, at: first.at });
        isBegun = true;
      }
      const about = { at: state.at, kind: "log", by } as const;
      if ("unknown" in step) last = { ...about, code: "INCONCLUSIVE", reason: step.unknown };
      else last = { ...about, found: step.found, ...(index > 0 && { change: step.change }) };
      if (index > 0) pushChange(sightings, last, step.end);
    }
    if (last === undefined) return;
    if (!isBegun) sightings.push({ ...last, at: first.at });
    if ("found" in last) sightings.push({ at: until, kind: "log", by, found: last.found });
  });
  return { sightings, remarks: ["the oplog records operations, not who made them: the user of a change is not known"] };
}
