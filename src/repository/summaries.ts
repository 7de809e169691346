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
  create table if not exists summary (source text primary key, version text not null, remembered text not null, newest text not null, readAt integer not null, bases integer not null, lines text not null);`;

/** A restore point without what only a restore requires. */
export interface PointSummary {
  readonly source: string;
  readonly folder: string;
  readonly point: RestorePoint;
  readonly manifest: Pick<Manifest, "kind" | "tables" | "base" | "log" | "consistency" | "content"> & {
    readonly fingerprint?: { readonly tables: number } | undefined;
  };
}

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
  /** How many of the restore points log may be replayed onto. */
  readonly bases: number;
  /** A line of JSON each, oldest first. */
  readonly lines: string;
}

export interface Wanted {
  /** Only so many of the newest are wanted; all come where log may be replayed onto one of them. Default: all. */
  readonly newest?: number | undefined;
  readonly signal?: AbortSignal | undefined;
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
  { newest, signal }: Wanted = {},
): Promise<PointSummary[] | undefined> {
  const row = database.prepare("select * from summary where source = ?").get(source) as unknown as Row | undefined;
  const isSame = row?.version === version && row.remembered === repository.memory.version(source);
  if (!isSame || Math.abs(nowMs - row.readAt) > KEPT_MS) return undefined;
  // The last one is looked at in any case.
  const lines = newest === undefined || row.bases > 0 ? row.lines : lastLines(row.lines, Math.max(1, newest));
  const summaries = JSON.parse(`[${lines.replaceAll("\n", ",")}]`) as PointSummary[];
  for (const summary of summaries) revive(source, summary);
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
    .prepare("insert or replace into summary values (?, ?, ?, ?, ?, ?, ?)")
    .run(source, version, remembered, newest, nowMs, summaries.filter(hasLog).length, linesOf(summaries));
}

const hasLog = ({ manifest: { base, log } }: PointSummary): boolean => base !== undefined || log !== undefined;

const linesOf = (summaries: readonly PointSummary[]): string => summaries.map(lineOf).join("\n");

/** What repeats is left out, and instants are numbers: of a hundred thousand lines, reading them is most of the work. */
function lineOf({ folder, point, manifest }: PointSummary): string {
  const { tables, base, log, consistency, fingerprint, content } = manifest;
  const instants = Object.fromEntries(INSTANTS.map((key) => [key, point[key]?.getTime()]));
  const facts = { tables, base, log, consistency, content, fingerprint: fingerprint && { tables: fingerprint.tables } };
  return JSON.stringify({ folder, point: { ...point, ...instants, source: undefined }, manifest: facts });
}

/** Completes a line that was read. */
function revive(source: string, summary: PointSummary): void {
  const point = summary.point as unknown as Record<string, unknown>;
  point.source = source;
  for (const key of INSTANTS) if (point[key] !== undefined) point[key] = new Date(point[key] as number);
  if (summary.point.hold !== undefined) Object.assign(summary.point.hold, { at: new Date(summary.point.hold.at) });
  Object.assign(summary, { source });
  Object.assign(summary.manifest, { kind: point.kind });
}

function lastLines(lines: string, count: number): string {
  let begin = lines.length;
  for (let left = count; left > 0 && begin > 0; left--) begin = lines.lastIndexOf("\n", begin - 1);
  return lines.slice(begin + 1);
}

/** The next reader reads all of the source again. */
export function forgetSummaries(database: DatabaseSync, source: string): void {
  database.prepare("delete from summary where source = ?").run(source);
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
