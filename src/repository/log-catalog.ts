// The log archive as a list: one listing of the storage, and the JSONs that the catalog does not know yet. What the listing
// itself shows (bytes that are gone, or of another size than they were) is damage found without reading anything.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { LogSegment } from "../core/log.ts";
import { type LogPicture, type SegmentDamage, stemOf } from "../core/log-chain.ts";
import type { TimelineHistory } from "../core/lsn.ts";
import { getJson } from "./json-object.ts";
import { logFolder } from "./layout.ts";
import { flawOfHistory, flawOfSegment, type LogHistory, type LogPlace, parseLogName } from "./log.ts";
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

interface Row {
  readonly name: string;
  readonly etag: string;
  readonly json: string;
}

export async function readLog(database: DatabaseSync, repository: Repository, source: string, signal?: AbortSignal): Promise<StoredLog> {
  const { storage } = repository;
  const folder = logFolder(source);
  const known = new Map<string, Row>();
  for (const row of database
    .prepare("select name, etag, json from log where name >= ? and name < ?")
    .iterate(folder, `${folder}\u{10ffff}`)) {
    const { name, etag, json } = row as unknown as Row;
    known.set(name, { name, etag, json });
  }
  const sizes = new Map<string, number>();
  const described = new Set<string>();
  const places = new Map<string, LogPlace>();
  const records: { place: NonNullable<ReturnType<typeof parseLogName>>; value: Record<string, unknown> }[] = [];
  const stale: { name: string; etag: string; place: NonNullable<ReturnType<typeof parseLogName>> }[] = [];
  let sizeBytes = 0;
  for await (const object of storage.list(folder, { signal })) {
    const place = parseLogName(source, object.name);
    if (place === undefined) continue;
    sizeBytes += object.sizeBytes;
    if (place.suffix === "zst.age") {
      sizes.set(place.stem, object.sizeBytes);
      places.set(place.stem, place);
      continue;
    }
    if (place.suffix === "json") described.add(place.stem);
    const row = known.get(object.name);
    if (row?.etag === object.etag) records.push({ place, value: JSON.parse(row.json) as Record<string, unknown> });
    else stale.push({ name: object.name, etag: object.etag, place });
    known.delete(object.name);
  }
  const flaws: string[] = [];
  const fresh: Row[] = [];
  await readAll(stale, async ({ name, etag, place }) => {
    try {
      const value = await getJson(storage, name, signal);
      if (value === undefined) return; // removed meanwhile
      const check = place.history ? flawOfHistory : flawOfSegment;
      const flaw = place.suffix === "json" ? check(value, place) : undefined;
      if (flaw !== undefined) throw new LifeboatError("INTEGRITY", `${name} is damaged: ${flaw}`);
      records.push({ place, value });
      fresh.push({ name, etag, json: JSON.stringify(value) });
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY")) throw error;
      flaws.push(error.message);
    }
  });
  remember(database, [...known.keys()], fresh);
  const orphans = [...places].filter(([stem]) => !described.has(stem)).map(([, place]) => place);
  return { source, flaws, orphans, sizeBytes, ...pictureOf(records, sizes) };
}

function pictureOf(
  records: readonly { readonly place: NonNullable<ReturnType<typeof parseLogName>>; readonly value: Record<string, unknown> }[],
  sizes: ReadonlyMap<string, number>,
): LogPicture & Pick<StoredLog, "historyRecords"> {
  const segments: LogSegment[] = [];
  const histories = new Map<number, TimelineHistory>();
  const historyRecords: LogHistory[] = [];
  const damage = new Map<string, SegmentDamage>();
  for (const { place, value } of records) {
    if (place.suffix === "damaged.json") {
      damage.set(place.stem, { kind: "damaged", says: `was found damaged on ${minuteOf(value.at)} (${String(value.message)})` });
    }
  }
  for (const { place, value } of records) {
    if (place.suffix === "damaged.json") continue;
    const record = value as unknown as LogSegment | LogHistory;
    const sizeBytes = sizes.get(place.stem);
    if (sizeBytes === undefined) damage.set(place.stem, { kind: "missing", says: "is missing: its bytes are gone" });
    else if (sizeBytes !== record.stored.sizeBytes)
      damage.set(place.stem, {
        kind: "damaged",
        says: `is damaged: ${sizeBytes} bytes are stored, where ${record.stored.sizeBytes} were written`,
      });
    if (!place.history) segments.push(record as LogSegment);
    else if (!damage.has(place.stem)) {
      histories.set(place.timeline, (record as LogHistory).entries);
      historyRecords.push(record as LogHistory);
    }
  }
  segments.sort((a, b) => (stemOf(a) < stemOf(b) ? -1 : 1));
  return { segments, histories, historyRecords, damage };
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
