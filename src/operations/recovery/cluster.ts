// The route over a base backup and its WAL: a cluster is unpacked, the WAL is replayed to the exact position, every row is read.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { dateOfMicros } from "../../core/micros.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Recovered, RecoveryOrder } from "../../ports/physical.ts";
import { readPart } from "../../repository/backups.ts";
import { physicalOf } from "../archive/log-intake.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { entryPlace, thaw } from "./load.ts";
import { fetchFrom, type Replay } from "./replay.ts";

export interface ClusterPlace {
  readonly directory: string;
  readonly temporary: boolean;
  /** False: what is read of it is read, compared and asked elsewhere. */
  readonly read?: boolean | undefined;
}

export interface Replayed {
  readonly recovered: Recovered;
  readonly checks: readonly Check[];
}

/** Leaves the server running: the caller stops or removes it, also when what follows fails. */
export async function recoverCluster(
  context: Context,
  source: Source,
  replay: Replay,
  place: ClusterPlace,
  job: Job,
  watch: Watch,
): Promise<Replayed> {
  const { stopBefore, expectedEnd } = replay;
  const order = await orderOf(context, replay, place, job, watch);
  const recovered = await physicalOf(source).recover({ ...order, stopBefore, expectedEnd });
  const { read = true } = place;
  try {
    const reached = reachedBy(replay, recovered);
    if (!read) return { recovered, checks: reached };
    const checks = await job.step("verify", async () => [
      ...(await readAll(source, recovered, job, watch)),
      ...(await ask(source, replay, recovered, job, watch)),
    ]);
    return { recovered, checks: [...reached, ...checks] };
  } catch (error) {
    await recovered.remove();
    await job.withdraw(recovered.resource);
    throw error;
  }
}

/** What the engine is told of the base backup, its log, and the place. */
export async function orderOf(
  context: Context,
  replay: Replay,
  { directory, temporary }: ClusterPlace,
  job: Job,
  watch: Watch,
): Promise<Omit<RecoveryOrder, "stopBefore" | "expectedEnd">> {
  const { manifest } = replay.base;
  const { base } = manifest;
  if (base === undefined) throw new LifeboatError("BUG", "a replay onto a cluster without a base backup");
  const key = await context.openKey();
  await thaw(context, replay.base, job, watch);
  const sizeBytes = manifest.parts.reduce((sum, part) => sum + part.plain.sizeBytes, 0);
  const logBytes = replay.chain.length * base.segmentBytes;
  const parts = async function* () {
    // The server's manifest first: by it every file is judged. Then tablespaces, then the data directory itself.
    const order = manifest.parts.toSorted((a, b) => rank(a.name) - rank(b.name));
    for (const part of order) {
      yield {
        name: part.name,
        sizeBytes: part.plain.sizeBytes,
        bytes: readPart(context.repository.storage, entryPlace(replay.base), part, key, job.signal),
      };
    }
  };
  return {
    directory,
    temporary,
    maker: job.maker,
    serverMajor: Number.parseInt(manifest.server.version, 10),
    base,
    parts: parts(),
    fetchLog: fetchFrom(context, replay, key),
    timeline: replay.timeline,
    sizeBytes: sizeBytes + logBytes,
    declare: (resource) => job.declare(resource),
    step: (name, run) => job.step(name, run, { totalBytes: name === "unpack" ? sizeBytes : logBytes }),
    signal: job.signal,
    progress: watch.progress,
  };
}

const rank = (name: string): number => (name === "manifest" ? 0 : name === "base" ? 2 : 1);

function reachedBy(replay: Replay, recovered: Recovered): Check[] {
  const { base, stopsAt, wanted } = replay;
  const before = stopsAt === undefined ? "the end of what is proven" : `just before ${stopsAt}`;
  return [
    {
      name: `base backup ${base.point.name}`,
      kind: "integrity",
      outcome: "pass",
      message: "every byte is as it was stored, and every file of the server's own manifest is there",
    },
    {
      name: `log replayed to ${wanted}`,
      kind: "data",
      outcome: "pass",
      message: `replay ended at exactly ${recovered.reachedLsn}, as proven from the log itself: ${before}`,
      expected: replay.expectedEnd,
      actual: recovered.reachedLsn,
    },
  ];
}

/** The source's own database in a recovered cluster. The connection throws RESTORE_TARGET_INVALID: at that instant there was none. */
export async function ownDatabaseIn(
  source: Source,
  recovered: Recovered,
  { wanted }: Replay,
  signal: AbortSignal,
): Promise<() => Connection> {
  const database = await databaseOf(source, signal).catch(() => "");
  return () => {
    if (recovered.databases.includes(database)) return recovered.connection(database);
    const there = recovered.databases.join(", ");
    throw new LifeboatError("RESTORE_TARGET_INVALID", `at ${wanted} the server had no database ${database}; it had ${there}`);
  };
}

/** The source's own database, by the name it has at the source. */
export async function databaseOf(source: Source, signal: AbortSignal): Promise<string> {
  const own = await source.provider.connection({ signal });
  return source.engine.resolveTarget(own, own.url).database;
}

/** Every row of every database is read. That they are the right ones follows from the log; that they can be read, from this. */
async function readAll(source: Source, recovered: Recovered, job: Job, watch: Watch): Promise<Check[]> {
  const checks: Check[] = [];
  let rows = 0;
  for (const database of recovered.databases) {
    const name = `reading database ${database}`;
    try {
      const work = { signal: job.signal, progress: watch.progress };
      const { tables, unhashed } = await source.engine.fingerprint(recovered.connection(database), { kind: "full" }, work);
      const count = Object.values(tables).reduce((sum, table) => sum + table.rows, 0);
      rows += count;
      const message = `${Object.keys(tables).length} tables with ${count} rows were read to the end`;
      checks.push({ name, kind: "integrity", outcome: "pass", message, rows: count });
      for (const { kind, object, reason } of unhashed) {
        checks.push({
          name: `reading ${object} of ${database}`,
          kind: "integrity",
          outcome: "inconclusive",
          message: `${kind}: ${reason}`,
        });
      }
    } catch (error) {
      job.signal.throwIfAborted();
      if (!isLifeboatError(error) || error.code === "BUG") throw error;
      checks.push({ name, kind: "integrity", outcome: "inconclusive", message: `${error.code}: ${error.message}` });
    }
  }
  for (const database of recovered.closed) {
    const message = "it takes no connections, so that its rows were not read; a drill reads them";
    checks.push({ name: `reading database ${database}`, kind: "integrity", outcome: "inconclusive", message });
  }
  if (rows > 0) return checks;
  return [...checks, { name: "rows", kind: "data", outcome: "inconclusive", message: "no table of any database holds a row", rows }];
}

async function ask(source: Source, replay: Replay, recovered: Recovered, job: Job, watch: Watch): Promise<readonly Check[]> {
  if (source.probes.length === 0) return [];
  const database = await databaseOf(source, job.signal);
  if (!recovered.databases.includes(database)) {
    return [{ name: "probes", kind: "probe", outcome: "fail", message: `the restored cluster has no database ${database} to ask them of` }];
  }
  const work = { signal: job.signal, progress: watch.progress };
  return await source.engine.probe(recovered.connection(database), source.probes, dateOfMicros(replay.at), work);
}
