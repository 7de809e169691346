// The database that a restore fills: made under another name than the wanted one (or, where an engine renames none, in a wanted one that
// is empty), and at the end given its name, or set aside when what was restored is not what was backed up.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { beforeName } from "../../core/names.ts";
import type { Connection } from "../../ports/connection.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import type { Source } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { databaseMark, RESOURCE } from "../jobs/undo.ts";
import type { DatabaseState } from "./database-plan.ts";

/** It may have been filled while the backup was fetched. What is declared is dropped by a clean-up, so it is looked at first. */
async function refuseOccupied(source: Source, place: RestoreTarget, signal: AbortSignal): Promise<void> {
  const [first] = (await source.engine.stateOf(place, { signal })).occupants;
  if (first === undefined) return;
  throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${place.connection.label} was empty when the restore began, and now holds ${first}`);
}

/** Gives the database its name. What had the name, and held anything, is kept under another: this says which. */
export async function takeName(
  source: Source,
  { place, exists, only }: Pick<DatabaseState, "place" | "exists" | "only">,
  fresh: string,
  job: Job,
  at: Date,
): Promise<string | undefined> {
  const { server, database } = place;
  const name = beforeName(database, at);
  const keep = exists ? { name, mark: databaseMark(job.maker, server.label, name), only } : undefined;
  const kept = RESOURCE.keptDatabase(source.name, server.label, name);
  const replacement = RESOURCE.replacement(source.name, server.label, { fresh, name: database, keep: name });
  // A clean-up goes backwards: half a replacement is ended first.
  const resources = keep === undefined ? [] : source.engine.endReplacement === undefined ? [kept] : [kept, replacement];
  for (const resource of resources) await job.declare(resource);
  const isKept = await job.step("name", () => source.engine.takeName(server, fresh, database, { keep, signal: job.signal }));
  for (const resource of resources) await job.withdraw(resource);
  return isKept ? name : undefined;
}

/** Keeps it under its present name; no clean-up touches it afterwards. */
export async function finish(source: Source, place: RestoreTarget, name: string, job: Job): Promise<void> {
  await source.engine.takeName(place.server, name, name, { signal: job.signal });
}

/**
 * What failed never takes the wanted name. It keeps a name of the job's own, where it can be looked at and no clean-up touches it; where
 * the wanted name was filled at once, it is moved out of it.
 */
export async function setAside(
  source: Source,
  place: RestoreTarget,
  fresh: string,
  job: Job,
): Promise<{ readonly words: string; readonly label: string }> {
  const { engine } = source;
  const aside = `lifeboat_${job.id}`;
  const work = { signal: job.signal };
  await engine.takeName(place.server, fresh, aside, work);
  const { label } = engine.resolveTarget(place.server, aside).connection;
  return { words: fresh === "" ? `in databases whose names begin with ${aside}` : aside, label };
}

export async function beginDatabase(
  source: Source,
  place: RestoreTarget,
  fresh: string,
  archiveFile: string,
  tables: readonly string[] | undefined,
  job: Job,
): Promise<Connection> {
  if (fresh === place.database) await refuseOccupied(source, place, job.signal);
  await job.declare(RESOURCE.database(source.name, place.server.label, fresh));
  try {
    const mark = databaseMark(job.maker, place.server.label, fresh);
    return await source.engine.createDatabase(place.server, fresh, { mark, like: archiveFile, tables, signal: job.signal });
  } catch (error) {
    if (!isLifeboatError(error, "SOURCE_PERMISSION") || !source.engine.renamesDatabases) throw error;
    throw new LifeboatError("SOURCE_PERMISSION", `${error.message}; a restore fills a database of its own and then gives it the name`, {
      cause: error,
      hint: "grant CREATEDB to this role, or give --into the URL of a server where it has it",
    });
  }
}
