// A PostgreSQL cluster of our own: made, used and thrown away; or over data that exists, and kept. A supervisor process ends
// it (and removes what is to be thrown away) even when we are killed.
import { randomBytes } from "node:crypto";
import { stat, statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { isAbsolute } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatBytes } from "../../../core/duration.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { makePassage, serverUser } from "../../../process/server-user.ts";
import { connectionFromParts } from "../connect/url.ts";
import { order, startSupervisor } from "./ask-supervisor.ts";
import { readControlFile } from "./control-file.ts";
import { isShutDown, overrides, ownerOf, sizesOf } from "./existing.ts";
import { type Isolation, requireCell } from "./isolation.ts";
import { layoutOf, noteOf, PORT, readNote, SUPERUSER, writeNote } from "./layout.ts";
import { plainLocale } from "./locale.ts";
import type { SupervisorOrder } from "./protocol.ts";
import { clusterSettings, foreignSettings, type Settings } from "./settings.ts";
import { endServerOf, undoCluster } from "./undo.ts";

export interface ClusterOptions {
  /**
   * Absolute; its parent must exist. It must not exist itself, except for data that does (`existing`): then a directory of
   * the same job is used again. Removed with everything in it at the end, unless `keep`.
   */
  readonly directory: string;
  /** Where `initdb`, `postgres` and `pg_controldata` are. */
  readonly bin: string;
  readonly jobId: string;
  /** Goes into its note: a clean-up that a journal asks for removes the directory by nothing else. */
  readonly proof?: string | undefined;
  /** False: nothing survives a crash of the machine, and everything is faster. */
  readonly durable: boolean;
  /** Added to, or in place of, the settings that `durable` chooses. */
  readonly settings?: Settings | undefined;
  /**
   * No initdb: the data is there, in `directory/data` or where `data` says (which is then never removed). It is run by its owner;
   * as root, data of root is given to the server's user. Configuration files in the data are not read, except
   * postgresql.auto.conf, whose settings that would reach out of this cluster are overridden (see existing.ts); sizes that
   * recovery needs come from its control file. By the socket, in its 0700 directory, the superuser needs no password.
   * A recovery.signal in the data, with the settings for it, makes this a recovery: `beginCluster` then returns when replay
   * is over and the server is promoted, so give `startTimeoutMs` accordingly.
   */
  readonly existing?: { readonly superuser: string; readonly data?: string | undefined } | undefined;
  /**
   * The data holds, or will hold, code of others. The server then runs in a cell, unless the configuration says otherwise, sees
   * nothing but its own directories and `writable`, starts nothing that the data asks for, and is ended before the disk is full.
   */
  readonly foreign?: { readonly isolation: Isolation; readonly writable?: readonly string[] } | undefined;
  /**
   * The data outlives the server. `stop()` then shuts down in peace and leaves directory, note and data, to be started again
   * with `existing`; so does the supervisor when we die. Without it, `stop()` is `remove()`.
   */
  readonly keep?: boolean | undefined;
  /**
   * Lines for pg_hba.conf after the one for the local socket, as `hostssl all all 127.0.0.1/32 scram-sha-256`. Listening itself
   * is asked for by settings: `listen_addresses`, `port`, `ssl`, `ssl_cert_file`, `ssl_key_file` (readable by the server's user).
   */
  readonly hba?: string | undefined;
  readonly encoding?: string | undefined;
  /** Absent: byte order, with the letters of Unicode where the system knows them. */
  readonly locale?: string | undefined;
  /** Who runs the server when we are root; absent: `postgres`, else the unprivileged Unix user. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly startTimeoutMs?: number | undefined;
}

export interface Cluster {
  /** A superuser's connection to a database of the cluster; `postgres` is there from the start. */
  connection(database: string): Connection;
  readonly directory: string;
  readonly data: string;
  /** Of the server (of the first process of its cell) and of the supervisor. */
  readonly pid: number;
  readonly supervisorPid: number;
  readonly socketDirectory: string;
  readonly port: number;
  /** Why the server was ended under its users, where that was us: DISK_FULL. What they met is only the consequence. */
  fault(): Promise<LifeboatError | undefined>;
  /**
   * Ends it; removes it, unless it is to be kept. Throws SCRATCH_FAILED when something stays behind, or when kept data was not
   * shut down in peace. Safe to call twice.
   */
  stop(): Promise<void>;
  /** Ends it at once and removes it, data inside the directory included, kept or not. Safe to call twice, also after `stop()`. */
  remove(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
/** An orderly shutdown writes memory to disk, however slow the disk. */
const PEACE_TIMEOUT_MS = 320_000;

/** Makes and starts a cluster. Throws SCRATCH_FAILED, or the abort's reason; then nothing is left of it that is not to be kept. */
export async function beginCluster(options: ClusterOptions): Promise<Cluster> {
  const { directory, jobId, proof, signal, existing } = options;
  const keep = options.keep ?? false;
  signal?.throwIfAborted();
  if (!isAbsolute(directory)) throw new LifeboatError("SCRATCH_FAILED", `the directory of a cluster must be absolute, not ${directory}`);
  const host = hostname();
  const { socket, data: inside } = layoutOf(directory);
  const data = existing?.data ?? inside;
  const user = existing ? await ownerOf(data, options.user) : await serverUser(options.user);
  const support = options.foreign && (await requireCell(options.foreign.isolation, user));
  if (!(await makeDirectory(options, user !== undefined))) await writeNote(directory, noteOf({ directory, jobId, host, proof, data }));
  const password = existing ? undefined : randomBytes(24).toString("base64url");
  const supervisor = startSupervisor();
  const closed = new Promise<void>((resolve) => supervisor.once("close", () => resolve()));
  const endSupervisor = async (timeoutMs: number): Promise<void> => {
    supervisor.stdin?.destroy();
    // This timer keeps the event loop running: the supervisor itself does not, and we may have nothing else to wait for.
    const waiting = new AbortController();
    await Promise.race([closed, sleep(timeoutMs, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
  };
  const removeAll = async (): Promise<void> => {
    // Kept data would be shut down in peace first; the clean-up is quicker.
    if (!keep) await endSupervisor(STOP_TIMEOUT_MS);
    // Nothing to do when the supervisor did its work; everything when it was killed.
    await undoCluster({ directory, jobId, host, proof });
    if (keep) await endSupervisor(STOP_TIMEOUT_MS);
  };
  const shutDown = async (): Promise<void> => {
    await endSupervisor(PEACE_TIMEOUT_MS);
    await endServerOf(data, (await readNote(directory))?.cell, true);
    if (!isShutDown(await readControlFile(options.bin, data)))
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `the server over ${data} could not be shut down in peace; its log is ${layoutOf(directory).log}`,
      );
  };
  const disk = options.foreign && watchDisk(data === inside ? directory : data);
  try {
    const cell = support && { support, writable: options.foreign?.writable ?? [] };
    const message = await orderOf(options, { host, data, keep, password, uid: user?.uid, gid: user?.gid, cell });
    const answer = await Promise.race([order(supervisor, message), rejectOnAbort(signal), ...(disk ? [disk.short] : [])]);
    if (!answer.ready)
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `${keep ? `the cluster of ${data}` : "a temporary cluster"} cannot be started: ${answer.message}`,
      );
    const port = Number(options.settings?.port ?? PORT);
    let stopping: Promise<void> | undefined;
    let removing: Promise<void> | undefined;
    const remove = (): Promise<void> => {
      removing ??= removeAll();
      disk?.end();
      return removing;
    };
    // A cell ends with its first process. Without a cell, the server ends its own processes.
    disk?.short.catch(() => endQuietly(answer.pid, support ? "SIGKILL" : "SIGQUIT"));
    return {
      connection: (database) => {
        const parts = { host: socket, port, user: existing?.superuser ?? SUPERUSER, password, database, parameters: {} };
        return { ...connectionFromParts(parts), label: `${database} in ${keep ? data : "a temporary cluster"}` };
      },
      directory,
      data,
      pid: answer.pid,
      supervisorPid: supervisor.pid ?? 0,
      socketDirectory: socket,
      port,
      fault: async () => await disk?.shortage(),
      stop() {
        if (!keep || removing) return remove();
        disk?.end();
        stopping ??= shutDown();
        return stopping;
      },
      remove,
    };
  } catch (error) {
    disk?.end();
    if (keep) await endSupervisor(PEACE_TIMEOUT_MS);
    else await removeAll();
    throw error;
  }
}

/** Others may pass through it, to reach the server's own part of it, but not look. Returns whether it is there already, with its note. */
async function makeDirectory({ directory, existing, jobId, proof }: ClusterOptions, forAnother: boolean): Promise<boolean> {
  if (existing && (await stat(directory).catch(() => undefined))?.isDirectory()) {
    const note = await readNote(directory);
    if (note === undefined || (note.jobId === jobId && note.proof === proof)) return note !== undefined;
    throw new LifeboatError("SCRATCH_FAILED", `${directory} belongs to job ${note.jobId}, not to ${jobId}`);
  }
  await makePassage(directory, forAnother).catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", `the directory ${directory} for a cluster cannot be made: ${cause.message}`, { cause });
  });
  return false;
}

type Chosen = Pick<SupervisorOrder, "host" | "data" | "keep" | "uid" | "gid" | "cell"> & { readonly password: string | undefined };

async function orderOf(options: ClusterOptions, { password, ...chosen }: Chosen): Promise<SupervisorOrder> {
  const { directory, bin, jobId, existing, hba, locale } = options;
  const common = { directory, bin, jobId, ...chosen, startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS };
  const settings = {
    ...(options.foreign ? await foreignSettings(bin, options.signal) : {}),
    ...clusterSettings(options.durable, options.settings),
  };
  if (password === undefined || existing) {
    const sizes = await sizesOf(bin, chosen.data, settings, options.signal);
    return { ...common, hba: `local all all trust\n${hba ?? ""}\n`, settings: { ...overrides(settings), ...settings, ...sizes } };
  }
  const encoding = options.encoding ?? "UTF8";
  const create = { password, encoding, ...(locale === undefined ? await plainLocale() : { locale, ctype: locale }) };
  return { ...common, create, hba: hba === undefined ? undefined : `local all all scram-sha-256\n${hba}\n`, settings };
}

function endQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal?.aborted)
      reject(signal.reason); // meanwhile: an abort is told only once
    else signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// Watches the disk that a scratch server writes to: foreign data, or code in it, must not fill it for the whole machine.

interface DiskWatch {
  /** Rejects with DISK_FULL when the reserve is touched; else pending. */
  readonly short: Promise<never>;
  /** The same as a value, looked at now: the server itself may have met a full disk just before we looked. */
  shortage(): Promise<LifeboatError | undefined>;
  end(): void;
}

const LOOK_MS = 250;
const RESERVE_BYTES = 512 * 1024 * 1024;
/** Of a small disk, so much stays free. */
const RESERVE_SHARE = 0.05;

function watchDisk(directory: string): DiskWatch {
  let found: LifeboatError | undefined;
  let tell: (error: LifeboatError) => void = () => {};
  const short = new Promise<never>((_resolve, reject) => {
    tell = reject;
  });
  short.catch(() => {}); // not everybody waits for it
  const look = async (): Promise<void> => {
    const disk = await statfs(directory).catch(() => undefined);
    if (disk === undefined || found) return;
    const freeBytes = disk.bavail * disk.bsize;
    const reserveBytes = Math.min(RESERVE_BYTES, Math.floor(disk.blocks * disk.bsize * RESERVE_SHARE));
    if (freeBytes >= reserveBytes) return;
    found = new LifeboatError(
      "DISK_FULL",
      `the server over ${directory} was ended before it filled the disk: ${formatBytes(freeBytes)} are free`,
      {
        hint: "free space there, or set scratch.directory (tools.spoolDirectory for base backups) to a larger disk",
        details: { directory, freeBytes, reserveBytes },
      },
    );
    tell(found);
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();
  return {
    short,
    async shortage() {
      await look();
      return found;
    },
    end: () => clearInterval(timer),
  };
}
