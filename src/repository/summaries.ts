// What the catalog found of a source when it last read all of it, for readers that only show or judge. It saves listing every object of
// every restore point again: the versions of the folders tell that nothing was created, replaced or deleted since. The newest restore
// point is listed in every case. Nothing that deletes or restores is decided by it.
import type { DatabaseSync } from "node:sqlite";
import type { Manifest } from "../core/manifest.ts";
import type { RestorePoint } from "../core/restore-point.ts";
import type { FolderVersion } from "../ports/storage.ts";
import { backupFolder, backupsFolder, sourceFolder } from "./layout.ts";
import type { Repository } from "./repository.ts";

export const SUMMARY_SCHEMA = `
  create table if not exists summary (source text primary key, version text not null, remembered text not null, newest text not null, readAt integer not null, json text not null);`;

/** A restore point without what only a restore requires. */
export interface PointSummary {
  readonly folder: string;
  readonly point: RestorePoint;
  readonly manifest: Pick<Manifest, (typeof FACTS)[number]>;
}

const FACTS = ["kind", "tables", "base", "log", "consistency", "fingerprint", "content"] as const;

const INSTANTS = [
  "time",
  "endedAt",
  "expiresAt",
  "verifiedAt",
  "damagedAt",
  "acceptedAt",
  "servesTo",
] as const satisfies (keyof RestorePoint)[];

/** All of a source is read again after this long, so that a file that was changed where it lies does not stay unnoticed. */
const KEPT_MS = 3_600_000;
/** A change that is younger is not relied on: another one right after it may have left the version as it is. */
const SETTLED_MS = 60_000;

interface Row {
  readonly version: string;
  readonly remembered: string;
  readonly newest: string;
  readonly readAt: number;
  readonly json: string;
}

/** Returns the version of all that the restore points of a source are judged by. Undefined: the storage keeps no versions of folders. */
export async function versionOf({ storage }: Repository, source: string, signal?: AbortSignal): Promise<FolderVersion | undefined> {
  if (storage.folderVersion === undefined) return undefined;
  // The source's own folder holds the removals and the folder of marks.
  const folders = [sourceFolder(source), backupsFolder(source)].map((folder) => storage.folderVersion?.(folder, { signal }));
  const found = await Promise.all(folders);
  return {
    version: JSON.stringify(found.map((one) => one?.version ?? null)),
    changedAt: new Date(Math.max(0, ...found.map((one) => one?.changedAt.getTime() ?? 0))),
  };
}

/** Returns the summaries that were kept, oldest first. Undefined: something has changed since, or they are too old. */
export async function keptSummaries(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  { version }: FolderVersion,
  nowMs: number,
  signal?: AbortSignal,
): Promise<PointSummary[] | undefined> {
  const row = database.prepare("select * from summary where source = ?").get(source) as unknown as Row | undefined;
  const isSame = row?.version === version && row.remembered === repository.memory.version(source);
  if (!isSame || Math.abs(nowMs - row.readAt) > KEPT_MS) return undefined;
  const summaries = JSON.parse(row.json) as PointSummary[];
  for (const summary of summaries) revive(summary);
  return (await newestOf(repository, source, summaries, signal)) === row.newest ? summaries : undefined;
}

/** Keeps what was read of a source without flaws. `version`: taken before the reading. */
export async function keepSummaries(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  { version, changedAt }: FolderVersion,
  summaries: readonly PointSummary[],
  nowMs: number,
  signal?: AbortSignal,
): Promise<void> {
  if (changedAt.getTime() > nowMs - SETTLED_MS) return forgetSummaries(database, source);
  const newest = await newestOf(repository, source, summaries, signal);
  const remembered = repository.memory.version(source); // the reading itself has added to it
  database
    .prepare("insert or replace into summary values (?, ?, ?, ?, ?, ?)")
    .run(source, version, remembered, newest, nowMs, JSON.stringify(summaries.map(summaryOf)));
}

/** The next reader reads all of the source again. */
export function forgetSummaries(database: DatabaseSync, source: string): void {
  database.prepare("delete from summary where source = ?").run(source);
}

function summaryOf({ folder, point, manifest }: PointSummary): PointSummary {
  const facts = Object.fromEntries(FACTS.map((name) => [name, manifest[name]])) as PointSummary["manifest"];
  return { folder, point, manifest: facts };
}

/** The version of the newest restore point's folder, and so of each of its objects. */
async function newestOf(
  { storage }: Repository,
  source: string,
  summaries: readonly PointSummary[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const newest = summaries.at(-1);
  const found = newest && (await storage.folderVersion?.(backupFolder(source, newest.folder), { signal }));
  return found?.version ?? "";
}

/** Makes dates of the instants again, which are texts in JSON. */
function revive({ point }: PointSummary): void {
  for (const key of INSTANTS) if (point[key] !== undefined) Object.assign(point, { [key]: new Date(point[key]) });
  if (point.hold !== undefined) Object.assign(point.hold, { at: new Date(point.hold.at) });
}
