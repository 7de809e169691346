// The history of one row: what it was at every restore point, in the log, in the provider's history and now. The cheapest route is taken
// for each: an archive is read without a restore, a log is followed once. Values of the row go into the result and nowhere else.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { microsOf } from "../../core/micros.ts";
import { isDamaged } from "../../core/restore-point.ts";
import { type NamedRow, type RowFound, type RowState, type Sighting, timeLine } from "../../core/row-history.ts";
import { didYouMean } from "../../core/suggest.ts";
import { readPart } from "../../repository/backups.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { lookInto } from "../points/look.ts";
import type { PointEntry } from "../points/points.ts";
import type { SnapshotEntry } from "../points/snapshots.ts";
import { refuseErased } from "./erase.ts";
import { type Asks, askedWords, asksOf, PROVIDER_LOOKS, rowHistoryOf } from "./history-asks.ts";
import { followLog } from "./history-log.ts";
import { type Asking, type HistoryRequest, type Part, paid, readFrom, unknownFor } from "./history-part.ts";
import { searchProvider } from "./history-provider.ts";
import { advancing, entryPlace, partOf, thaw } from "./load.ts";
import { resolve } from "./resolve.ts";
import { withRestoredCopy } from "./restored-copy.ts";

export interface RowTold {
  readonly job: string;
  readonly named: NamedRow;
  /** Oldest first. */
  readonly states: readonly RowState[];
  /** What was asked, in words. */
  readonly asked: readonly string[];
  /** What was not looked at, one sentence each. The time line is complete without any. */
  readonly notExamined: readonly string[];
  /** What a reader must know. */
  readonly remarks: readonly string[];
}

/**
 * The time line. What cannot be asked is a state of its own with its reason. Throws USAGE for a key that does not fit the table,
 * TABLE_UNKNOWN for a table that is nowhere, NO_RESTORE_POINT when there is nothing to ask.
 */
export async function history(context: Context, source: Source, request: HistoryRequest, watch: Watch): Promise<RowTold> {
  const engine = rowHistoryOf(source);
  const asks = await asksOf(context, source, request, watch);
  const { backups, bases, logs, snapshots, provider, now } = asks;
  if (backups.length + bases.length + logs.length + snapshots.length === 0 && provider === undefined) {
    throw new LifeboatError("NO_RESTORE_POINT", `nothing of ${source.name} is stored for this range`, {
      hint: `run \`lifeboat list ${source.name}\` to see its restore points`,
    });
  }
  if (backups.length + bases.length + logs.length > 0) await context.openKey();
  await refuseErased(context, source, request.row, watch);
  return runJob(
    context,
    { verb: "history", source: source.name, aside: true },
    watch,
    async (job) => {
      const asking = { context, source, engine, request, job, watch };
      const parts: Part[] = [];
      // First what is cheapest: a key that does not fit is refused before anything is fetched.
      if (now) parts.push(await askNow(asking));
      parts.push(await askBackups(asking, backups));
      for (const ask of logs) parts.push(await followLog(asking, ask));
      for (const entry of bases) parts.push({ sightings: [await askRestored(asking, entry)] });
      const budget = { left: request.limit ?? (provider === undefined || paid(source) ? 0 : PROVIDER_LOOKS) };
      if (snapshots.length > 0) parts.push(await askSnapshots(asking, snapshots, budget));
      if (provider !== undefined) parts.push(await searchProvider(asking, provider, sightingsIn(parts), budget));
      return concluded(source, request, asks, parts, job);
    },
    ({ states }) => ({ table: request.row.table, states: states.length }),
  );
}

const sightingsIn = (parts: readonly Part[]): Sighting[] => parts.flatMap(({ sightings }) => sightings);

async function askNow({ source, engine, request, job, context, watch }: Asking): Promise<Part> {
  const about = { kind: "now", by: "the source as it is now" } as const;
  try {
    const connection = await source.provider.connection({ signal: job.signal });
    const reader = await engine.open(connection, request.row, { signal: job.signal });
    try {
      const found = await reader.read();
      return { sightings: [{ ...about, at: microsOf(context.clock.now()), found }] };
    } finally {
      await reader.end();
    }
  } catch (error) {
    if (isLifeboatError(error, "USAGE")) throw error;
    return { sightings: [{ ...about, at: microsOf(context.clock.now()), ...unknownFor(error, watch) }] };
  }
}

/** Backups with definitions first: the others hold rows alone. */
async function askBackups(asking: Asking, entries: readonly PointEntry[]): Promise<Part> {
  const sightings = new Map<PointEntry, Sighting>();
  const likes: { readonly entry: PointEntry; readonly like: object }[] = [];
  const isDataAlone = ({ point }: PointEntry): boolean => point.kind === "data";
  for (const entry of [...entries.filter((one) => !isDataAlone(one)), ...entries.filter(isDataAlone)]) {
    const like = likes.findLast((one) => one.entry.point.time <= entry.point.time) ?? likes[0];
    const sighting = await askBackup(asking, entry, like?.like);
    sightings.set(entry, sighting);
    if ("found" in sighting && sighting.found.like !== undefined) likes.push({ entry, like: sighting.found.like });
  }
  return { sightings: entries.flatMap((entry) => sightings.get(entry) ?? []) };
}

async function askBackup(asking: Asking, entry: PointEntry, like: object | undefined): Promise<Sighting> {
  const { context, engine, request, job, watch } = asking;
  const about = { at: microsOf(entry.point.time), kind: "backup", by: nameOf(entry), restoreTo: entry.point.id } as const;
  try {
    if (isDamaged(entry.point)) throw new LifeboatError("INTEGRITY", "it was found damaged before");
    const key = await context.openKey();
    await thaw(context, entry, job, watch);
    const part = partOf(entry.manifest, "data");
    const found = await job.step(
      "read",
      () => {
        const bytes = readPart(context.repository.storage, entryPlace(entry), part, key, job.signal);
        return engine.inArchive(advancing(bytes, watch), request.row, { like });
      },
      { totalBytes: part.plain.sizeBytes },
    );
    return found === undefined ? await askRestored(asking, entry) : { ...about, found };
  } catch (error) {
    return { ...about, ...unknownFor(error, watch) };
  }
}

/** The slow way: a copy is restored into scratch. */
async function askRestored(asking: Asking, entry: PointEntry): Promise<Sighting> {
  const { context, source, job, watch } = asking;
  const about = { at: microsOf(entry.point.time), kind: "backup", by: nameOf(entry), restoreTo: entry.point.id } as const;
  try {
    const { route } = await resolve(context, source, { kind: "point", name: entry.point.id }, watch);
    const found = await withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => readFrom(asking, connection()));
    return { ...about, found };
  } catch (error) {
    return { ...about, ...unknownFor(error, watch) };
  }
}

const nameOf = ({ point }: PointEntry): string => `backup ${point.name} (${point.id})`;

async function askSnapshots(asking: Asking, entries: readonly SnapshotEntry[], budget: { left: number }): Promise<Part> {
  const { context, source, job, watch } = asking;
  const sightings: Sighting[] = [];
  for (const { point, snapshot } of entries) {
    const by = `snapshot ${point.name} (${point.id})`;
    const about = { at: microsOf(point.time), kind: "snapshot", by, restoreTo: point.id } as const;
    try {
      if (budget.left <= 0) throw new LifeboatError("INCONCLUSIVE", "a look takes a scratch place, and --limit allows no more");
      budget.left -= 1;
      const found = await lookInto(context, source, job, snapshot, watch, (connection) => readFrom(asking, connection));
      sightings.push({ ...about, found });
    } catch (error) {
      sightings.push({ ...about, ...unknownFor(error, watch) });
    }
  }
  return { sightings };
}

function concluded(source: Source, request: HistoryRequest, asks: Asks, parts: readonly Part[], job: Job): RowTold {
  const sightings = sightingsIn(parts);
  const known = sightings.flatMap((one) => ("found" in one ? [one.found] : []));
  const named = known.findLast((found) => found.named !== undefined)?.named;
  if (named === undefined) {
    const refused = sightings.find((one) => "code" in one && one.code === "USAGE") ?? sightings.find((one) => "code" in one);
    if (refused !== undefined && "code" in refused) throw new LifeboatError(refused.code, `${refused.by}: ${refused.reason}`);
    const newest = asks.backups.at(-1);
    throw new LifeboatError("TABLE_UNKNOWN", `${source.name} had no table ${request.row.table} at any point that was asked`, {
      ...(newest && { hint: `run \`lifeboat show ${newest.point.id}\` to see its tables; a name with capitals takes quotes: '"Users"'` }),
    });
  }
  const { columns } = request;
  if (columns !== undefined) assertColumns(columns, known, named.table);
  const states =
    columns === undefined
      ? timeLine(sightings)
      : timeLine(
          sightings.map((one) => onlyColumns(one, columns)),
          { rewrites: false },
        );
  return {
    job: job.id,
    named,
    states,
    asked: askedWords(asks),
    notExamined: [...asks.notExamined, ...parts.flatMap(({ notExamined = [] }) => notExamined)],
    remarks: [...asks.remarks, ...parts.flatMap(({ remarks = [] }) => remarks)],
  };
}

function assertColumns(columns: readonly string[], known: readonly RowFound[], table: string): void {
  const all = new Set(known.flatMap(({ row }) => Object.keys(row ?? {})));
  if (all.size === 0) return;
  const unknown = columns.find((column) => !all.has(column));
  if (unknown !== undefined) throw new LifeboatError("USAGE", `${table} has no column ${unknown}${didYouMean(unknown, [...all])}`);
}

function onlyColumns(sighting: Sighting, columns: readonly string[]): Sighting {
  if (!("found" in sighting) || sighting.found.row === undefined) return sighting;
  const { row } = sighting.found;
  const kept = Object.fromEntries(Object.entries(row).filter(([name]) => columns.includes(name)));
  return { ...sighting, found: { ...sighting.found, row: kept } };
}
