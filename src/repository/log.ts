// The log archive in the storage: each file of the log is sealed, and a small JSON object beside it commits it. A file is never
// overwritten with other bytes: storing the same segment again is accepted, a different one of its name is refused.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ByteFacts } from "../core/byte-facts.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { stemOf } from "../core/log-chain.ts";
import { historyName } from "../core/lsn.ts";
import type { Storage } from "../ports/storage.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import type { Schema } from "./fields.ts";
import { logName } from "./layout.ts";
import { canBeOneLog, filledPart } from "./log-partial.ts";
import {
  damageSchema,
  historyPlace,
  historySchema,
  type LogDamage,
  type LogHistory,
  type LogPlace,
  placeOf,
  segmentSchema,
} from "./log-place.ts";
import type { Repository } from "./repository.ts";
import {
  deleteSigned,
  getSigned,
  type ObjectType,
  objectOfSignature,
  type Prepared,
  prepareSigned,
  putSigned,
  type Signed,
} from "./signed.ts";

export interface LogStoreOptions {
  readonly lockUntil?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Stored<T> {
  readonly record: T;
  /** It existed already with the same bytes, and nothing was written. */
  readonly existed: boolean;
}

/** Attempts when another process stores the same segment concurrently. */
const ATTEMPTS = 10;

/**
 * Seals and stores a whole or partial segment. A partial one is stored at full size with zeros after `endLsn`. It replaces earlier partial
 * ones and is deleted once the whole one is stored. Throws LOG_INVALID for other bytes under an existing name, and for bytes that do not
 * continue an earlier partial one: two servers that were restored from one backup write the same names on the same timeline.
 */
export async function storeSegment(
  repository: Repository,
  key: SealKey,
  segment: Omit<LogSegment, "format" | "plain" | "stored">,
  bytes: Uint8Array,
  options: LogStoreOptions = {},
): Promise<Stored<LogSegment>> {
  const { source, timeline } = segment;
  const plain = segment.partial ? filledPart(segment, bytes) : bytes;
  const place = { source, timeline, stem: stemOf(segment) };
  // A partial one is deleted soon, so it is never locked.
  const lockUntil = segment.partial ? undefined : options.lockUntil;
  const describe = (facts: Facts): LogSegment => ({ format: 1, ...segment, ...facts });
  const names = await stemsOf(repository, segment, options.signal);
  for (const stem of names) {
    const known = await readSegmentRecord(repository, { source, timeline, stem }, options.signal).catch(damagedIsNone);
    if (known !== undefined && !canBeOneLog(known, segment, bytes)) throw otherBytes(stem, source);
  }
  const stored = await storeSealed(repository, key, place, plain, { ...SEGMENT, describe }, { ...options, lockUntil });
  // After the JSON is stored: less filled partial segments, or all of them beside a whole one.
  for (const stem of names) {
    if (stem !== segment.name && (!segment.partial || stem < place.stem))
      await removeLogFile(repository, { source, timeline, stem }, options.signal);
  }
  return stored;
}

function damagedIsNone(error: unknown): undefined {
  if (!isLifeboatError(error, "INTEGRITY")) throw error;
}

const otherBytes = (stem: string, source: string): LifeboatError =>
  new LifeboatError("LOG_INVALID", `${stem} of ${source} is in the archive already, with other bytes`, {
    hint: "archive each database cluster under its own source; a restored server must be on a new timeline",
  });

/** Lists what is stored of a segment: its whole file, and its partial ones. */
async function stemsOf(
  repository: Repository,
  { source, timeline, name }: Pick<LogSegment, "source" | "timeline" | "name">,
  signal: AbortSignal | undefined,
): Promise<Set<string>> {
  const folder = logName(source, timeline, "", "json").slice(0, -".json".length);
  const stems = new Set<string>();
  for await (const object of repository.storage.list(`${folder}${name}.`, { signal })) {
    const stem = /^[^.]*(?:\.partial-[0-9a-f]+)?/.exec(object.name.slice(folder.length))?.[0];
    if (stem !== undefined) stems.add(stem);
  }
  return stems;
}

export async function storeHistory(
  repository: Repository,
  key: SealKey,
  history: Omit<LogHistory, "format" | "name" | "plain" | "stored">,
  bytes: Uint8Array,
  options: LogStoreOptions = {},
): Promise<Stored<LogHistory>> {
  const { source, timeline } = history;
  const name = historyName(timeline);
  const describe = (facts: Facts): LogHistory => ({ format: 1, name, ...history, ...facts });
  return storeSealed(repository, key, historyPlace(source, timeline), bytes, { ...HISTORY, describe }, options);
}

type Facts = { readonly plain: ByteFacts; readonly stored: ByteFacts };

/** The JSON objects beside the bytes of a file of the log. */
interface Kind<T> {
  readonly type: ObjectType;
  readonly schema: Schema<T>;
}

const SEGMENT: Kind<LogSegment> = { type: "log-segment", schema: segmentSchema };
const HISTORY: Kind<LogHistory> = { type: "log-history", schema: historySchema };
const DAMAGE: Kind<LogDamage> = { type: "log-damage", schema: damageSchema };

async function storeSealed<T extends Facts>(
  repository: Repository,
  key: SealKey,
  place: LogPlace,
  plain: Uint8Array,
  kind: Kind<T> & { readonly describe: (facts: Facts) => T },
  { lockUntil, signal }: LogStoreOptions,
): Promise<Stored<T>> {
  const { storage } = repository;
  const { source, timeline, stem } = place;
  const names = { bytes: logName(source, timeline, stem, "zst.age"), json: logName(source, timeline, stem, "json") };
  const sha256 = createHash("sha256").update(plain).digest("hex");
  const same = ({ value }: Signed<T>): T => {
    if (value.plain.sha256 === sha256) return value;
    throw otherBytes(stem, source);
  };
  const before = await getSigned(repository, kind.type, names.json, kind.schema, signal);
  if (before?.signedBy !== undefined) return { record: same(before), existed: true };
  let existed = false;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const sealed = await sealWhole(plain, key, signal);
    const record = kind.describe(sealed.facts);
    const prepared = prepareSigned(repository, kind.type, names.json, record);
    // Bytes without their JSON were left by a crash and are overwritten. The write is unconditional, because some servers do not support
    // conditions for multipart uploads. So of two processes that store the same segment concurrently, each describes its own bytes and then
    // checks that they are still there; the last writer is the last to describe them.
    // The signature is stored in parallel and takes no additional time.
    const [{ etag }] = await Promise.all([
      storage.put(names.bytes, sealed.bytes, { lockUntil, signal }),
      prepared.storeSignature({ lockUntil, signal }),
    ]);
    existed = (await commit(repository, names.json, kind, prepared, same, { lockUntil, signal })) || existed;
    if ((await storage.head(names.bytes, { signal }))?.etag === etag) return { record, existed };
    await sleep(Math.random() * 100 * attempt, undefined, { signal });
  }
  throw new LifeboatError("STORAGE_CONFLICT", `another writer is storing ${stem} of ${source} at the same moment`);
}

/** Writes the JSON, replacing one for the same plain bytes or one that no trusted key signed. Returns whether there was one. */
async function commit<T>(
  repository: Repository,
  name: string,
  { type, schema }: Kind<T>,
  prepared: Prepared,
  assertSame: (found: Signed<T>) => unknown,
  options: LogStoreOptions,
): Promise<boolean> {
  const { storage } = repository;
  for (let attempt = 1; ; attempt++) {
    const etag = (await storage.head(name, { signal: options.signal }))?.etag;
    const found = etag === undefined ? undefined : await getSigned(repository, type, name, schema, options.signal);
    if (found?.signedBy !== undefined) assertSame(found);
    const condition = etag === undefined ? { ifAbsent: true } : { ifMatch: etag, replaces: found?.digest };
    try {
      await prepared.commit({ ...options, ...condition });
      return found?.signedBy !== undefined;
    } catch (error) {
      if (!isLifeboatError(error, "STORAGE_CONFLICT") || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Seals a segment in memory, so that its facts are known before its first byte is stored. */
async function sealWhole(
  plain: Uint8Array,
  key: SealKey,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly facts: Facts }> {
  const sealed = seal(once(plain), key, { signal });
  const chunks: Uint8Array[] = [];
  for await (const chunk of sealed.bytes) chunks.push(chunk);
  return { bytes: Buffer.concat(chunks), facts: sealed.facts() };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Deletes a file of the log, its JSON first, so that from then on it does not count. */
export async function removeLogFile({ storage }: Repository, { source, timeline, stem }: LogPlace, signal?: AbortSignal): Promise<void> {
  const json = logName(source, timeline, stem, "json");
  await storage.delete(json, { signal });
  const objects = ["zst.age", "damaged.json"].map((suffix) => logName(source, timeline, stem, suffix as "json"));
  const own = new Set([json, ...objects]);
  for await (const { name } of storage.list(json.slice(0, -"json".length), { signal })) {
    if (own.has(objectOfSignature(name) ?? name)) await storage.delete(name, { signal });
  }
}

/** Reads the signed record of a segment. Undefined: none was committed. */
export function readSegmentRecord(repository: Repository, place: LogPlace, signal?: AbortSignal): Promise<LogSegment | undefined> {
  return readRecord(repository, place, SEGMENT, signal);
}

/** Reads the signed record of a history file. */
export async function readHistoryRecord(
  repository: Repository,
  source: string,
  timeline: number,
  signal?: AbortSignal,
): Promise<LogHistory | undefined> {
  if (timeline === 1) return undefined; // the first timeline has none
  return readRecord(repository, historyPlace(source, timeline), HISTORY, signal);
}

async function readRecord<T extends LogSegment | LogHistory>(
  repository: Repository,
  place: LogPlace,
  { type, schema }: Kind<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  const name = logName(place.source, place.timeline, place.stem, "json");
  const found = await getSigned(repository, type, name, schema, signal);
  if (found?.signedBy === undefined) return undefined;
  const flaw = flawOfPlace(found.value, place);
  if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
  return found.value;
}

/** Checks that a record is stored under its own name. Returns the end of a sentence otherwise. */
export function flawOfPlace(record: LogSegment | LogHistory, place: LogPlace): string | undefined {
  const stem = "entries" in record ? record.name : stemOf(record);
  const fits = record.source === place.source && record.timeline === place.timeline && stem === place.stem;
  return fits ? undefined : "it belongs to another file of the log";
}

/** Adds the link of a stored segment that was found later. Only the JSON is replaced. A concurrent change wins. */
export async function linkSegment(repository: Repository, segment: LogSegment, previous: LogSegment["previous"]): Promise<void> {
  const { source, timeline, stem } = placeOf(segment);
  const name = logName(source, timeline, stem, "json");
  const etag = (await repository.storage.head(name))?.etag;
  const found = etag === undefined ? undefined : await getSigned(repository, SEGMENT.type, name, SEGMENT.schema);
  if (etag === undefined || found?.signedBy === undefined || found.value.plain.sha256 !== segment.plain.sha256) return;
  await putSigned(repository, SEGMENT.type, name, { ...segment, previous }, { ifMatch: etag, replaces: found.digest });
}

/** Reads the plain bytes of a file of the log. They are proven only once this has ended without throwing. */
export function readLogBytes(
  storage: Storage,
  place: LogPlace,
  expected: Facts,
  key: OpenKey,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  return unseal(readStoredLog(storage, place, signal), key, { plain: expected.plain, stored: expected.stored });
}

/** Reads the stored bytes. */
export function readStoredLog(storage: Storage, { source, timeline, stem }: LogPlace, signal?: AbortSignal): AsyncIterable<Uint8Array> {
  return storage.get(logName(source, timeline, stem, "zst.age"), { signal });
}

/** Records for all readers that the bytes were found damaged. */
export async function markLogDamage(
  repository: Repository,
  { source, timeline, stem }: LogPlace,
  damage: { readonly at: Date; readonly message: string },
): Promise<void> {
  const record: LogDamage = { format: 1, source, stem, at: damage.at.toISOString(), message: damage.message };
  await putSigned(repository, DAMAGE.type, logName(source, timeline, stem, "damaged.json"), record);
}

/** Deletes the record of damage, because the bytes were found intact since. */
export async function clearLogDamage(repository: Repository, { source, timeline, stem }: LogPlace): Promise<void> {
  await deleteSigned(repository, logName(source, timeline, stem, "damaged.json"));
}
