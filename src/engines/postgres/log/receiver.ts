// Continuous log archiving: a child fetches the log into a directory, and the files there are handed over in the order of the log.
//
// The directory is all the state there is: after a crash the next receiver hands over what it finds and continues from there.
// A slow consumer makes the directory grow, never our memory.
import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { LogFile, LogReceiver, ReceiverOptions } from "../../../ports/log.ts";
import { directConnection } from "../connect/pooled.ts";
import { findTools } from "../tools/find.ts";
import { emitCommit } from "./emit-commit.ts";
import { Handover } from "./handover.ts";
import { forget, listReceived, sizeOf, systemOf } from "./received.ts";
import { assertSlotName } from "./slot.ts";
import { keepStreaming } from "./stream.ts";

export interface ReceiverTools {
  /** The configuration's `tools.postgres`. */
  readonly bin?: string | readonly string[] | undefined;
}

/** What waiting for the next change costs at most. */
const POLL_MS = 200;

/**
 * Resolves when the child streams, or when the source does not answer but an earlier run left files to hand over. Throws
 * SOURCE_*, TOOL_*, ARCHIVE_BLOCKED, NAME_INVALID. The receiver's `application_name` is the slot's name. Notices: ARCHIVE_RESUMED,
 * SLOT_UNLIMITED, SLOT_LOST, SLOT_GIVEN_UP, LOG_GAP, HEARTBEAT_OFF, and the code of any interruption.
 */
export async function openReceiver(given: Connection, options: ReceiverOptions, tools: ReceiverTools = {}): Promise<LogReceiver> {
  const connection = directConnection(given);
  const { directory, slot, signal } = options;
  assertSlotName(slot);
  // The log is the database in the clear.
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const leftOvers = (await listReceived(directory)).length > 0;
  const stopped = new AbortController();
  const both = signal === undefined ? stopped.signal : AbortSignal.any([signal, stopped.signal]);
  const handover = new Handover(directory, options.partialEveryMs);
  const started = Promise.withResolvers<void>();
  const notice = (code: string, message: string): void => options.onNotice({ code, message });

  const fetchAll = async (): Promise<void> => {
    await keepStreaming({
      connection,
      directory,
      slot,
      program: (major) => findProgram(major, tools, both),
      patient: leftOvers,
      maxBehindBytes: options.maxBehindBytes,
      signal: both,
      prepare: (system, segmentBytes) => prepare(directory, system, segmentBytes),
      startOver: () => handover.startOver(both),
      onNotice: (code, message) => {
        notice(code, message);
        // It may have to wait until what is there was handed over.
        started.resolve();
      },
      onStreaming: () => started.resolve(),
      onBroken: () => handover.hurry(),
    });
  };
  let failure: { readonly error: unknown } | undefined;
  let done = false;
  const fetching = fetchAll()
    .catch((error: unknown) => {
      if (!both.aborted) failure = { error };
    })
    .finally(() => {
      done = true;
      started.resolve();
      handover.hurry();
    });
  const beat = heartbeat(connection, both, notice);

  await started.promise;
  if (failure && !leftOvers) throw failure.error;
  signal?.throwIfAborted();

  return {
    async *files(): AsyncGenerator<LogFile> {
      for (;;) {
        // Read before the directory: files that the child wrote before it ended are then found.
        const last = done;
        yield* handover.pass();
        if (last) break;
        if (handover.isQuiet()) beat();
        await handover.wait(POLL_MS);
      }
      if (failure) throw failure.error;
    },
    async end() {
      stopped.abort(new LifeboatError("CANCELLED", "the receiver of the log was ended"));
      await fetching;
    },
  };
}

async function findProgram(major: number, { bin }: ReceiverTools, signal: AbortSignal): Promise<string> {
  const { directory } = await findTools("client", { configured: bin, minimumMajor: major, signal });
  const program = join(directory, "pg_receivewal");
  await access(program, constants.X_OK).catch((cause) => {
    throw new LifeboatError("TOOL_MISSING", `pg_receivewal is not in ${directory}, beside pg_dump`, { cause });
  });
  return program;
}

/** Log of another cluster under the same names would be taken for this one's, or stop the child forever. */
async function prepare(directory: string, systemIdentifier: string, segmentBytes: number): Promise<void> {
  for (const file of await listReceived(directory)) {
    const found = file.kind === "history" ? undefined : await systemOf(file);
    // Cut short while it was laid out, before any log came: the child would refuse it forever.
    if (found === undefined && file.kind === "partial" && (await sizeOf(file)) !== segmentBytes) await forget(file);
    if (found === undefined || found === systemIdentifier) continue;
    throw new LifeboatError(
      "ARCHIVE_BLOCKED",
      `${directory} holds log of another database cluster (${found}) than the server's (${systemIdentifier}): was the server made anew?`,
      { hint: `move the files out of ${directory}, start again, and make a new base backup` },
    );
  }
}

/**
 * Makes the source commit, in the background; a reason not to is reported once, and archiving continues. It is tried
 * again later: a standby may be promoted.
 */
function heartbeat(connection: Connection, signal: AbortSignal, notice: (code: string, message: string) => void): () => void {
  let running = false;
  let said = false;
  const complain = (why: string): void => {
    if (!said) notice("HEARTBEAT_OFF", `${why}: while nothing is written, the newest instant that can be reached stands still`);
    said = true;
  };
  const emit = async (): Promise<void> => {
    try {
      if (await emitCommit(connection, { signal })) said = false;
      else complain(`${connection.label} is a standby, which takes no commits`);
    } catch (error) {
      // Away for a while: the stream says so.
      if (signal.aborted || isLifeboatError(error, "SOURCE_UNREACHABLE")) return;
      complain(`${connection.label} takes no commits from this role (${error instanceof Error ? error.message : String(error)})`);
    } finally {
      running = false;
    }
  };
  return () => {
    if (running || signal.aborted) return;
    running = true;
    void emit();
  };
}
