// The catalog: a local SQLite cache of manifests and marks, so that listing ten thousand backups reads only what is new.
// It may be deleted at any moment; whatever is wrong with it, it is thrown away and rebuilt from the storage.
import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isLifeboatError } from "../core/errors.ts";
import type { Manifest } from "../core/manifest.ts";
import { byTime, type RestorePoint, restorePointOf } from "../core/restore-point.ts";
import { listBackupFolders, readManifest } from "./backups.ts";
import { getJson } from "./json-object.ts";
import { marksFolder } from "./layout.ts";
import { LOG_SCHEMA, readLog, type StoredLog } from "./log-catalog.ts";
import { marksOf } from "./marks.ts";
import { readAll } from "./read-all.ts";
import type { Repository } from "./repository.ts";

const SCHEMA = `
  create table if not exists manifest (source text, folder text, json text not null, primary key (source, folder)) without rowid;
  create table if not exists mark (name text primary key, etag text not null, json text not null) without rowid;
  ${LOG_SCHEMA}
  pragma user_version = 1;`;

const IN_MEMORY = ":memory:";

export interface CatalogEntry {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly point: RestorePoint;
}

export interface Catalog {
  /** Every backup of the source as the storage has it now, oldest first. */
  entries(source: string, signal?: AbortSignal): Promise<CatalogEntry[]>;
  /** Manifests that the last `entries` of the source could not read, as sentences. One that is damaged hides no other. */
  flaws(source: string): readonly string[];
  /** The log archive of the source as the storage has it now. */
  log(source: string, signal?: AbortSignal): Promise<StoredLog>;
  close(): void;
}

/** Opens the catalog of a repository under a directory of local state, e.g. `~/.local/state/lifeboat`. */
export function openCatalog(repository: Repository, stateDirectory: string): Catalog {
  let database = openDatabase(catalogFile(repository.identity.id, stateDirectory));
  const flawed = new Map<string, string[]>();
  const reading = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw error;
      database = openDatabase(IN_MEMORY); // damaged, locked or on a full disk: this once without it
      return read();
    }
  };
  return {
    entries: (source, signal) =>
      reading(() => {
        const flaws: string[] = [];
        flawed.set(source, flaws);
        return readEntries(database, repository, source, flaws, signal);
      }),
    flaws: (source) => flawed.get(source) ?? [],
    log: (source, signal) => reading(() => readLog(database, repository, source, signal)),
    close: () => database.close(),
  };
}

/** The repository's id comes from the storage: what is not a plain word names no file, and a link or directory is not ours to open. */
function catalogFile(id: string, stateDirectory: string): string {
  if (!/^[0-9A-Za-z]{1,64}$/.test(id)) return IN_MEMORY;
  const path = join(stateDirectory, `catalog-${id}.sqlite`);
  return filesOf(path).every(isOurs) ? path : IN_MEMORY;
}

const filesOf = (path: string): string[] => ["", "-wal", "-shm"].map((suffix) => `${path}${suffix}`);

/** Whether a catalog may lie there: nothing is there yet, or a regular file. */
function isOurs(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
}

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== IN_MEMORY) mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path, { timeout: 2000 });
    database.exec("pragma journal_mode = wal; pragma synchronous = off;");
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    if (path === IN_MEMORY) throw error;
    for (const file of filesOf(path)) if (isOurs(file)) rmSync(file, { force: true });
    return openDatabase(IN_MEMORY); // the next start makes a new file
  }
}

async function readEntries(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  flaws: string[],
  signal?: AbortSignal,
): Promise<CatalogEntry[]> {
  const manifests = await syncManifests(database, repository, source, flaws, signal);
  const marks = await syncMarks(database, repository, source, signal);
  return [...manifests]
    .map(([folder, manifest]) => ({ folder, manifest, point: restorePointOf(manifest, marksOf(marks.get(manifest.id) ?? {})) }))
    .sort((a, b) => byTime(a.point, b.point));
}

async function syncManifests(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  flaws: string[],
  signal?: AbortSignal,
): Promise<Map<string, Manifest>> {
  const rows = database.prepare("select folder, json from manifest where source = ?").all(source) as { folder: string; json: string }[];
  const known = new Map(rows.map(({ folder, json }) => [folder, json]));
  const manifests = new Map<string, Manifest>();
  const missing: string[] = [];
  for await (const folder of listBackupFolders(repository.storage, source)) {
    const json = known.get(folder);
    if (json === undefined) missing.push(folder);
    else manifests.set(folder, JSON.parse(json) as Manifest);
    known.delete(folder);
  }
  const fresh: [string, Manifest][] = [];
  await readAll(missing, async (folder) => {
    try {
      const manifest = await readManifest(repository.storage, { source, folder }, signal);
      if (manifest) fresh.push([folder, manifest]);
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
      flaws.push(error.message);
    }
  });
  const insert = database.prepare("insert or replace into manifest values (?, ?, ?)");
  const remove = database.prepare("delete from manifest where source = ? and folder = ?");
  inTransaction(database, () => {
    for (const folder of known.keys()) remove.run(source, folder);
    for (const [folder, manifest] of fresh) insert.run(source, folder, JSON.stringify(manifest));
  });
  for (const [folder, manifest] of fresh) manifests.set(folder, manifest);
  return manifests;
}

async function syncMarks(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  signal?: AbortSignal,
): Promise<Map<string, Record<string, unknown>>> {
  const folder = marksFolder(source);
  const like = database.prepare("select name, etag, json from mark where name >= ? and name < ?");
  const rows = like.all(folder, `${folder}\u{10ffff}`) as { name: string; etag: string; json: string }[];
  const known = new Map(rows.map((row) => [row.name, row]));
  const marks = new Map<string, Record<string, unknown>>();
  const idOf = (name: string): string => name.slice(folder.length, -".json".length);
  const stale: { name: string; etag: string }[] = [];
  for await (const { name, etag } of repository.storage.list(folder, { signal })) {
    const row = known.get(name);
    if (row?.etag === etag) marks.set(idOf(name), JSON.parse(row.json) as Record<string, unknown>);
    else stale.push({ name, etag });
    known.delete(name);
  }
  const fresh: { name: string; etag: string; json: string }[] = [];
  await readAll(stale, async ({ name, etag }) => {
    const value = await getJson(repository.storage, name, signal);
    if (!value) return;
    marks.set(idOf(name), value);
    fresh.push({ name, etag, json: JSON.stringify(value) });
  });
  const insert = database.prepare("insert or replace into mark values (?, ?, ?)");
  const remove = database.prepare("delete from mark where name = ?");
  inTransaction(database, () => {
    for (const name of known.keys()) remove.run(name);
    for (const { name, etag, json } of fresh) insert.run(name, etag, json);
  });
  return marks;
}

function inTransaction(database: DatabaseSync, run: () => void): void {
  database.exec("begin immediate");
  try {
    run();
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    throw error;
  }
}
