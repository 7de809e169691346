// Takes one file of the log into the archive: the walker reads it, it is linked to the segment before it, sealed and stored. The receiver
// and the archive_command form both use it.
import { createHash } from "node:crypto";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { LogSegment, SegmentFacts } from "../../core/log.ts";
import { compareLsn, parseLsn, segmentNameAt, timelineAt } from "../../core/lsn.ts";
import type { LogEngine } from "../../ports/log.ts";
import type { PhysicalEngine } from "../../ports/physical.ts";
import {
  linkSegment,
  readHistoryRecord,
  readLogBytes,
  readSegmentRecord,
  type Stored,
  storeHistory,
  storeSegment,
} from "../../repository/log.ts";
import { placeOf } from "../../repository/log-place.ts";
import { readWhole } from "../../repository/whole.ts";
import type { Context, Source } from "../context.ts";
import { logOf } from "./log-view.ts";

export interface TakenIn {
  readonly name: string;
  /** `ignored`: a backup label, which is not required. `known`: it was stored before, with the same bytes. */
  readonly outcome: "stored" | "known" | "ignored";
  readonly segment?: LogSegment | undefined;
  /** Why it does not continue the segment before it, in a sentence: a new window begins. */
  readonly notice?: string | undefined;
}

export interface IntakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** The segment stored last, if the caller has it: saves a request to the storage. */
  readonly last?: LogSegment | undefined;
  /** A server's archive_command hands it over: it may be the wrong server's. */
  readonly handedOver?: boolean | undefined;
}

/** The engine's log reader. CAPABILITY_MISSING. */
export function physicalOf(source: Source): PhysicalEngine {
  const { physical } = source.engine;
  if (physical !== undefined) return physical;
  throw new LifeboatError("CAPABILITY_MISSING", `${source.name} (${source.engine.name}) has no log that could be archived`);
}

/** What reads the engine's log, whether it is replayed onto base backups or onto dumps; or CAPABILITY_MISSING. */
export const logEngineOf = (source: Source): LogEngine => source.engine.log ?? physicalOf(source);

/** Names that PostgreSQL hands to an archive_command: segments, `….partial`, `.history` and `.backup` files. */
const BACKUP_LABEL = /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/;

/** Stores the file. Storing the same bytes again changes nothing. LOG_INVALID: other bytes have its name. INTEGRITY: its bytes are damaged. */
export async function takeIn(
  context: Context,
  source: Source,
  name: string,
  bytes: Uint8Array,
  options: IntakeOptions = {},
): Promise<TakenIn> {
  const physical = logEngineOf(source);
  const { signal } = options;
  const archivedAt = context.clock.now().toISOString();
  const lockUntil = context.lockMs === undefined ? undefined : new Date(context.clock.now().getTime() + context.lockMs);
  if (BACKUP_LABEL.test(name)) return { name, outcome: "ignored" };
  const segmentName = name.replace(/\.partial$/, "");
  const kind = physical.logFileKind(segmentName);
  if (kind === undefined) throw new LifeboatError("USAGE", `${JSON.stringify(name)} is not the name of a file of the log`);
  const timeline = Number.parseInt(name.slice(0, 8), 16);
  if (kind === "history") {
    const history = { source: source.name, timeline, entries: physical.readHistory(bytes), archivedAt };
    const stored = await storeHistory(context.repository, context.sealKey, history, bytes, { lockUntil, signal });
    return { name, outcome: outcomeOf(stored) };
  }
  const known = await knownAlready(context, source.name, timeline, name, bytes, signal);
  if (known !== undefined) return { name, outcome: "known", segment: known };
  const startsAt = physical.startOfSegment?.(segmentName);
  const before =
    startsAt === undefined
      ? await segmentBefore(context, source.name, segmentName, bytes.length, options)
      : await segmentEndingAt(context, source.name, startsAt, options);
  const { facts, linked } = physical.readSegment(name, bytes, before);
  if (options.handedOver === true) await refuseForeign(context, source, facts, before, signal);
  const previous = linked && before !== undefined ? { name: before.name, sha256: before.plain.sha256 } : undefined;
  const segment = { ...facts, source: source.name, archivedAt, previous };
  const stored = await storeSegment(context.repository, context.sealKey, segment, bytes, { lockUntil, signal });
  if (!facts.partial) await linkNext(context, source, stored.record, signal);
  const notice = previous === undefined ? await noticeOf(context, source.name, stored.record, before) : undefined;
  return { name, outcome: outcomeOf(stored), segment: stored.record, notice };
}

/**
 * LOG_INVALID for a segment of another database cluster than that of the archive. Where the source's own server is that cluster now (it was
 * made anew, or upgraded), the segment is its own.
 */
async function refuseForeign(
  context: Context,
  source: Source,
  { name, systemIdentifier }: SegmentFacts,
  before: LogSegment | undefined,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const known = before?.systemIdentifier ?? (await systemOf(context, source.name, signal));
  if (known === undefined || known === systemIdentifier) return;
  const asked = await askSystem(source, signal);
  if (asked === systemIdentifier) return;
  const whose = `of another database cluster (${systemIdentifier}) than the archive of ${source.name} (${known})`;
  throw new LifeboatError("LOG_INVALID", `log segment ${name} is ${whose}, and was not stored`, {
    hint: `in the archive_command of that server, name the source that is that server, not ${source.name}`,
    details: { segment: name, systemIdentifier, archived: known, server: asked },
  });
}

/** Of the newest base backup, else of the newest segment. */
async function systemOf(context: Context, source: string, signal: AbortSignal): Promise<string | undefined> {
  const { bases, log } = await logOf(context, source, signal);
  return (bases.at(-1)?.facts ?? log.segments.at(-1))?.systemIdentifier;
}

const ASK_MS = 15_000;

/** Undefined: it does not answer, and PostgreSQL hands the segment over again. */
async function askSystem(source: Source, given: AbortSignal): Promise<string | undefined> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(ASK_MS)]);
  try {
    return (await logEngineOf(source).logState(await source.provider.connection({ signal }), undefined, { signal })).systemIdentifier;
  } catch (error) {
    given.throwIfAborted();
    if (isLifeboatError(error, "BUG") && !signal.aborted) throw error;
    return undefined;
  }
}

const outcomeOf = (stored: Stored<unknown>): "stored" | "known" => (stored.existed ? "known" : "stored");

/** A whole segment that PostgreSQL offers again is recognised by its digest, without reading its records. */
async function knownAlready(
  context: Context,
  source: string,
  timeline: number,
  name: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<LogSegment | undefined> {
  const record = await readSegmentRecord(context.repository, { source, timeline, stem: name }, signal);
  return record?.plain.sha256 === createHash("sha256").update(bytes).digest("hex") ? record : undefined;
}

/** Finds the whole segment just before this one, on its own timeline or on the parent timeline. */
async function segmentBefore(
  context: Context,
  source: string,
  name: string,
  segmentBytes: number,
  { last, signal }: IntakeOptions,
): Promise<LogSegment | undefined> {
  const timeline = Number.parseInt(name.slice(0, 8), 16);
  const start = positionOf(name, segmentBytes);
  if (start === 0n) return undefined;
  const history = await readHistoryRecord(context.repository, source, timeline, signal);
  const parent = history === undefined ? timeline : timelineAt(history.entries, timeline, start - 1n);
  for (const line of new Set([parent, timeline])) {
    const wanted = segmentNameAt(line, start - 1n, segmentBytes);
    const found =
      last?.name === wanted && !last.partial
        ? last
        : await readSegmentRecord(context.repository, { source, timeline: line, stem: wanted }, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Finds, among segments of any length, the one that ends where this one begins. */
async function segmentEndingAt(
  context: Context,
  source: string,
  position: string,
  { last, signal }: IntakeOptions,
): Promise<LogSegment | undefined> {
  if (last !== undefined && !last.partial && compareLsn(last.nextLsn, position) <= 0) {
    return last.nextLsn === position ? last : undefined; // nothing newer was stored than the last one
  }
  const { segments } = await context.catalog.log(source, signal);
  return segments.find(({ nextLsn, partial }) => !partial && nextLsn === position);
}

function positionOf(name: string, segmentBytes: number): bigint {
  return (BigInt(`0x${name.slice(8, 16)}`) << 32n) + BigInt(`0x${name.slice(16, 24)}`) * BigInt(segmentBytes);
}

const NO_KEY: ReadonlySet<string> = new Set(["KEY_MISSING", "KEY_INVALID", "WRONG_KEY", "SECRET_EXPOSED"]);

/**
 * A segment that arrived before its predecessor could not be linked then. Its records must be read again for it,
 * which takes a key; without one the chain has a break here, and `verify` on a machine that has the key repairs it.
 */
async function linkNext(context: Context, source: Source, segment: LogSegment, signal: AbortSignal | undefined): Promise<void> {
  if (segment.free) return; // they come in order; what was repaired by hand is linked by `verify`
  const segmentBytes = Number(parseLsn(segment.nextLsn) - parseLsn(segment.startLsn));
  const stem = segmentNameAt(segment.timeline, parseLsn(segment.nextLsn), segmentBytes);
  const next = await readSegmentRecord(context.repository, { source: source.name, timeline: segment.timeline, stem }, signal);
  if (next === undefined || next.previous !== undefined) return;
  try {
    await relink(context, source, segment, next, signal);
  } catch (error) {
    if (!isLifeboatError(error) || !NO_KEY.has(error.code)) throw error;
  }
}

/** Tells whether the records of a stored segment continue those of another one; if so, its JSON is updated. */
export async function relink(
  context: Context,
  source: Source,
  before: LogSegment,
  next: LogSegment,
  signal?: AbortSignal,
): Promise<boolean> {
  const key = await context.openKey();
  const bytes = await readSegmentBytes(readLogBytes(context.repository.storage, placeOf(next), next, key, signal), next);
  const { linked } = logEngineOf(source).readSegment(fileNameOf(next), bytes, before);
  if (linked) await linkSegment(context.repository, next, { name: before.name, sha256: before.plain.sha256 });
  return linked;
}

/** Facts for the walker: the name of a partial segment says that it ends before its file does. */
export const fileNameOf = ({ name, partial }: Pick<LogSegment, "name" | "partial">): string => (partial ? `${name}.partial` : name);

/** Reads the plain bytes of a stored segment into memory. */
export async function readSegmentBytes(
  chunks: AsyncIterable<Uint8Array>,
  { free, plain }: Pick<LogSegment, "free" | "plain">,
): Promise<Uint8Array> {
  return readWhole(free ? "oplog segment" : "log segment", chunks, plain.sizeBytes);
}

async function noticeOf(
  context: Context,
  source: string,
  segment: LogSegment,
  before: LogSegment | undefined,
): Promise<string | undefined> {
  if (before !== undefined) return `log segment ${segment.name} does not run on from ${before.name}: a new recovery window begins`;
  const log = await context.catalog.log(source);
  if (log.segments.every(({ name }) => name === segment.name)) return undefined; // the very first one
  if (segment.free) return `the log before position ${segment.startLsn} is not in the archive: a new recovery window begins`;
  return `the log before ${segment.name} is not in the archive: a new recovery window begins`;
}
