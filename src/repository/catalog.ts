// The catalog: a local SQLite cache of manifests and marks, so that listing ten thousand backups reads only new ones. It can be deleted
// at any time. A damaged catalog is discarded and rebuilt from the storage.
import type { DatabaseSync } from "node:sqlite";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { Manifest } from "../core/manifest.ts";
import { byTime, type PointJson, pointJson, restorePointOf } from "../core/restore-point.ts";
import { readManifest } from "./backups.ts";
import { openCatalogFile } from "./catalog-file.ts";
import type { JobRecord } from "./journal.ts";
import { jobsSince } from "./journals.ts";
import { backupsFolder, idOfFolder, jobName, jobsFolder, marksFolder, removalsName, sourceFolder } from "./layout.ts";
import { readLog, type StoredLog } from "./log-catalog.ts";
import { type KeptLook, keepLooks, keptLooks } from "./looks.ts";
import { type MarksRecord, marksOf, marksSchema } from "./marks.ts";
import { type Removals, readRemovals } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { compareMarks, comparePoints, compareRemovals, incompleteness, type Sighting } from "./sightings.ts";
import { getSigned, type Signed } from "./signed.ts";
import { forgetListed, Listing, readListed } from "./signed-cache.ts";
import {
  forgetSummaries,
  type KeptPoints,
  keepPoints,
  keptPoints,
  listedPoints,
  type PointSummary,
  summariesIn,
  versionOf,
} from "./summaries.ts";

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
  summaries(source: string, signal?: AbortSignal): Promise<readonly PointSummary[]>;
  /** Returns the same as `list` shows them. */
  listed(source: string, wanted?: Wanted): Promise<ListedPoints>;
  /** Returns the flaws of stored objects that the last of these readings of the source found. A damaged object does not hide others. */
  flaws(source: string): readonly HealthReason[];
  /** Forgets what was read of the source: the next `entries` reads and verifies every manifest and mark in the storage again. */
  forget(source: string): Promise<void>;
  /** Returns the log archive of the source that is in the storage now. */
  log(source: string, signal?: AbortSignal): Promise<StoredLog>;
  /** Yields the journals of jobs begun at or after the instant, newest first. A journal is read again only when it was changed. */
  jobsSince(since: Date, signal?: AbortSignal): AsyncIterable<JobRecord>;
  /** Keeps what a look at sources found, as JSON by name, unless a later look is kept. `configuration`: what it was judged by. */
  keepLooks(configuration: string, at: Date, looks: ReadonlyMap<string, string>): Promise<void>;
  /** Returns what was kept under the same configuration in this span of time, by name. */
  looks(configuration: string, since: Date, until: Date): Promise<ReadonlyMap<string, KeptLook>>;
  close(): void;
}

export interface ListedPoints {
  /** Oldest first. */
  readonly points: readonly PointJson[];
  /** All of them; may be empty where log can be replayed onto none. */
  readonly summaries: readonly PointSummary[];
}

export interface Wanted {
  /** Only so many of the newest are wanted as points. Default: all. */
  readonly newest?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the catalog of a repository in a directory for local state, such as `~/.local/state/lifeboat`. `nowMs`: by the clock that stamps
 * the files of a local storage. Default: this machine's.
 */
export function openCatalog(repository: Repository, stateDirectory: string, nowMs: () => number = Date.now): Catalog {
  const file = openCatalogFile(repository, stateDirectory);
  const flawed = new Map<string, HealthReason[]>();
  const entries = async (database: DatabaseSync, source: string, signal: AbortSignal | undefined): Promise<CatalogEntry[]> => {
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
  /** Gives what was kept of a source where nothing has changed since; otherwise reads all of it, and keeps that. */
  const unchanged = <T>(
    source: string,
    ofKept: (kept: KeptPoints) => T,
    ofRead: (read: CatalogEntry[]) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> =>
    file.use(async (database) => {
      const before = await versionOf(repository, source, signal);
      if (before === undefined) return ofRead(await entries(database, source, signal));
      const kept = await keptPoints(database, repository, source, before, nowMs(), signal);
      if (kept !== undefined) {
        flawed.delete(source);
        return ofKept(kept);
      }
      const read = await entries(database, source, signal);
      if (flawed.get(source)?.length === 0) await keepPoints(database, repository, source, before, read, nowMs(), signal);
      else forgetSummaries(database, source);
      return ofRead(read);
    });
  return {
    entries: (source, signal) => file.use((database) => entries(database, source, signal)),
    summaries: (source, signal) =>
      unchanged<readonly PointSummary[]>(
        source,
        (kept) => summariesIn(source, kept),
        (read) => read,
        signal,
      ),
    listed: (source, { newest, signal } = {}) =>
      unchanged<ListedPoints>(
        source,
        (kept) => ({ points: listedPoints(kept, newest), summaries: kept.bases > 0 ? summariesIn(source, kept) : [] }),
        (read) => ({ points: read.slice(newest === undefined ? 0 : -newest).map(({ point }) => pointJson(point)), summaries: read }),
        signal,
      ),
    flaws: (source) => flawed.get(source) ?? [],
    forget: (source) =>
      file.use(async (database) => {
        forgetListed(database, sourceFolder(source));
        forgetSummaries(database, source);
      }),
    log: (source, signal) => file.use((database) => readLog(database, repository, source, signal)),
    jobsSince: (since, signal) =>
      jobsSince(repository, since, signal, (folder, listing, read) =>
        file.use((database) => {
          forgetOldJournals(database, nowMs());
          return readListed(database, repository.trust, folder, listedAs(listing, /\.json$/), read, () => {});
        }),
      ),
    keepLooks: (configuration, at, looks) => file.use(async (database) => keepLooks(database, configuration, at, looks, new Date(nowMs()))),
    looks: (configuration, since, until) => file.use(async (database) => keptLooks(database, configuration, since, until)),
    close: () => file.close(),
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
