// A server that replays the log over unpacked data: started, fed with log files, and watched for progress.
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { LifeboatError } from "../../../core/errors.ts";
import type { RecoveryOrder } from "../../../ports/physical.ts";
import { beginCluster, type Cluster } from "../cluster/cluster.ts";
import type { Isolation } from "../cluster/isolation.ts";
import { layoutOf } from "../cluster/layout.ts";
import type { Settings } from "../cluster/settings.ts";
import { createsTablespace, logFileKind } from "../log/segments.ts";
import { openFeeder } from "./feeder.ts";
import { setConfigurationAside } from "./hand-over.ts";
import { proofOf, type RecoveryPlace } from "./place.ts";
import { ownFile } from "./unpack.ts";

export interface ReplayMode {
  /** Makes the server a recovery that ends, or one that continues until it is told otherwise. */
  readonly signalFile: "recovery.signal" | "standby.signal";
  /** Log files worth fetching ahead. */
  readonly expected: readonly string[];
  readonly fetch: RecoveryOrder["fetchLog"];
  /** Records from this position on are not replayed. Absent: all that is fetched is. */
  readonly before?: string | undefined;
  readonly settings: Settings;
}

export interface Replaying {
  readonly cluster: Cluster;
  /** Aborts when the server can get no further, with the reason. */
  readonly failed: AbortSignal;
  /** The server gets no more log. */
  endFeeding(): Promise<void>;
}

/** Nothing happens for so long: the server, or what it waits for, is stuck. One segment's replay takes seconds. */
export const STALL_MS = 15 * 60_000;
const LOOK_MS = 5_000;

type Order = Pick<RecoveryOrder, "base" | "maker" | "temporary" | "progress" | "signal" | "timeline">;

/** Returns when the server takes connections: after a recovery, or, with `standby.signal`, while it replays. */
export async function startReplay(
  order: Order,
  place: RecoveryPlace,
  bin: string,
  isolation: Isolation,
  mode: ReplayMode,
): Promise<Replaying> {
  const { base, maker, temporary, progress } = order;
  const ending = new AbortController();
  const signal = order.signal === undefined ? ending.signal : AbortSignal.any([order.signal, ending.signal]);
  const signalFile = join(place.directory, mode.signalFile);
  await writeFile(signalFile, "", { mode: 0o600, flag: "wx" });
  ownFile(signalFile, place.owner);
  await setConfigurationAside(place.directory);
  let lastMs = performance.now();
  let last = base.startLsn;
  const logDirectory = join(place.work, "log");
  const feeder = await openFeeder({
    directory: logDirectory,
    owner: place.owner,
    expected: mode.expected,
    segmentBytes: base.segmentBytes,
    // A cell has no such directory, and the server stops by itself.
    fetch: isolation === "none" ? withoutTablespaces(mode, base.startLsn) : mode.fetch,
    signal,
    onActivity: (name) => {
      lastMs = performance.now();
      if (name !== last) progress?.advance(base.segmentBytes);
      last = name;
    },
    onFailure: (error) => ending.abort(error),
  });
  const { log } = layoutOf(place.work);
  let logBytes = 0;
  const watching = setInterval(async () => {
    const { size = 0 } = (await stat(log).catch(() => undefined)) ?? {};
    if (size !== logBytes) lastMs = performance.now();
    logBytes = size;
    if (performance.now() - lastMs < STALL_MS) return;
    ending.abort(
      new LifeboatError("TOOL_FAILED", `the server has made no progress for ${STALL_MS / 60_000} minutes; it last took ${last}`),
    );
  }, LOOK_MS);
  try {
    const cluster = await beginCluster({
      directory: place.work,
      bin,
      jobId: maker.jobId,
      proof: proofOf(maker, place.work),
      durable: !temporary,
      // Also what is thrown away: the note beside it must outlive everything else.
      keep: true,
      existing: { superuser: base.superuser, data: place.directory },
      foreign: { isolation, writable: [logDirectory, ...(base.tablespaces.length > 0 ? [place.tablespaces] : [])] },
      settings: { ...replaySettings(order.timeline, feeder.command), ...mode.settings },
      // Progress is watched here: replaying much takes long.
      startTimeoutMs: Number.MAX_SAFE_INTEGER,
      signal,
    });
    return { cluster, failed: ending.signal, endFeeding: () => feeder.end() };
  } catch (error) {
    await feeder.end();
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    clearInterval(watching);
  }
}

/** On the machine of the origin, the server would empty the origin's own directory: it never gets the record. */
function withoutTablespaces({ fetch, before }: ReplayMode, from: string): ReplayMode["fetch"] {
  return async (name, signal) => {
    const file = await fetch(name, signal);
    if (file === undefined || logFileKind(name) !== "segment") return file;
    const pieces: Uint8Array[] = [];
    for await (const piece of file) pieces.push(piece);
    if (createsTablespace(name, Buffer.concat(pieces), from, before)) throw foreignTablespace();
    return Readable.from(pieces);
  };
}

/** The path of a tablespace that came to be after the base backup is the origin's, and not to be used by a copy. */
export function foreignTablespace(location?: string, cause?: unknown): LifeboatError {
  const where = location === undefined ? "" : ` at ${location}`;
  return new LifeboatError("TOOL_FAILED", `the log makes a tablespace${where} after the base backup, and a copy has no such place`, {
    cause,
    hint: "restore to an instant before that, or run `lifeboat backup --kind base` and restore from there on",
    details: location === undefined ? {} : { location },
  });
}

// Settings of a server that replays a log for us. They are given on its command line: nothing of them stays in the data.

const replaySettings = (timeline: number, restoreCommand: string): Settings => ({
  restore_command: restoreCommand,
  recovery_target_timeline: String(timeline),
  // What is in memory is written out once, at the end, and not at every checkpoint that the source made.
  checkpoint_timeout: "1d",
  max_wal_size: "64GB",
  // Data stays as it was until its owner takes over.
  autovacuum: "off",
  restart_after_crash: "off",
});
