// The log archive as a list: one listing of the storage, and the JSONs that the catalog does not know yet. What the listing
// itself shows (bytes that are gone, or of another size than they were) is damage found without reading anything.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { type LogPicture, type SegmentDamage, stemOf } from "../core/log-chain.ts";
import type { TimelineHistory } from "../core/lsn.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { getJson } from "./json-object.ts";
import { logFolder } from "./layout.ts";
import { flawOfHistory, flawOfSegment } from "./log-flaws.ts";
import { type LogHistory, type LogPlace, parseLogName } from "./log-place.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";

export const LOG_SCHEMA = `
  create table if not exists log (name text primary key, etag text not null, json text not null) without rowid;`;

/** The log of one source as the storage has it now. */
export interface StoredLog extends LogPicture {
  readonly source: string;
  readonly historyRecords: readonly LogHistory[];
  /** JSONs that cannot be read, as sentences; what they describe does not count. */
  readonly flaws: readonly string[];
  /** Bytes without a JSON: being stored, or left by a crash. */
  readonly orphans: readonly LogPlace[];
  readonly sizeBytes: number;
}

type Name = NonNullable<ReturnType<typeof parseLogName>>;
interface Row {
  readonly name: string;
  readonly etag: string;
  readonly json: string;
}

export async function readLog(database: DatabaseSync, repository: Repository, source: string, signal?: AbortSignal): Promise<StoredLog> {
  const { storage } = repository;
  const folder = logFolder(source);
  const gathering = new Gathering(source);
  const stale: { name: string; etag: string; place: Name }[] = [];
  const gone: string[] = [];
  // Both come in the order of names: a walk along the two needs neither of them whole.
  const rows = database
    .prepare("select name, etag, json from log where name >= ? and name < ? order by name")
    .iterate(folder, `${folder}\u{10ffff}`) as Iterator<unknown>;
  const next = (): Row | undefined => (rows.next().value as Row | null | undefined) ?? undefined;
  let row = next();
  for await (const object of storage.list(folder, { signal })) {
    while (row !== undefined && row.name < object.name) {
      gone.push(row.name);
      row = next();
    }
    const known = row?.name === object.name ? row : undefined;
    if (known !== undefined) row = next();
    const place = parseLogName(source, object.name);
    if (place === undefined) continue;
    if (place.suffix === "zst.age") gathering.bytes(place, object);
    else if (known?.etag === object.etag) gathering.record(place, JSON.parse(known.json) as Record<string, unknown>);
    else stale.push({ name: object.name, etag: object.etag, place });
  }
  for (; row !== undefined; row = next()) gone.push(row.name);
  const flaws: string[] = [];
  const fresh: Row[] = [];
  await readAll(stale, async ({ name, etag, place }) => {
    try {
      const value = await getJson(storage, name, signal);
      if (value === undefined) return; // removed meanwhile
      const check = place.history ? flawOfHistory : flawOfSegment;
      const flaw = place.suffix === "json" ? check(value, place) : undefined;
      if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
      gathering.record(place, value);
      fresh.push({ name, etag, json: JSON.stringify(value) });
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY")) throw error;
      flaws.push(error.message);
    }
  });
  remember(database, gone, fresh);
  const described = new Set(stale.filter(({ place }) => place.suffix === "json").map(({ place }) => place.stem));
  return { ...gathering.end(described), flaws };
}

/** Puts what the listing shows of each file of the log together. */
class Gathering {
  readonly #source: string;
  readonly #segments: LogSegment[] = [];
  readonly #histories: LogHistory[] = [];
  readonly #damage = new Map<string, SegmentDamage>();
  /** Described, and their bytes not met yet; and the other way round. */
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

  record(place: Name, value: Record<string, unknown>): void {
    if (place.suffix === "damaged.json") {
      this.#damage.set(place.stem, { kind: "damaged", says: `was found damaged on ${minuteOf(value.at)} (${String(value.message)})` });
      return;
    }
    const record = place.history ? (value as unknown as LogHistory) : this.#shared(value as unknown as LogSegment);
    if (place.history) this.#histories.push(record as LogHistory);
    else this.#segments.push(record as LogSegment);
    const found = this.#unclaimed.get(place.stem);
    if (found === undefined) this.#waiting.set(place.stem, record);
    else this.#meet(place.stem, record, found.sizeBytes);
  }

  /** @param described stems that have a JSON, readable or not */
  end(described: ReadonlySet<string>): Omit<StoredLog, "flaws"> {
    for (const stem of this.#waiting.keys()) this.#damage.set(stem, { kind: "missing", says: "is missing: its bytes are gone" });
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
    this.#damage.set(stem, { kind: "damaged", says: `is damaged: ${sizeBytes} bytes are stored, where ${stored.sizeBytes} were written` });
  }

  /** A hundred thousand segments say the same things over and over: equal texts are kept once. */
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

const minuteOf = (at: unknown): string => `${String(at).slice(0, 16).replace("T", " ")} UTC`;

function remember(database: DatabaseSync, gone: readonly string[], fresh: readonly Row[]): void {
  if (gone.length === 0 && fresh.length === 0) return;
  const insert = database.prepare("insert or replace into log values (?, ?, ?)");
  const remove = database.prepare("delete from log where name = ?");
  database.exec("begin immediate");
  try {
    for (const name of gone) remove.run(name);
    for (const { name, etag, json } of fresh) insert.run(name, etag, json);
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    throw error;
  }
}
