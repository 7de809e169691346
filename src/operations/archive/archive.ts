// Stores the log of a source in the repository as it is written, for as long as the command runs; or file by file, as PostgreSQL's
// archive_command hands it over.
//
// What was received is kept in a directory that survives restarts; a file leaves it only when it is stored. So the storage
// may be away for any time that the directory's disk and the slot's limit allow, and nothing is lost.
import { chmod, mkdir, readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { LogSegment } from "../../core/log.ts";
import { compareLsn } from "../../core/lsn.ts";
import type { LogFile, LogReceiver } from "../../ports/log.ts";
import { jobsFolder, LEASES, logFolder } from "../../repository/layout.ts";
import type { ArchiveOptions, Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { logEngineOf, type TakenIn, takeIn } from "./log-intake.ts";
import { logOf } from "./log-view.ts";

export interface ArchiveResult {
  /** Whole segments and history files stored by this run. */
  readonly files: number;
  readonly last?: string | undefined;
}

/** How long received files are still stored after a request to stop. */
const FAREWELL_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Longer than any write of a small object takes. */
const LONG_MS = 3_600_000;

/** State that outlives a single job: the receiver continues while the storage, and with it the lease, is away. */
interface Line {
  readonly options: ArchiveOptions;
  readonly stop: AbortSignal;
  receiver?: LogReceiver | undefined;
  files?: AsyncIterator<LogFile> | undefined;
  /** Received, and not stored yet. */
  inHand?: LogFile | undefined;
  last?: LogSegment | undefined;
  stored: number;
}

/**
 * Archives until told to stop, which is its normal end. One at a time on a source: LEASE_HELD. Ends by itself only with an error that
 * a retry cannot fix: ARCHIVE_BLOCKED, LOG_INVALID, INTEGRITY, SOURCE_AUTH, SOURCE_PERMISSION, TOOL_*.
 */
export async function archive(context: Context, source: Source, watch: Watch): Promise<ArchiveResult> {
  logEngineOf(source);
  const line: Line = { options: optionsOf(source), stop: watch.signal, stored: 0 };
  await privateDirectory(line.options.directory);
  // A request to stop lets the job end in order; it is aborted only when that takes too long.
  const work = new AbortController();
  const farewell = (): void => void setTimeout(() => work.abort(watch.signal.reason), FAREWELL_MS).unref();
  watch.signal.addEventListener("abort", farewell, { once: true });
  let pauseMs = FIRST_PAUSE_MS;
  try {
    for (;;) {
      try {
        return await session(context, source, line, { ...watch, signal: work.signal });
      } catch (error) {
        if (!canWait(error, line) || watch.signal.aborted) throw error;
        watch.progress.note(`${asLifeboatError(error).message}; receiving continues, and files wait in ${line.options.directory}`);
      }
      await pause(pauseMs, watch.signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      if (watch.signal.aborted) return resultOf(line);
    }
  } finally {
    watch.signal.removeEventListener("abort", farewell);
    await line.receiver?.end();
  }
}

function optionsOf(source: Source): ArchiveOptions {
  if (source.archive !== undefined) return source.archive;
  throw new LifeboatError("CAPABILITY_MISSING", `${source.name} (${source.providerName}) has no log that could be archived from outside`);
}

const resultOf = ({ stored, last }: Line): ArchiveResult => ({ files: stored, last: last?.name });

const isStorageTrouble = (error: unknown): boolean => isLifeboatError(error) && error.code.startsWith("STORAGE_");

/** Before anything was received, an error is the user's to see; afterwards, trouble of the storage is waited out. */
function canWait(error: unknown, { receiver }: Line): boolean {
  if (receiver === undefined) return false;
  return isStorageTrouble(error) || isLifeboatError(error, "LEASE_LOST") || isLifeboatError(error, "LEASE_HELD");
}

/** Runs one job, for as long as its lease lasts. */
async function session(context: Context, source: Source, line: Line, watch: Watch): Promise<ArchiveResult> {
  return runJob(
    context,
    { verb: "archive", source: source.name, exclusive: true },
    watch,
    (job) =>
      job.step("archive", async () => {
        if (line.files === undefined) await sweepRemains(context, source, job, watch);
        line.files ??= await openLine(context, source, line, watch);
        await storeFiles(context, source, line, job, watch);
        return resultOf(line);
      }),
    ({ files, last }) => ({ files, ...(last === undefined ? {} : { last }) }),
  );
}

/** The log is the database in plain text: its directory is readable by its owner only, also where it existed before. */
async function privateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { mode } = await stat(directory);
  if ((mode & 0o077) !== 0) await chmod(directory, 0o700);
}

/**
 * Removes what a killed archive left half written in the storage. Nothing else writes log while this job holds the lease, except an
 * archive_command, which PostgreSQL runs again. Other jobs write journals and leases: remains there are removed only when they are old.
 */
async function sweepRemains(context: Context, source: Source, job: Job, watch: Watch): Promise<void> {
  const { repository, clock } = context;
  const now = clock.now();
  const long = new Date(now.getTime() - LONG_MS);
  try {
    for (const [prefix, since] of [
      [logFolder(source.name), now],
      [jobsFolder, long],
      [LEASES, long],
    ] as const) {
      await repository.storage.sweep(prefix, since, { signal: job.signal });
    }
  } catch (error) {
    job.signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    watch.progress.note(`what an earlier archive left half written could not be removed: ${error.message}`); // it takes space, no more
  }
}

async function openLine(context: Context, source: Source, line: Line, watch: Watch): Promise<AsyncIterator<LogFile>> {
  const { slot, directory, partialEveryMs, maxBehindBytes } = line.options;
  const connection = await source.provider.connection({ signal: line.stop });
  const engine = logEngineOf(source);
  const slotless = engine.startOfSegment !== undefined;
  const { last, wantedFrom } = slotless ? await whereToGoOn(context, source, line.stop) : {};
  line.last ??= last;
  line.receiver = await engine.openReceiver(connection, {
    directory,
    slot,
    partialEveryMs,
    maxBehindBytes,
    last,
    wantedFrom,
    signal: line.stop,
    onNotice: ({ message }) => watch.progress.note(message),
  });
  watch.progress.note(`archiving the log of ${source.name}${slotless ? "" : ` through the replication slot ${slot}`}`);
  return line.receiver.files()[Symbol.asyncIterator]();
}

/** Where to begin without a slot: after the newest stored segment, or at the newest backup. */
async function whereToGoOn(context: Context, source: Source, signal: AbortSignal) {
  const { log, bases } = await logOf(context, source.name, signal);
  const whole = log.segments.filter(({ partial }) => !partial);
  const last = whole.reduce<LogSegment | undefined>((a, b) => (a === undefined || compareLsn(a.nextLsn, b.nextLsn) < 0 ? b : a), undefined);
  return { last, wantedFrom: bases.at(-1)?.facts.startLsn };
}

async function storeFiles(context: Context, source: Source, line: Line, job: Job, watch: Watch): Promise<void> {
  for (;;) {
    if (line.inHand === undefined) {
      const next = await line.files?.next();
      if (next === undefined || next.done) return;
      line.inHand = next.value;
    }
    const file = line.inHand;
    const bytes = await file.read();
    const taken = await persistently(
      () => takeIn(context, source, file.name, bytes, { last: line.last, signal: job.signal }),
      job.signal,
      watch,
    );
    await file.stored(); // only now may it leave the directory
    line.inHand = undefined;
    if (taken.segment !== undefined && !taken.segment.partial) line.last = taken.segment;
    if (taken.outcome === "stored" && !taken.segment?.partial) line.stored++;
    if (taken.notice !== undefined) watch.progress.note(taken.notice);
  }
}

/** Tries again while the storage is in trouble, until the lease expires or the command is stopped. */
async function persistently<T>(act: () => Promise<T>, signal: AbortSignal, watch: Watch): Promise<T> {
  let pauseMs = FIRST_PAUSE_MS;
  for (let said = false; ; ) {
    try {
      const value = await act();
      if (said) watch.progress.note("the storage answers again");
      return value;
    } catch (error) {
      signal.throwIfAborted();
      if (!isStorageTrouble(error)) throw error;
      if (!said) watch.progress.note(`${asLifeboatError(error).message}; trying again, and what is received meanwhile waits on disk`);
      said = true;
    }
    await pause(pauseMs, signal);
    signal.throwIfAborted();
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/**
 * The archive_command form: one file, named by its path. It returns only when the file is stored; storing the same
 * file again is not an error. No lease and no journal: PostgreSQL archives one file at a time, and retries one that was interrupted.
 */
export async function archiveFile(context: Context, source: Source, path: string, watch: Watch): Promise<TakenIn> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path, { signal: watch.signal });
  } catch (cause) {
    watch.signal.throwIfAborted();
    throw new LifeboatError("USAGE", `the log file ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`, {
      cause,
      hint: `write archive_command = 'lifeboat --config FILE archive ${source.name} --segment %p' and let the server's user read FILE`,
    });
  }
  return takeIn(context, source, basename(path), bytes, { handedOver: true, signal: watch.signal });
}

/** Drops the slot: the server no longer retains log for the archive. LEASE_HELD while an archive runs; CAPABILITY_MISSING without slots. */
export async function stopArchive(context: Context, source: Source, watch: Watch): Promise<{ readonly slot: string }> {
  const { slot } = optionsOf(source);
  if (logEngineOf(source).startOfSegment !== undefined) {
    throw new LifeboatError("CAPABILITY_MISSING", `the server of ${source.name} keeps nothing for an archive: there is no slot to drop`, {
      hint: "end the process that runs `lifeboat archive`",
    });
  }
  await runJob(
    context,
    { verb: "archive", source: source.name, exclusive: true },
    watch,
    (job) =>
      job.step("drop slot", async () => {
        const connection = await source.provider.connection({ signal: job.signal });
        await logEngineOf(source).dropSlot(connection, slot, { signal: job.signal });
      }),
    () => ({ slot }),
  );
  return { slot };
}
