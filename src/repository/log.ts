// The log archive as it lies in the storage: each file of the log sealed, then a little JSON beside it, which commits it.
// An object is never written over with other bytes: the same segment again is fine, another one of its name is not.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import { historyName, parseLsn } from "../core/lsn.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { logName } from "./layout.ts";
import { flawOfHistory, flawOfSegment } from "./log-flaws.ts";
import { historyPlace, type LogHistory, type LogPlace, placeOf } from "./log-place.ts";
import type { OpenKey, SealKey } from "./seal/keys.ts";
import { seal } from "./seal/seal.ts";
import { unseal } from "./seal/unseal.ts";

export interface LogStoreOptions {
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Stored<T> {
  readonly record: T;
  /** It was there already, with the same bytes; nothing was written. */
  readonly existed: boolean;
}

/** Attempts to agree with somebody who stores the same segment at the same moment. */
const ATTEMPTS = 10;

/**
 * Seals and stores a segment, whole or as far as it is filled. A partial one is stored at full size with nothing behind
 * `endLsn`, replaces the partial ones before it, and goes when the whole one has come. Throws LOG_INVALID for other bytes
 * under a name that is taken.
 */
export async function storeSegment(
  storage: Storage,
  key: SealKey,
  segment: Omit<LogSegment, "format" | "plain" | "stored">,
  bytes: Uint8Array,
  options: LogStoreOptions = {},
): Promise<Stored<LogSegment>> {
  const { source, timeline } = segment;
  const plain = segment.partial ? filledPart(segment, bytes) : bytes;
  const place = { source, timeline, stem: stemOf(segment) };
  // A partial one is removed soon: it is never locked.
  const lockUntil = segment.partial ? undefined : options.lockUntil;
  const stored = await storeSealed(storage, key, place, plain, (facts): LogSegment => ({ format: 1, ...segment, ...facts }), {
    ...options,
    lockUntil,
  });
  await removeOlderPartials(storage, stored.record, options.signal);
  return stored;
}

/** What lies behind the last complete record is cut off: the same state is then always the same bytes. */
function filledPart(segment: Pick<LogSegment, "startLsn" | "endLsn">, bytes: Uint8Array): Uint8Array {
  const filledBytes = Math.max(0, Number(parseLsn(segment.endLsn) - parseLsn(segment.startLsn)));
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes.subarray(0, filledBytes));
  return copy;
}

export async function storeHistory(
  storage: Storage,
  key: SealKey,
  history: Omit<LogHistory, "format" | "name" | "plain" | "stored">,
  bytes: Uint8Array,
  options: LogStoreOptions = {},
): Promise<Stored<LogHistory>> {
  const { source, timeline } = history;
  const name = historyName(timeline);
  return storeSealed(storage, key, historyPlace(source, timeline), bytes, (facts) => ({ format: 1, name, ...history, ...facts }), options);
}

type Facts = { readonly plain: ByteFacts; readonly stored: ByteFacts };

async function storeSealed<T extends Facts>(
  storage: Storage,
  key: SealKey,
  place: LogPlace,
  plain: Uint8Array,
  describe: (facts: Facts) => T,
  { lockUntil, signal }: LogStoreOptions,
): Promise<Stored<T>> {
  const { source, timeline, stem } = place;
  const names = { bytes: logName(source, timeline, stem, "zst.age"), json: logName(source, timeline, stem, "json") };
  const sha256 = createHash("sha256").update(plain).digest("hex");
  const same = (found: Record<string, unknown>): T => {
    const known = found as unknown as T;
    if (known.plain?.sha256 === sha256) return known;
    throw new LifeboatError("LOG_INVALID", `${stem} of ${source} is in the archive already, with other bytes`, {
      hint: "archive each database cluster under a source of its own; after a restore, the server must be on a new timeline",
    });
  };
  const before = await getJson(storage, names.json, signal);
  if (before !== undefined) return { record: same(before), existed: true };
  let existed = false;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const sealed = seal(once(plain), key, { signal });
    // Bytes without their JSON are a crash's remains: they are written over. No condition: some servers know none for what
    // is sent in several parts. So of two that store the same segment at once, each describes its own bytes and then looks
    // whether they still lie there: whoever wrote last is the last to describe.
    const { etag } = await storage.put(names.bytes, sealed.bytes, { lockUntil, signal });
    const record = describe(sealed.facts());
    existed = (await commit(storage, names.json, record, same, { lockUntil, signal })) || existed;
    if ((await storage.head(names.bytes, { signal }))?.etag === etag) return { record, existed };
    await sleep(Math.random() * 100 * attempt, undefined, { signal });
  }
  throw new LifeboatError("STORAGE_CONFLICT", `somebody else is storing ${stem} of ${source} at the same moment`);
}

/** Writes the JSON, in place of one that describes the same plain bytes. Returns whether there was one. */
async function commit(
  storage: Storage,
  name: string,
  record: object,
  assertSame: (found: Record<string, unknown>) => unknown,
  options: LogStoreOptions,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    const etag = (await storage.head(name, { signal: options.signal }))?.etag;
    const found = etag === undefined ? undefined : await getJson(storage, name, options.signal);
    if (found !== undefined) assertSame(found);
    try {
      await putJson(storage, name, record, { ...options, ...(etag === undefined ? { ifAbsent: true } : { ifMatch: etag }) });
      return etag !== undefined;
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT") || attempt === ATTEMPTS) throw error;
    }
  }
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** After its JSON is there: partial ones that are filled less, or all of them beside a whole one. */
async function removeOlderPartials(storage: Storage, segment: LogSegment, signal: AbortSignal | undefined): Promise<void> {
  const { source, timeline, name } = segment;
  const own = stemOf(segment);
  const folder = logName(source, timeline, "", "json").slice(0, -".json".length);
  const stems = new Set<string>();
  for await (const object of storage.list(`${folder}${name}.partial-`, { signal })) {
    const stem = object.name.slice(folder.length).replace(/\.(zst\.age|json|damaged\.json)$/, "");
    if (segment.partial ? stem < own : true) stems.add(stem);
  }
  for (const stem of stems) await removeLogFile(storage, { source, timeline, stem }, signal);
}

/** Removes a file of the log: its JSON first, so that from the first moment on nobody counts on it. */
export async function removeLogFile(storage: Storage, { source, timeline, stem }: LogPlace, signal?: AbortSignal): Promise<void> {
  for (const suffix of ["json", "zst.age", "damaged.json"] as const) {
    await storage.delete(logName(source, timeline, stem, suffix), { signal });
  }
}

/** What the storage says of a segment; undefined where none was committed. */
export async function readSegmentRecord(storage: Storage, place: LogPlace, signal?: AbortSignal): Promise<LogSegment | undefined> {
  const name = logName(place.source, place.timeline, place.stem, "json");
  const found = await getJson(storage, name, signal);
  if (found === undefined) return undefined;
  const flaw = flawOfSegment(found, place);
  if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
  return found as unknown as LogSegment;
}

/** What the storage says of a timeline's history file; undefined where none was committed. */
export async function readHistoryRecord(
  storage: Storage,
  source: string,
  timeline: number,
  signal?: AbortSignal,
): Promise<LogHistory | undefined> {
  if (timeline === 1) return undefined; // the first timeline has none
  const place = historyPlace(source, timeline);
  const name = logName(source, timeline, place.stem, "json");
  const found = await getJson(storage, name, signal);
  if (found === undefined) return undefined;
  const flaw = flawOfHistory(found, place);
  if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
  return found as unknown as LogHistory;
}

/** Gives a stored segment its link, found out later: the bytes stay, their JSON is replaced. Lost races change nothing. */
export async function linkSegment(storage: Storage, segment: LogSegment, previous: LogSegment["previous"]): Promise<void> {
  const { source, timeline, stem } = placeOf(segment);
  const name = logName(source, timeline, stem, "json");
  const etag = (await storage.head(name))?.etag;
  if (etag === undefined) return;
  await putJson(storage, name, { ...segment, previous }, { ifMatch: etag });
}

/** The plain bytes of a file of the log. They are proven only once this has ended without throwing. */
export function readLogBytes(
  storage: Storage,
  place: LogPlace,
  expected: Facts,
  key: OpenKey,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  return unseal(readStoredLog(storage, place, signal), key, { plain: expected.plain, stored: expected.stored });
}

/** The stored bytes, as they are. */
export function readStoredLog(storage: Storage, { source, timeline, stem }: LogPlace, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  return storage.get(logName(source, timeline, stem, "zst.age"), { signal });
}

/** Remembers, for everybody, that the bytes were found damaged. */
export async function markLogDamage(
  storage: Storage,
  place: LogPlace,
  damage: { readonly at: Date; readonly message: string },
): Promise<void> {
  const { source, timeline, stem } = place;
  await putJson(storage, logName(source, timeline, stem, "damaged.json"), { format: 1, at: damage.at, message: damage.message });
}

/** They were found whole since. */
export async function clearLogDamage(storage: Storage, { source, timeline, stem }: LogPlace): Promise<void> {
  await storage.delete(logName(source, timeline, stem, "damaged.json"));
}
