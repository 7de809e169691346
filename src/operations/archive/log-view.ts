// What can be reached with the log archive and the backups that it can be replayed onto, as the repository has them now.
import { type LogBase, type LogView, viewLog } from "../../core/log-window.ts";
import type { Manifest } from "../../core/manifest.ts";
import { isDamaged } from "../../core/restore-point.ts";
import type { StoredLog } from "../../repository/log-catalog.ts";
import type { Context } from "../context.ts";
import { type PointEntry, pointsOf, type SummaryEntry } from "../points/points.ts";

export interface SourceLog<E extends SummaryEntry = PointEntry> extends LogView {
  readonly log: StoredLog;
  /** Base backups, and dumps whose position in the log is known, without those known to be damaged; oldest first. */
  readonly bases: readonly (LogBase & { readonly entry: E })[];
}

/** Reads the window anew: one listing of the points, one of the log, and the files that the catalog does not know yet. */
export async function logOf(context: Context, source: string, signal?: AbortSignal): Promise<SourceLog> {
  return logOn(context, source, await pointsOf(context, source), signal);
}

/** The same on points that the caller has just read. */
export async function logOn<E extends SummaryEntry>(
  context: Context,
  source: string,
  points: readonly E[],
  signal?: AbortSignal,
): Promise<SourceLog<E>> {
  const log = await context.catalog.log(source, signal);
  const bases = points.flatMap((entry) => {
    const facts = baseOf(entry.manifest);
    return facts === undefined || isDamaged(entry.point) ? [] : [{ id: entry.point.id, facts, entry }];
  });
  return { ...viewLog(bases, log), log, bases };
}

/** Whether log can be replayed onto the backup: it holds all data, of one instant or with the log that makes it so. */
export function baseOf({
  base,
  kind,
  log,
  consistency,
}: Pick<Manifest, "base" | "kind" | "log" | "consistency">): LogBase["facts"] | undefined {
  return base ?? (kind === "full" && consistency !== "none" ? log : undefined);
}
