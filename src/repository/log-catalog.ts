// The log archive, from one listing of the storage and the JSON objects that the catalog does not have yet. The listing itself shows
// damage without reading: bytes that are missing or have another size.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { LogSegment } from "../core/log.ts";
import { type LogPicture, type SegmentDamage, stemOf } from "../core/log-chain.ts";
import type { TimelineHistory } from "../core/lsn.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { logFolder } from "./layout.ts";
import { flawOfPlace } from "./log.ts";
import { missingLog } from "./log-ends.ts";
import { damageSchema, historySchema, type LogDamage, type LogHistory, type LogPlace, parseLogName, segmentSchema } from "./log-place.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";
import { getSigned, objectOfSignature, type Signed, signatureName } from "./signed.ts";
import { inTransaction } from "./signed-cache.ts";

export const LOG_SCHEMA = `
  create table if not exists log (name text primary key, etag text not null, digest text not null, signed integer not null, json text not null) without rowid;`;

/** The log of one source in the storage now. */
export interface StoredLog extends LogPicture {
  readonly source: string;
  readonly historyRecords: readonly LogHistory[];
  /** Unreadable JSON objects, as sentences. The files they describe do not count. */
  readonly flaws: readonly string[];
  /** Files that no trusted key signed, which do not count, and files that are missing without a signed removal. */
  readonly doubts: readonly HealthReason[];
  /** Bytes without a JSON object: being stored, or left by a crash. */
  readonly orphans: readonly LogPlace[];
  readonly sizeBytes: number;
}

type Name = NonNullable<ReturnType<typeof parseLogName>>;
interface Row {
  readonly name: string;
  readonly etag: string;
  readonly digest: string;
  readonly signed: number;
  readonly json: string;
}
type Described = LogSegment | LogHistory | LogDamage;

/** A JSON object. Its signatures follow it in the order of names. */
interface Pending {
  readonly name: string;
  readonly etag: string;
  readonly place: Name;
  readonly known: Row | undefined;
  readonly signatures: Set<string>;
}

/** Most readings of one log, each after a partial segment was replaced during the one before. */
const MOST_READINGS = 3;

/** Reads what is stored now. A partial segment that its successor replaces meanwhile is not taken for the end of the log. */
export async function readLog(database: DatabaseSync, repository: Repository, source: string, signal?: AbortSignal): Promise<StoredLog> {
  for (let reading = 1; ; reading++) {
    const { log, changed } = await readOnce(database, repository, source, signal);
    if (!changed || reading === MOST_READINGS) return log;
  }
}

/** `changed`: objects of the log may have been replaced while they were listed and read. */
async function readOnce(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly log: StoredLog; readonly changed: boolean }> {
  const { storage } = repository;
  const folder = logFolder(source);
  const gathering = new Gathering(source);
  const stale: Pending[] = [];
  const gone: string[] = [];
  const unsigned: string[] = [];
  // Both are in the order of names, so they are merged without holding either in memory.
  const rows = database
    .prepare("select * from log where name >= ? and name < ? order by name")
    .iterate(folder, `${folder}\u{10ffff}`) as Iterator<unknown>;
  const next = (): Row | undefined => (rows.next().value as Row | null | undefined) ?? undefined;
  let row = next();
  let pending: Pending | undefined;
  const settle = (): void => {
    const one = pending;
    pending = undefined;
    if (one === undefined) return;
    const { known, name } = one;
    const same = known !== undefined && (known.signed === 1) === one.signatures.has(signatureName(name, known.digest));
    if (!same) stale.push(one);
    else if (known.signed === 1) gathering.record(one.place, JSON.parse(known.json) as Described);
    else unsigned.push(name);
  };
  for await (const object of storage.list(folder, { signal })) {
    const signed = objectOfSignature(object.name);
    if (signed !== undefined) {
      if (signed === pending?.name) pending.signatures.add(object.name);
      continue;
    }
    settle();
    while (row !== undefined && row.name < object.name) {
      gone.push(row.name);
      row = next();
    }
    const known = row?.name === object.name ? row : undefined;
    if (known !== undefined) row = next();
    const place = parseLogName(source, object.name);
    if (place === undefined) continue;
    if (place.suffix === "zst.age") gathering.bytes(place, object);
    else {
      const same = known?.etag === object.etag ? known : undefined;
      pending = { name: object.name, etag: object.etag, place, known: same, signatures: new Set() };
    }
  }
  settle();
  for (; row !== undefined; row = next()) gone.push(row.name);
  const flaws: string[] = [];
  const fresh: Row[] = [];
  let vanished = false;
  await readAll(stale, async ({ name, etag, place }) => {
    try {
      const found = await readDescription(repository, name, place, signal);
      vanished ||= found === undefined;
      if (found === undefined) return;
      const signed = found.signedBy !== undefined;
      if (signed) gathering.record(place, found.value);
      else unsigned.push(name);
      fresh.push({ name, etag, digest: found.digest, signed: signed ? 1 : 0, json: JSON.stringify(found.value) });
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
      flaws.push(error.message);
    }
  });
  remember(database, gone, fresh);
  const described = new Set(stale.filter(({ place }) => place.suffix === "json").map(({ place }) => place.stem));
  const gathered = gathering.end(described);
  const doubts = [...unsignedLog(unsigned), ...(await missingLog(repository, source, gathered.segments, signal))];
  const changed =
    vanished ||
    doubts.some(({ code }) => code === "LOG_MISSING") ||
    [...gathered.damage].some(([stem, { kind }]) => kind === "missing" && stem.includes(".partial-"));
  return { log: { ...gathered, flaws, doubts }, changed };
}

async function readDescription(
  repository: Repository,
  name: string,
  place: Name,
  signal: AbortSignal | undefined,
): Promise<Signed<Described> | undefined> {
  if (place.suffix === "damaged.json") {
    const found = await getSigned(repository, "log-damage", name, damageSchema, signal);
    if (found !== undefined && (found.value.source !== place.source || found.value.stem !== place.stem))
      throw new LifeboatError("INTEGRITY", `${name} is damaged: it belongs to another file of the log`);
    return found;
  }
  const found: Signed<LogSegment | LogHistory> | undefined = place.history
    ? await getSigned(repository, "log-history", name, historySchema, signal)
    : await getSigned(repository, "log-segment", name, segmentSchema, signal);
  const flaw = found && flawOfPlace(found.value, place);
  if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
  return found;
}

function unsignedLog(names: readonly string[]): HealthReason[] {
  const [first] = names;
  if (first === undefined) return [];
  const more = names.length > 1 ? ` (and ${names.length - 1} more like it)` : "";
  return [{ code: "LOG_UNSIGNED", message: `${first}${more} is not signed by a trusted key and does not count` }];
}

/** Collects the objects of each file of the log from the listing. */
class Gathering {
  readonly #source: string;
  readonly #segments: LogSegment[] = [];
  readonly #histories: LogHistory[] = [];
  readonly #damage = new Map<string, SegmentDamage>();
  /** Files whose JSON was listed but not their bytes yet, and the reverse. */
  readonly #waiting = new Map<string, LogSegment | LogHistory>();
  readonly #unclaimed = new Map<string, { readonly place: LogPlace; readonly sizeBytes: number }>();
  #sizeBytes = 0;
  #last: LogSegment | undefined;

  constructor(source: string) {
    this.#source = source;
  }

  bytes(place: Name, { sizeBytes }: ObjectInfo): void {
    this.#sizeBytes += sizeBytes;
    const record = this.#waiting.get(place.stem);
    if (record === undefined) this.#unclaimed.set(place.stem, { place, sizeBytes });
    else this.#meet(place.stem, record, sizeBytes);
  }

  record(place: Name, value: Described): void {
    if ("message" in value) {
      this.#damage.set(place.stem, { kind: "damaged", says: `was found damaged on ${minuteOf(value.at)} (${value.message})` });
      return;
    }
    const record = "entries" in value ? value : this.#shared(value);
    if ("entries" in record) this.#histories.push(record);
    else this.#segments.push(record);
    const found = this.#unclaimed.get(place.stem);
    if (found === undefined) this.#waiting.set(place.stem, record);
    else this.#meet(place.stem, record, found.sizeBytes);
  }

  /** @param described stems that have a JSON object, readable or not */
  end(described: ReadonlySet<string>): Omit<StoredLog, "flaws" | "doubts"> {
    for (const stem of this.#waiting.keys()) this.#damage.set(stem, { kind: "missing", says: "is missing: its bytes are not stored" });
    const historyRecords = this.#histories.filter(({ name }) => !this.#damage.has(name));
    const histories = new Map<number, TimelineHistory>(historyRecords.map(({ timeline, entries }) => [timeline, entries]));
    const orphans = [...this.#unclaimed].filter(([stem]) => !described.has(stem)).map(([, { place }]) => place);
    this.#segments.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : stemOf(a) < stemOf(b) ? -1 : 1));
    const { segments, damage, sizeBytes, source } = {
      segments: this.#segments,
      damage: this.#damage,
      sizeBytes: this.#sizeBytes,
      source: this.#source,
    };
    return { source, segments, histories, historyRecords, damage, orphans, sizeBytes };
  }

  #meet(stem: string, { stored }: LogSegment | LogHistory, sizeBytes: number): void {
    this.#waiting.delete(stem);
    this.#unclaimed.delete(stem);
    if (sizeBytes === stored.sizeBytes) return;
    this.#damage.set(stem, { kind: "damaged", says: `is damaged: ${sizeBytes} bytes are stored and ${stored.sizeBytes} were written` });
  }

  /** Interns equal texts, which a hundred thousand segments repeat. */
  #shared(segment: LogSegment): LogSegment {
    const last = this.#last;
    const { previous } = segment;
    const linked = last !== undefined && previous?.name === last.name && previous.sha256 === last.plain.sha256;
    this.#last = Object.assign(segment, {
      source: this.#source,
      systemIdentifier: last?.systemIdentifier === segment.systemIdentifier ? last.systemIdentifier : segment.systemIdentifier,
      startLsn: last?.nextLsn === segment.startLsn ? last.nextLsn : segment.startLsn,
      endLsn: segment.nextLsn === segment.endLsn ? segment.nextLsn : segment.endLsn,
      previous: linked ? { name: last.name, sha256: last.plain.sha256 } : previous,
    });
    return segment;
  }
}

const minuteOf = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;

function remember(database: DatabaseSync, gone: readonly string[], fresh: readonly Row[]): void {
  if (gone.length === 0 && fresh.length === 0) return;
  const insert = database.prepare("insert or replace into log values (?, ?, ?, ?, ?)");
  const remove = database.prepare("delete from log where name = ?");
  inTransaction(database, () => {
    for (const name of gone) remove.run(name);
    for (const { name, etag, digest, signed, json } of fresh) insert.run(name, etag, digest, signed, json);
  });
}
