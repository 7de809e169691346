// What the catalog found of a source when it last read all of it, for readers that only show or judge. It saves listing every object of
// every restore point again: the versions of the folders tell that nothing was created, replaced or deleted since. The newest restore
// point is listed in every case. Nothing that deletes or restores is decided by it.
import type { DatabaseSync } from "node:sqlite";
import type { Manifest } from "../core/manifest.ts";
import { type PointJson, pointJson, pointOfJson, type RestorePoint } from "../core/restore-point.ts";
import type { FolderVersion } from "../ports/storage.ts";
import { backupFolder, backupsFolder, sourceFolder } from "./layout.ts";
import type { Repository } from "./repository.ts";

export const SUMMARY_SCHEMA = `
  create table if not exists summary (source text primary key, version text not null, remembered text not null, newestFolder text not null, newestVersion text not null, readAt integer not null, bases integer not null, points text not null, facts text not null);`;

/** A restore point without what only a restore requires. */
export interface PointSummary {
  readonly source: string;
  readonly folder: string;
  readonly point: RestorePoint;
  readonly manifest: Pick<Manifest, "kind" | "tables" | "base" | "log" | "consistency" | "content"> & {
    readonly fingerprint?: { readonly tables: number } | undefined;
  };
}

/** All of a source is read again after this long, so that a file that was changed where it lies does not stay unnoticed. */
const KEPT_MS = 3_600_000;
/** A change that is younger is not relied on: another one right after it may have left the version as it is. */
const SETTLED_MS = 60_000;

/** What was kept of a source. Both texts have a line of JSON for each restore point, oldest first. */
export interface KeptPoints {
  /** How many of the restore points log may be replayed onto. */
  readonly bases: number;
  /** As `list` shows them: a hundred thousand are shown without converting one. */
  readonly points: string;
  /** What else a summary holds. */
  readonly facts: string;
}

interface Row extends KeptPoints {
  readonly version: string;
  readonly remembered: string;
  readonly newestFolder: string;
  readonly newestVersion: string;
  readonly readAt: number;
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

/** Returns what was kept. Undefined: something has changed since, or it is too old. */
export async function keptPoints(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  { version }: FolderVersion,
  nowMs: number,
  signal?: AbortSignal,
): Promise<KeptPoints | undefined> {
  const row = database.prepare("select * from summary where source = ?").get(source) as unknown as Row | undefined;
  const isSame = row?.version === version && row.remembered === repository.memory.version(source);
  if (!isSame || Math.abs(nowMs - row.readAt) > KEPT_MS) return undefined;
  return (await versionOfNewest(repository, source, row.newestFolder, signal)) === row.newestVersion ? row : undefined;
}

/** Keeps what was read of a source without flaws. `version`: taken before the reading. */
export async function keepPoints(
  database: DatabaseSync,
  repository: Repository,
  source: string,
  { version, changedAt }: FolderVersion,
  summaries: readonly PointSummary[],
  nowMs: number,
  signal?: AbortSignal,
): Promise<void> {
  if (changedAt.getTime() > nowMs - SETTLED_MS) return forgetSummaries(database, source);
  const newestFolder = summaries.at(-1)?.folder ?? "";
  const newestVersion = await versionOfNewest(repository, source, newestFolder, signal);
  const remembered = repository.memory.version(source); // the reading itself has added to it
  const points = summaries.map(({ point }) => JSON.stringify(pointJson(point))).join("\n");
  const facts = summaries.map(factsOf).join("\n");
  database
    .prepare("insert or replace into summary values (?, ?, ?, ?, ?, ?, ?, ?, ?)")
    .run(source, version, remembered, newestFolder, newestVersion, nowMs, summaries.filter(hasLog).length, points, facts);
}

const hasLog = ({ manifest: { base, log } }: PointSummary): boolean => base !== undefined || log !== undefined;

/** Returns the points as `list` shows them. `newest`: only so many. */
export const listedPoints = ({ points }: KeptPoints, newest?: number): PointJson[] =>
  valuesOf(newest === undefined ? points : lastLines(points, newest));

export function summariesIn(source: string, { points, facts }: KeptPoints): PointSummary[] {
  const listed = valuesOf<PointJson>(points);
  return valuesOf<Facts>(facts).map(({ folder, servesTo, acceptedAt, preDeploy, manifest }, at) => {
    const json = listed[at] as PointJson;
    const point = pointOfJson(json, { preDeploy, servesTo: dateOf(servesTo), acceptedAt: dateOf(acceptedAt) });
    return { source, folder, point, manifest: { ...manifest, kind: json.kind as Manifest["kind"] } };
  });
}

interface Facts extends Pick<RestorePoint, "preDeploy"> {
  readonly folder: string;
  /** Milliseconds since 1970. */
  readonly servesTo?: number | undefined;
  readonly acceptedAt?: number | undefined;
  readonly manifest: Omit<PointSummary["manifest"], "kind">;
}

function factsOf({ folder, point, manifest }: PointSummary): string {
  const { tables, base, log, consistency, fingerprint, content } = manifest;
  const { preDeploy, servesTo, acceptedAt } = point;
  return JSON.stringify({
    folder,
    preDeploy,
    servesTo: servesTo?.getTime(),
    acceptedAt: acceptedAt?.getTime(),
    manifest: { tables, base, log, consistency, content, fingerprint: fingerprint && { tables: fingerprint.tables } },
  } satisfies Facts);
}

const dateOf = (ms: number | undefined): Date | undefined => (ms === undefined ? undefined : new Date(ms));

const valuesOf = <T>(lines: string): T[] => JSON.parse(`[${lines.replaceAll("\n", ",")}]`) as T[];

function lastLines(lines: string, count: number): string {
  let begin = lines.length;
  for (let left = count; left > 0 && begin > 0; left--) begin = lines.lastIndexOf("\n", begin - 1);
  return lines.slice(begin + 1);
}

/** The next reader reads all of the source again. */
export function forgetSummaries(database: DatabaseSync, source: string): void {
  database.prepare("delete from summary where source = ?").run(source);
}

/** The version of the newest restore point's folder, and so of each of its objects. It is looked at in any case. */
async function versionOfNewest({ storage }: Repository, source: string, folder: string, signal: AbortSignal | undefined): Promise<string> {
  const found = folder === "" ? undefined : await storage.folderVersion?.(backupFolder(source, folder), { signal });
  return found?.version ?? "";
}
