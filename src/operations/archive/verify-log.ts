// Verifies the log of a backup that log can be replayed onto. Every stored byte is read, and with a key the walker follows every record; what is found is stored beside the segment, so that no window relies on it.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { LogSegment } from "../../core/log.ts";
import { stemOf } from "../../core/log-chain.ts";
import { compareLsn } from "../../core/lsn.ts";
import type { Check } from "../../core/verdict.ts";
import type { LogEngine } from "../../ports/log.ts";
import { clearLogDamage, markLogDamage, readLogBytes, readSegmentRecord, readStoredLog } from "../../repository/log.ts";
import { historyPlace, type LogPlace, placeOf } from "../../repository/log-place.ts";
import { verifyStored } from "../../seal/digest.ts";
import type { OpenKey } from "../../seal/keys.ts";
import type { Context, Watch } from "../context.ts";
import { ignoreUnwritable } from "../jobs/records.ts";
import type { PointEntry } from "../points/points.ts";
import { fileNameOf, readSegmentBytes, relink } from "./log-intake.ts";
import { baseOf, logOf, type SourceLog } from "./log-view.ts";

/** How many flaws are listed one by one. */
const SHOWN = 20;

export interface LogToVerify {
  readonly segments: readonly LogSegment[];
  readonly totalBytes: number;
  readonly log: SourceLog;
}

/** The segments of every window that begins at the base, and those found damaged before: they may be whole again. */
export async function logToVerify(context: Context, entry: PointEntry, watch: Watch): Promise<LogToVerify> {
  const log = await logOf(context, entry.source, watch.signal);
  const base = baseOf(entry.manifest);
  const wanted = new Map<string, LogSegment>();
  for (const window of log.windows) {
    if (base === undefined || !window.bases.some(({ id }) => id === entry.point.id)) continue;
    for (const segment of window.chain) if (compareLsn(segment.nextLsn, base.startLsn) > 0) wanted.set(stemOf(segment), segment);
  }
  for (const segment of log.log.segments) if (log.log.damage.has(stemOf(segment))) wanted.set(stemOf(segment), segment);
  const segments = [...wanted.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { segments, log, totalBytes: segments.reduce((sum, { plain }) => sum + plain.sizeBytes, 0) };
}

/** One check for the whole of the log, and one for each segment that failed. */
export async function checkLog(
  context: Context,
  entry: PointEntry,
  { segments, log }: LogToVerify,
  key: OpenKey | undefined,
  watch: Watch,
): Promise<Check[]> {
  const engine = context.sources.get(entry.source)?.engine;
  const reader = engine?.log ?? engine?.physical;
  const failures: Check[] = [];
  const byName = new Map(log.log.segments.filter(({ partial }) => !partial).map((segment) => [segment.name, segment]));
  for (const segment of segments) {
    const before = segment.previous && byName.get(segment.previous.name);
    const place = placeOf(segment);
    const problem = await problemOf(place, async () => await readSegment(context, segment, before, key, reader, watch));
    // A partial segment that a fuller one replaced meanwhile, or one that expired, is not missing.
    if (problem !== undefined && (await readSegmentRecord(context.repository, place, watch.signal)) === undefined) continue;
    await remember(context, place, problem, log);
    if (problem !== undefined) failures.push({ name: `log segment ${segment.name}`, kind: "integrity", outcome: "fail", message: problem });
  }
  for (const history of log.log.historyRecords) {
    const place = historyPlace(entry.source, history.timeline);
    const problem = await problemOf(place, async () => await drain(context, place, history, key, watch));
    await remember(context, place, problem, log);
    if (problem !== undefined) failures.push({ name: `history ${history.name}`, kind: "integrity", outcome: "fail", message: problem });
  }
  if (key !== undefined && failures.length === 0) await mendLinks(context, entry.source, log, watch);
  const more = failures.length - SHOWN;
  if (more > 0) failures.splice(SHOWN, more, { name: "log", kind: "integrity", outcome: "fail", message: `and ${more} more` });
  if (failures.length > 0 || segments.length === 0) return failures;
  const how = key === undefined ? "read; SHA-256 as stored" : "opened; every record followed, its checksum and its predecessor right";
  return [{ name: "log", kind: "integrity", outcome: "pass", message: `${segments.length} segments ${how}` }];
}

const DAMAGE = new Set(["INTEGRITY", "OBJECT_MISSING"]);

async function problemOf({ stem }: LogPlace, read: () => Promise<void>): Promise<string | undefined> {
  try {
    await read();
    return undefined;
  } catch (error) {
    if (!(error instanceof LifeboatError) || !DAMAGE.has(error.code)) throw error;
    return `${stem}: ${error.message}`;
  }
}

async function readSegment(
  context: Context,
  segment: LogSegment,
  before: LogSegment | undefined,
  key: OpenKey | undefined,
  reader: LogEngine | undefined,
  watch: Watch,
): Promise<void> {
  if (key === undefined || reader === undefined) return drain(context, placeOf(segment), segment, key, watch);
  const { storage } = context.repository;
  const bytes = await readSegmentBytes(readLogBytes(storage, placeOf(segment), segment, key, watch.signal), segment);
  watch.progress.advance(bytes.byteLength);
  const { facts, linked } = reader.readSegment(fileNameOf(segment), bytes, before);
  const differs = (["startLsn", "nextLsn", "endLsn", "systemIdentifier", "maxCommitAt"] as const).find(
    (field) => facts[field] !== segment[field],
  );
  if (differs !== undefined) {
    throw new LifeboatError("INTEGRITY", `its JSON says ${differs} ${segment[differs]}, and its bytes say ${facts[differs]}`);
  }
  if (segment.previous !== undefined && before !== undefined && !linked) {
    throw new LifeboatError("INTEGRITY", `its JSON says that it runs on from ${before.name}, and its bytes do not`);
  }
}

async function drain(
  context: Context,
  place: LogPlace,
  facts: Pick<LogSegment, "plain" | "stored">,
  key: OpenKey | undefined,
  watch: Watch,
): Promise<void> {
  const { storage } = context.repository;
  const advance = (sizeBytes: number): void => watch.progress.advance(sizeBytes);
  if (key === undefined) await verifyStored(readStoredLog(storage, place, watch.signal), facts.stored, advance);
  else for await (const chunk of readLogBytes(storage, place, facts, key, watch.signal)) advance(chunk.byteLength);
}

/** Stores marks for every later reading of the window, on any machine. A mark is deleted when the bytes are found whole again. */
async function remember(context: Context, place: LogPlace, problem: string | undefined, { log }: SourceLog): Promise<void> {
  if (problem !== undefined)
    await markLogDamage(context.repository, place, { at: context.clock.now(), message: problem }).catch(ignoreUnwritable);
  else if (log.damage.has(place.stem)) await clearLogDamage(context.repository, place).catch(ignoreUnwritable);
}

/** Links segments that arrived before their predecessor; that takes a key. */
async function mendLinks(context: Context, sourceName: string, { log }: SourceLog, watch: Watch): Promise<void> {
  const source = context.sources.get(sourceName);
  if (source === undefined || (source.engine.log ?? source.engine.physical) === undefined) return;
  const whole = new Map(
    log.segments.filter(({ partial }) => !partial).map((segment) => [`${segment.nextLsn} ${segment.systemIdentifier}`, segment]),
  );
  for (const segment of log.segments) {
    const before = whole.get(`${segment.startLsn} ${segment.systemIdentifier}`);
    if (segment.previous !== undefined || before === undefined || before.timeline > segment.timeline) continue;
    try {
      await relink(context, source, before, segment, watch.signal);
    } catch (error) {
      // An unreadable segment is not linked; it is reported when its window is verified.
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "OBJECT_MISSING")) ignoreUnwritable(error);
    }
  }
}
