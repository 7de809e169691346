// The catalog: a local SQLite cache of manifests and marks, so that listing ten thousand backups reads only new ones. It can be deleted
// at any time. A damaged catalog is discarded and rebuilt from the storage.
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { Manifest } from "../core/manifest.ts";
import { byTime, restorePointOf } from "../core/restore-point.ts";
import { readManifest } from "./backups.ts";
import type { JobRecord } from "./journal.ts";
import { jobsSince } from "./journals.ts";
import { backupsFolder, idOfFolder, jobName, jobsFolder, marksFolder, removalsName, sourceFolder } from "./layout.ts";
import { LOG_SCHEMA, readLog, type StoredLog } from "./log-catalog.ts";
import { type KeptLook, keepLooks, keptLooks, LOOK_SCHEMA } from "./looks.ts";
import { type MarksRecord, marksOf, marksSchema } from "./marks.ts";
import { type Removals, readRemovals } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { compareMarks, comparePoints, compareRemovals, incompleteness, type Sighting } from "./sightings.ts";
import { getSigned, type Signed } from "./signed.ts";
import { CACHE_SCHEMA, forgetListed, forgetOtherKeys, Listing, readListed } from "./signed-cache.ts";
import { forgetSummaries, keepSummaries, keptSummaries, type PointSummary, SUMMARY_SCHEMA, versionOf, type Wanted } from "./summaries.ts";

const VERSION = 4;
// Rows that hold a whole object have a table by number: one by name would take a page or two for each.
const SCHEMA = `${CACHE_SCHEMA}${LOG_SCHEMA}${SUMMARY_SCHEMA}${LOOK_SCHEMA}
  pragma user_version = ${VERSION};`;

/** Tables that an earlier version made otherwise. */
const EARLIER = ["manifest", "mark", "log", "object", "summary"];

const IN_MEMORY = ":memory:";

export interface CatalogEntry extends PointSummary {
  /** The SHA-256 of the manifest's bytes. */
  readonly digest: string;
  readonly manifest: Manifest;
}

export interface Catalog {
  /** Returns every backup of the source that is in the storage now, oldest first, including unsigned ones, which are marked. */
  entries(source: string, signal?: AbortSignal): Promise<CatalogEntry[]>;
  /**
   * Returns the same restore points for a reader that only shows or judges them. Where the storage tells that nothing was created, replaced
   * or deleted since all of the source was read, only the newest one is looked at.
   */
  summaries(source: string, wanted?: Wanted): Promise<readonly PointSummary[]>;
  /** Returns the flaws of stored objects that the last `entries` or `summaries` of the source found. A damaged object does not hide others. */
  flaws(source: string): readonly HealthReason[];
  /** Forgets what was read of the source: the next `entries` reads and verifies every manifest and mark in the storage again. */
  forget(source: string): Promise<void>;
  /** Returns the log archive of the source that is in the storage now. */
  log(source: string, signal?: AbortSignal): Promise<StoredLog>;
  /** Yields the journals of jobs begun at or after the instant, newest first. A journal is read again only when it was changed. */
  jobsSince(since: Date, signal?: AbortSignal): AsyncIterable<JobRecord>;
  /** Keeps what a look at sources found, as JSON by name. `configuration`: what it was judged by. */
  keepLooks(configuration: string, at: Date, looks: ReadonlyMap<string, string>): Promise<void>;
  /** Returns what was kept under the same configuration in this span of time, by name. */
  looks(configuration: string, since: Date, until: Date): Promise<ReadonlyMap<string, KeptLook>>;
  close(): void;
}

/**
 * Opens the catalog of a repository in a directory for local state, such as `~/.local/state/lifeboat`. `nowMs`: by the clock that stamps
 * the files of a local storage. Default: this machine's.
 */
export function openCatalog(repository: Repository, stateDirectory: string, nowMs: () => number = Date.now): Catalog {
  const open = (path: string): DatabaseSync => {
    const opened = openDatabase(path);
    forgetOtherKeys(opened, repository.trust);
    return opened;
  };
  let database = open(catalogFile(repository.identity.id, stateDirectory));
  const flawed = new Map<string, HealthReason[]>();
  const reading = async <T>(read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw error;
      database = open(IN_MEMORY); // damaged, locked or on a full disk: this run works without it
      return read();
    }
  };
  const entries = async (source: string, signal: AbortSignal | undefined): Promise<CatalogEntry[]> => {
    const flaws: HealthReason[] = [];
    let seen = await readEntries(database, asRemembered(repository, source), source, flaws, "at once", signal);
    if (flaws.some(({ code }) => IN_MOTION.has(code))) {
      flaws.length = 0;
      seen = await readEntries(database, asRemembered(repository, source), source, flaws, "in order", signal);
    }
    // Only now: another reader of this process may ask for the flaws at any time, and must not get those of half a reading.
    flawed.set(source, flaws);
    return seen;
  };
  return {
    entries: (source, signal) => reading(() => entries(source, signal)),
    summaries: (source, wanted = {}) =>
      reading(async () => {
        const { signal } = wanted;
        const before = await versionOf(repository, source, signal);
        if (before === undefined) return entries(source, signal);
        const kept = await keptSummaries(database, repository, source, before, nowMs(), wanted);
        if (kept !== undefined) {
          flawed.delete(source);
          return kept;
        }
        const read = await entries(source, signal);
        if (flawed.get(source)?.length === 0) await keepSummaries(database, repository, source, before, read, nowMs(), signal);
        else forgetSummaries(database, source);
        return read;
      }),
    flaws: (source) => flawed.get(source) ?? [],
    forget: (source) =>
      reading(async () => {
        forgetListed(database, sourceFolder(source));
        forgetSummaries(database, source);
      }),
    log: (source, signal) => reading(() => readLog(database, repository, source, signal)),
    jobsSince: (since, signal) =>
      jobsSince(repository, since, signal, (folder, listing, read) =>
        reading(() => {
          forgetOldJournals(database, nowMs());
          return readListed(database, repository.trust, folder, listedAs(listing, /\.json$/), read, () => {});
        }),
      ),
    keepLooks: (configuration, at, looks) => reading(async () => keepLooks(database, configuration, at, looks)),
    looks: (configuration, since, until) => reading(async () => keptLooks(database, configuration, since, until)),
    close: () => database.close(),
  };
}

/** Journals of so many days are kept: more than what a look at the present goes back for. */
const JOURNAL_DAYS = 40;

function forgetOldJournals(database: DatabaseSync, nowMs: number): void {
  const range = [jobsFolder, jobName(new Date(nowMs - JOURNAL_DAYS * 86_400_000), "")];
  // A deletion of nothing would wait for the lock of other writers.
  if (database.prepare("select 1 from object where name >= ? and name < ? limit 1").get(...range) === undefined) return;
  database.prepare("delete from object where name >= ? and name < ?").run(...range);
}

/** The repository's id comes from the storage, so only a plain word becomes a file name, and a link or directory is not opened. */
function catalogFile(id: string, stateDirectory: string): string {
  if (!/^[0-9A-Za-z]{1,64}$/.test(id)) return IN_MEMORY;
  const path = join(stateDirectory, `catalog-${id}.sqlite`);
  return filesOf(path).every(isOurs) ? path : IN_MEMORY;
}

const filesOf = (path: string): string[] => ["", "-wal", "-shm"].map((suffix) => `${path}${suffix}`);

/** Tells whether a catalog may be at the path: nothing exists there yet, or a regular file of this user. What others put there is not used. */
function isOurs(path: string): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  return facts === undefined || (facts.isFile() && facts.uid === (process.getuid?.() ?? facts.uid));
}

/** Creates the file with mode 0600. One that others could write to is discarded. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o022) !== 0) for (const file of filesOf(path)) rmSync(file, { force: true });
  closeSync(openSync(path, "a", 0o600)); // SQLite gives its other files the mode of this one
  chmodSync(path, 0o600);
}

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== IN_MEMORY) makePrivate(path);
    const database = new DatabaseSync(path, { timeout: 2000 });
    database.exec("pragma journal_mode = wal; pragma synchronous = off;");
    const { user_version } = database.prepare("pragma user_version").get() as { user_version: number };
    if (user_version > 0 && user_version < VERSION) for (const table of EARLIER) database.exec(`drop table if exists ${table}`);
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    if (path === IN_MEMORY) throw error;
    for (const file of filesOf(path)) if (isOurs(file)) rmSync(file, { force: true });
    return openDatabase(IN_MEMORY); // the next run creates a new file
  }
}

/** Flaws that a concurrent backup, hold or expiry of another process can cause when it runs between the listings of one read. */
const IN_MOTION: ReadonlySet<HealthReason["code"]> = new Set(["POINT_MISSING", "POINT_CHANGED", "POINT_INCOMPLETE", "MARKS_ROLLED_BACK"]);

/** The memory of this machine before the read. Points that another process adds meanwhile are then not missing from an older listing. */
function asRemembered(repository: Repository, source: string): Repository {
  const { memory } = repository;
  const points = memory.points(source);
  const marks = memory.revisions(marksFolder(source));
  const removals = memory.revision(removalsName(source));
  const before = { points: () => points, revisions: () => marks, revision: () => removals };
  return { ...repository, memory: Object.assign(Object.create(memory) as typeof memory, before) };
}

async function readEntries(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  flaws: HealthReason[],
  how: "at once" | "in order",
  signal?: AbortSignal,
): Promise<CatalogEntry[]> {
  const { trust, memory } = repository;
  const unreadable = (message: string): void => void flaws.push({ code: "OBJECT_UNREADABLE", message });
  const gather = [
    () => list(repository, marksFolder(source), signal),
    () => list(repository, backupsFolder(source), signal),
    () => readSourceRemovals(repository, source, unreadable, signal),
  ] as const;
  // Marks are deleted after their point, and a point after its removal was recorded. In this order a removal in progress looks no different.
  const inOrder = async () => [await gather[0](), await gather[1](), await gather[2]()] as const;
  const [listedMarks, listing, removals] = await (how === "in order" ? inOrder() : Promise.all([gather[0](), gather[1](), gather[2]()]));
  const folderOf = (name: string): string => name.slice(backupsFolder(source).length, -"/manifest.json".length);
  const manifests = await readListed(
    database,
    trust,
    backupsFolder(source),
    listedAs(listing, /\/manifest\.json$/).filter(({ name }) => idOfFolder(folderOf(name)) !== undefined),
    (name) => readManifest(repository, { source, folder: folderOf(name) }, signal),
    unreadable,
  );
  const readMarksFile = (name: string): Promise<Signed<MarksRecord> | undefined> =>
    getSigned(repository, "marks", name, marksSchema, signal).then((found) => found && assertMarksOf(found, name, source));
  const marksByName = await readListed(database, trust, marksFolder(source), listedAs(listedMarks, /\.json$/), readMarksFile, unreadable);
  const marks = new Map([...marksByName.values()].map((found) => [found.value.id, found]));
  const sightings = [...manifests].map(([name, found]): Sighting => ({ ...found, folder: folderOf(name) }));
  const ids = new Set(sightings.map(({ value }) => value.id));
  flaws.push(
    ...compareRemovals(source, removals, memory),
    ...comparePoints(source, sightings, removals, memory),
    ...compareMarks(source, ids, marks, memory),
  );
  return sightings
    .map((sighting): CatalogEntry => {
      const { value: manifest, folder, digest, signedBy } = sighting;
      const mark = marks.get(manifest.id);
      const incomplete = incompleteness(source, sighting, (object) => listing.objects.get(object)?.sizeBytes);
      const unsigned = signedBy === undefined;
      const point = { ...restorePointOf(manifest, marksOf(mark?.signedBy && mark.value)), incomplete, ...(unsigned && { unsigned }) };
      if (unsigned)
        flaws.push({ code: "POINT_UNSIGNED", message: `restore point ${point.name} (${point.id}) is not signed by a trusted key` });
      else if (incomplete !== undefined)
        flaws.push({ code: "POINT_INCOMPLETE", message: `restore point ${point.name} (${point.id}) cannot be restored: ${incomplete}` });
      return { source, folder, manifest, digest, point };
    })
    .sort((a, b) => byTime(a.point, b.point));
}

async function list({ storage }: Repository, prefix: string, signal: AbortSignal | undefined): Promise<Listing> {
  const listing = new Listing();
  for await (const object of storage.list(prefix, { signal })) listing.add(object);
  return listing;
}

const listedAs = (listing: Listing, form: RegExp) =>
  [...listing.objects.keys()].filter((name) => form.test(name)).flatMap((name) => listing.of(name) ?? []);

/** Refuses marks that are stored under the name of another point. */
function assertMarksOf(found: Signed<MarksRecord>, name: string, source: string): Signed<MarksRecord> {
  if (found.value.source === source && name === `${marksFolder(source)}${found.value.id}.json`) return found;
  throw new LifeboatError("INTEGRITY", `${name} is damaged: it belongs to another restore point`);
}

async function readSourceRemovals(
  repository: Repository,
  source: string,
  onFlaw: (message: string) => void,
  signal: AbortSignal | undefined,
): Promise<Signed<Removals> | undefined> {
  try {
    const found = await readRemovals(repository, source, signal);
    if (found === undefined || found.value.source === source) return found;
    onFlaw(`${removalsName(source)} is damaged: it belongs to another source`);
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    onFlaw(error.message);
  }
  return undefined;
}
