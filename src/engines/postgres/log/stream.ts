// Keeps pg_receivewal running: starts it, says why it ended, and starts it again until the signal aborts or waiting cannot help.
import { setTimeout as sleep } from "node:timers/promises";
import { asLifeboatError, isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { TimelineHistory } from "../../../core/lsn.ts";
import type { Connection } from "../../../ports/connection.ts";
import { type Child, describeEnd, startChild } from "../../../process/child.ts";
import { type Client, openClient } from "../connect/client.ts";
import { programEnvironment, secretsOf } from "../connect/programs.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { readHistory } from "./history.ts";
import { isSegmentSize } from "./names.ts";
import { type ReceiveFailure, receiveFailure } from "./receive-failure.ts";
import { continueOnTimeline } from "./received.ts";
import { createSlot, dropSlotBy, type SlotState, slotState } from "./slot.ts";
import { identifySystem, type ServerIdentity, UNLIMITED } from "./state.ts";
import { openWatchdog, type Watchdog } from "./watchdog.ts";

export interface StreamOptions {
  readonly connection: Connection;
  readonly directory: string;
  readonly slot: string;
  /** Path of pg_receivewal for a server of that major version. */
  readonly program: (serverMajor: number) => Promise<string>;
  /** Whether to retry before it ever streamed. */
  readonly patient: boolean;
  readonly maxBehindBytes: number | undefined;
  readonly signal: AbortSignal;
  /** Throws when the directory holds log of another cluster; removes what the program would stumble over. */
  readonly prepare: (systemIdentifier: string, segmentBytes: number) => Promise<void>;
  /** Resolves when everything received is stored and the directory is empty of segments, so that the slot alone gives the position. */
  readonly startOver: () => Promise<void>;
  readonly onNotice: (code: string, message: string) => void;
  /** It streams. */
  readonly onStreaming: () => void;
  /** It broke: what is there now is all there is for a while. */
  readonly onBroken: () => void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;
const LOOK_EVERY_MS = 2_000;
const LOOK_TIMEOUT_MS = 20_000;
const PREPARE_TIMEOUT_MS = 30_000;
/** A network that swallows everything is noticed within half a minute. */
const KEEPALIVE = "keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=30000";
const STATUS_EVERY_S = 5;

/** Ends when the signal aborts. Throws errors that waiting cannot fix: ARCHIVE_BLOCKED, SOURCE_PERMISSION, SOURCE_AUTH, TOOL_*. */
export async function keepStreaming(options: StreamOptions): Promise<void> {
  const { signal, connection, onNotice } = options;
  let pauseMs = FIRST_PAUSE_MS;
  let away: string | undefined;
  let patient = options.patient;
  let warned = false;
  const streaming = (unlimited: boolean): void => {
    if (unlimited && !warned) onNotice("SLOT_UNLIMITED", `${connection.label}: ${UNLIMITED}`);
    warned = true;
    pauseMs = FIRST_PAUSE_MS;
    if (away !== undefined) onNotice("ARCHIVE_RESUMED", `the log of ${connection.label} comes again`);
    away = undefined;
    patient = true;
    options.onStreaming();
  };
  while (!signal.aborted) {
    const ended = await streamOnce(options, streaming).catch((error: unknown) => {
      if (signal.aborted) return undefined;
      const known = asLifeboatError(error);
      if (!known.retryable) throw known;
      return { what: "again" as const, error: known };
    });
    if (signal.aborted || ended === undefined) return;
    options.onBroken();
    if (ended.what === "fatal" || (ended.what === "again" && !patient)) throw ended.error;
    // One notice an outage, and another when its reason changes.
    if (away !== ended.error.code) onNotice(ended.error.code, `${ended.error.message}; trying again`);
    away = ended.error.code;
    if (ended.what === "restart") {
      await options.startOver();
      onNotice("LOG_GAP", `the log of ${connection.label} continues at the slot's own position: the WAL before it is lost`);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
}

/** One run of the program, from a look at the server to the program's end. */
async function streamOnce(options: StreamOptions, streaming: (unlimited: boolean) => void): Promise<ReceiveFailure | undefined> {
  const { connection, slot, signal } = options;
  const dog = openWatchdog(connection, signal);
  const asked = await dog.within(PREPARE_TIMEOUT_MS, () => askSystem(connection, dog.signal));
  if ("what" in asked) return asked;
  const client = await openClient(connection, { signal: dog.signal });
  try {
    const program = await options.program(Math.floor(client.serverVersionNumber / 10_000));
    const segmentBytes = await dog.within(PREPARE_TIMEOUT_MS, () => segmentBytesOf(client));
    await options.prepare(asked.systemIdentifier, segmentBytes);
    await continueOnTimeline(options.directory, asked.history, asked.timeline, segmentBytes);
    const made = await ensureSlot(client, options);
    const child = await startChild(program, argumentsFor(options), {
      env: { ...programEnvironment(connection, client), PGAPPNAME: slot },
      secrets: secretsOf(connection),
      stdout: "ignore",
      signal,
    });
    try {
      await watch(child, client, dog, options, streaming);
    } finally {
      await child.kill();
    }
    if (signal.aborted) return undefined;
    const failure = receiveFailure(describeEnd(program, await child.closed, child.stderrTail()), connection);
    // What it may not do now it could not do before: the slot would retain WAL that is not being read.
    if (failure.what === "fatal" && made) await dropSlotBy(client, slot);
    return failure;
  } finally {
    await client.close();
  }
}

interface System extends ServerIdentity {
  /** Of its present timeline. */
  readonly history: TimelineHistory;
}

/** Which server it is, over a replication session: whether the role may open one is told by it too, in words of the same kind. */
async function askSystem(connection: Connection, signal: AbortSignal): Promise<System | ReceiveFailure> {
  let client: Client;
  try {
    client = await openClient(connection, { signal, replication: true });
  } catch (error) {
    signal.throwIfAborted();
    const cause = error instanceof LifeboatError && error.cause instanceof Error ? error.cause : error;
    const failure = receiveFailure(cause instanceof Error ? cause.message : String(cause), connection, sqlStateOf(cause));
    if (failure.error.code === "SOURCE_UNREACHABLE") throw error;
    return failure;
  }
  try {
    const identity = await identifySystem(client);
    if (identity.timeline === 1) return { ...identity, history: [] };
    const [row] = await client.query<{ content: string | Uint8Array }>(`TIMELINE_HISTORY ${identity.timeline}`).catch((error: unknown) => {
      if (sqlStateOf(error) === undefined) throw error;
      return []; // the server no longer has the file; the program says so where it needs it
    });
    return { ...identity, history: readHistory(Buffer.from(row?.content ?? "")) };
  } finally {
    await client.close();
  }
}

async function segmentBytesOf(client: Client): Promise<number> {
  const [row] = await client.query<{ size: string }>(
    "select pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::pg_catalog.text as size",
  );
  const segmentBytes = Number(row?.size);
  if (!isSegmentSize(segmentBytes))
    throw new LifeboatError("SOURCE_UNREACHABLE", `${client.connection.label} did not tell its segment size`);
  return segmentBytes;
}

function argumentsFor({ directory, slot }: StreamOptions): string[] {
  const plain = ["-D", directory, "--slot", slot, "--synchronous", "--no-loop", "--no-password", "--verbose"];
  return [...plain, "--status-interval", String(STATUS_EVERY_S), "--dbname", KEEPALIVE];
}

/** Whether the slot had to be made. One that lost its log is made anew: a gap follows, and is said. */
async function ensureSlot(client: Client, options: StreamOptions): Promise<boolean> {
  const { slot, connection, onNotice } = options;
  const found = await slotState(client, slot);
  // A slot that was created without a reservation retains nothing.
  if (found !== undefined && found.state !== "lost" && found.state !== "unused") return false;
  if (found?.state === "unused") await dropSlotBy(client, slot);
  if (found?.state === "lost") {
    onNotice("SLOT_LOST", `${connection.label} dropped log that the slot ${slot} was to keep: it is made anew, and the archive has a gap`);
    await dropSlotBy(client, slot);
    await options.startOver();
  }
  await createSlot(client, slot);
  return true;
}

async function keepsWithoutLimit(client: Client): Promise<boolean> {
  const [row] = await client.query<{ limit: string | null }>("select pg_catalog.current_setting('max_slot_wal_keep_size', true) as limit");
  return row?.limit === "-1" || row?.limit === null;
}

/** Until the program has ended: sees it begin to stream, and looks at how much the server keeps back for it. */
async function watch(
  child: Child,
  client: Client,
  dog: Watchdog,
  options: StreamOptions,
  streaming: (unlimited: boolean) => void,
): Promise<void> {
  const { slot } = options;
  const ended = child.closed.then(() => true);
  let announced = false;
  let before = 0;
  for (;;) {
    if (await Promise.race([ended, sleep(announced ? LOOK_EVERY_MS : 50, false, { ref: false })])) return;
    let state: SlotState | undefined;
    try {
      state = await dog.within(LOOK_TIMEOUT_MS, () => slotState(client, slot));
    } catch (error) {
      // The server went away, and the program knows it too, or will soon.
      if (isLifeboatError(error, "SOURCE_UNREACHABLE")) break;
      throw error;
    }
    if (state?.active && !announced) {
      announced = true;
      streaming(await dog.within(LOOK_TIMEOUT_MS, () => keepsWithoutLimit(client)));
    }
    const { maxBehindBytes } = options;
    const kept = state?.keptBytes ?? 0;
    // After an outage there is much to fetch, and less at every look: only what does not get less is hopeless.
    if (state && maxBehindBytes !== undefined && announced && kept > maxBehindBytes && before > 0 && kept >= before) {
      await giveUp(child, client, options, state);
    }
    before = announced ? kept : 0;
  }
  await Promise.race([ended, sleep(LONGEST_PAUSE_MS, undefined, { ref: false })]);
}

/** The source's disk is more important than its archive. */
async function giveUp(child: Child, client: Client, options: StreamOptions, state: SlotState): Promise<never> {
  const { slot, connection, maxBehindBytes = 0 } = options;
  await child.kill();
  await dropSlotBy(client, slot);
  const megabytes = (sizeBytes: number): string => `${Math.round(sizeBytes / 1024 / 1024)} MB`;
  const why = `${connection.label} had to keep ${megabytes(state.keptBytes)} of log for the slot ${slot}, and ${megabytes(maxBehindBytes)} are allowed`;
  options.onNotice(
    "SLOT_GIVEN_UP",
    `${why}: the slot was dropped, so that the source's disk does not fill; the archive has a gap from here on`,
  );
  throw new LifeboatError("ARCHIVE_BLOCKED", `${why}; the slot was given up`, {
    hint: "make the receiver faster or allow more, start it again, then make a new base backup",
  });
}
