// Point-in-time recovery: a base backup is unpacked, its server replays the log to an exact position, and is promoted.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { compareLsn } from "../../../core/lsn.ts";
import type { Recovered, RecoveryOrder } from "../../../ports/physical.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { type Isolation, isolationInWords, requireCell } from "../cluster/isolation.ts";
import type { Settings } from "../cluster/settings.ts";
import { type Client, openClient } from "../connect/client.ts";
import { quoteName, quoteText } from "../connect/quote.ts";
import { readHistory } from "../log/history.ts";
import { segmentNames } from "../log/names.ts";
import { findTools } from "../tools/find.ts";
import { disableSubscriptions, quietConfiguration } from "./hand-over.ts";
import { nextSteps } from "./next.ts";
import { beginPlace, finishPlace, planPlace, type RecoveryPlace, undoPlace } from "./place.ts";
import { foreignTablespace, startReplay } from "./replaying.ts";
import { unpack } from "./unpack.ts";

export interface RecoveryTools {
  /** The configuration's `tools.postgres`. */
  readonly configured?: string | readonly string[] | undefined;
  /** The configuration's `scratch.isolation`. Default: `required`. */
  readonly isolation?: Isolation | undefined;
}

/**
 * Makes the data directory and leaves its server running, promoted, at exactly `expectedEnd`. TOOL_MISSING when PostgreSQL of
 * the very same major version is not here, RESTORE_TARGET_*, DISK_FULL, INTEGRITY, RECOVERY_SHORT, TOOL_FAILED, what
 * `parts` and `fetchLog` throw, or the abort's reason; then nothing is left of it.
 */
export async function recover(order: RecoveryOrder, tools: RecoveryTools): Promise<Recovered> {
  const bin = await serverPrograms(order, tools);
  const place = await planPlace(order);
  const { isolation = "required" } = tools;
  await requireCell(isolation, place.owner);
  await order.declare?.(place.resource);
  const step = order.step ?? ((_name, run) => run());
  try {
    await step("unpack", async () => {
      await beginPlace(place);
      await unpack(order, place);
    });
    const { cluster, reached } = await step("replay", () => replay(order, place, bin, isolation));
    return await asRecovered(order, place, bin, cluster, reached, isolation);
  } catch (error) {
    await undoPlace(place.resource, order.maker);
    throw error;
  }
}

/** A data directory is read by its own major version alone. */
export async function serverPrograms(
  { serverMajor, signal }: Pick<RecoveryOrder, "serverMajor" | "signal">,
  { configured }: RecoveryTools,
): Promise<string> {
  const { directory, major } = await findTools("server", { configured, minimumMajor: serverMajor, signal });
  if (major === serverMajor) return directory;
  throw new LifeboatError(
    "TOOL_MISSING",
    `a base backup of PostgreSQL ${serverMajor} needs the server programs of that very version, and those found are of ${major}`,
    {
      hint: `install them (Debian: apt-get install postgresql-${serverMajor}; macOS: brew install postgresql@${serverMajor}), or name their directory with tools.postgres`,
    },
  );
}

async function replay(
  order: RecoveryOrder,
  place: RecoveryPlace,
  bin: string,
  isolation: Isolation,
): Promise<{ cluster: Cluster; reached: Reached }> {
  const { base, timeline, expectedEnd } = order;
  try {
    const { cluster, endFeeding } = await startReplay(order, place, bin, isolation, {
      signalFile: "recovery.signal",
      expected: segmentNames(timeline, base.startLsn, expectedEnd, base.segmentBytes),
      fetch: order.fetchLog,
      before: expectedEnd,
      settings: recoverySettings(order),
    });
    await endFeeding();
    const reached = await withClient(cluster, order.signal, (client) =>
      readReached(client, place.directory, { lsn: expectedEnd, timeline }),
    );
    return { cluster, reached };
  } catch (error) {
    throw failure(error, order);
  }
}

/** What the server says when the log ended before the target, or before its data was consistent. */
const SHORT =
  /recovery ended before configured recovery target|recovery stop point is before consistent|WAL ends before (end of online backup|consistent recovery point)/;

const FOREIGN_TABLESPACE = /directory "([^"]+)" does not exist[\s\S]*WAL redo at \S+ for Tablespace\/CREATE/;

function failure(error: unknown, order: RecoveryOrder): unknown {
  if (order.signal?.aborted || !(error instanceof LifeboatError) || error.code !== "SCRATCH_FAILED") return error;
  const location = FOREIGN_TABLESPACE.exec(error.message)?.[1];
  if (location !== undefined) return foreignTablespace(location, error);
  const code = SHORT.test(error.message) ? "RECOVERY_SHORT" : "TOOL_FAILED";
  return new LifeboatError(code, `the log could not be replayed to ${order.expectedEnd}: ${error.message}`, { cause: error });
}

async function asRecovered(
  order: RecoveryOrder,
  place: RecoveryPlace,
  bin: string,
  cluster: Cluster,
  reached: Reached,
  isolation: Isolation,
): Promise<Recovered> {
  const { usable, closed, dropped, prepared } = await withClient(cluster, order.signal, async (client) => {
    const found = await databasesOf(client);
    // A temporary copy is there to be read; in one that is kept, what takes no connections continues to take none.
    if (order.temporary) for (const name of found.closed) await client.query(`alter database ${quoteName(name)} allow_connections true`);
    return found;
  });
  let stopping: Promise<void> | undefined;
  const quieted = [
    ...dropped.map((name) => `${name} was being dropped at that instant and its files are gone: \`drop database ${quoteName(name)}\``),
    ...prepared.map(
      ({ gid, database }) =>
        `in ${database} a prepared transaction is open, and keeps its locks until \`commit prepared ${quoteText(gid)}\` or \`rollback prepared ${quoteText(gid)}\``,
    ),
  ];
  return {
    reachedLsn: reached.lsn,
    newTimeline: reached.newTimeline,
    directory: place.directory,
    resource: place.resource,
    databases: order.temporary ? [...usable, ...closed].sort() : usable,
    closed: order.temporary ? [] : closed,
    isolation: isolationInWords(isolation),
    connection: (database) => cluster.connection(database),
    stop() {
      stopping ??= (async () => {
        quieted.push(...(await disableSubscriptions(cluster)));
        await cluster.stop();
        const settings = await quietConfiguration(place.directory, place.owner);
        if (settings.length > 0)
          quieted.push(`in postgresql.auto.conf these settings of the original are now comments: ${settings.join(", ")}`);
        await finishPlace(place);
      })();
      return stopping;
    },
    next: async (options) => [...(await nextSteps(place, bin, options)), ...quieted],
    async remove() {
      await undoPlace(place.resource, order.maker);
    },
  };
}

export interface Databases {
  /** Those that take connections, without the server's own templates. */
  readonly usable: string[];
  /** Those that take none. */
  readonly closed: string[];
  /** Their files are gone, or going: no session can connect. */
  readonly dropped: string[];
  readonly prepared: readonly { readonly gid: string; readonly database: string }[];
}

/** A connection limit that the server itself gives a database before it removes the files. */
const BEING_DROPPED = -2;

export async function databasesOf(client: Client): Promise<Databases> {
  const rows = await client.query<{ name: string; open: boolean; limit: number }>(
    "select datname::pg_catalog.text as name, datallowconn as open, datconnlimit as limit from pg_catalog.pg_database where datname <> all (array['template0', 'template1']) order by 1",
  );
  const whole = rows.filter(({ limit }) => limit !== BEING_DROPPED);
  const names = (some: typeof rows): string[] => some.map(({ name }) => name);
  const dropped = names(rows.filter(({ open, limit }) => open && limit === BEING_DROPPED));
  const [usable, closed] = [names(whole.filter(({ open }) => open)), names(whole.filter(({ open }) => !open))];
  const prepared = await client.query<{ gid: string; database: string }>(
    "select gid, database::pg_catalog.text as database from pg_catalog.pg_prepared_xacts order by 1",
  );
  return { usable, closed, dropped, prepared };
}

async function withClient<T>(cluster: Cluster, signal: AbortSignal | undefined, use: (client: Client) => Promise<T>): Promise<T> {
  const client = await openClient(cluster.connection("postgres"), { signal });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

// Where replay ended, as the server itself wrote it down when it began a timeline of its own.

interface Reached {
  readonly lsn: string;
  readonly newTimeline: number;
}

/** RECOVERY_SHORT unless replay ended at exactly the expected position of the expected timeline. */
async function readReached(
  client: Client,
  directory: string,
  expected: { readonly lsn: string; readonly timeline: number },
): Promise<Reached> {
  const [row] = await client.query<{ timeline: number; recovering: boolean }>(
    "select timeline_id as timeline, pg_catalog.pg_is_in_recovery() as recovering from pg_catalog.pg_control_checkpoint()",
  );
  const short = (why: string): LifeboatError =>
    new LifeboatError("RECOVERY_SHORT", `${why}; it should have ended at ${expected.lsn} of timeline ${expected.timeline}`, {
      details: { expected },
    });
  if (row === undefined || row.recovering) throw short("the server is still replaying its log");
  if (row.timeline <= expected.timeline) throw short(`the server continued on timeline ${row.timeline} as if nothing had been replayed`);
  const file = join(directory, "pg_wal", `${row.timeline.toString(16).toUpperCase().padStart(8, "0")}.history`);
  const bytes = await readFile(file).catch((cause) => {
    throw new LifeboatError("RECOVERY_SHORT", `where replay ended cannot be told: ${file} cannot be read`, { cause });
  });
  const left = readHistory(bytes).at(-1);
  if (left === undefined) throw short(`where replay ended cannot be told: ${file} names no timeline`);
  if (left.timeline !== expected.timeline || compareLsn(left.switchedAt, expected.lsn) !== 0)
    throw short(`replay ended at ${left.switchedAt} of timeline ${left.timeline}`);
  return { lsn: left.switchedAt, newTimeline: row.timeline };
}

// Settings of a server that replays a log for us. They are given on its command line: nothing of them stays in the data.

function recoverySettings({ stopBefore, serverMajor, temporary }: RecoveryOrder): Settings {
  return {
    ...(stopBefore === undefined ? {} : { recovery_target_lsn: stopBefore, recovery_target_inclusive: "off" }),
    recovery_target_action: "promote",
    // No session may connect before the end is reached; and replay need not keep rows for readers.
    hot_standby: "off",
    max_wal_senders: "0",
    // Before it replays, the server flushes all unpacked files: one call a file system, and not one a file.
    ...(temporary || serverMajor < 14 || process.platform !== "linux" ? {} : { recovery_init_sync_method: "syncfs" }),
  };
}
