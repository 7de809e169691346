// The contents of a backup, read from its beginning: what a restore could bring back, without restoring it.
import { LifeboatError } from "../../core/errors.ts";
import type { ContentsEntry } from "../../ports/engine.ts";
import { readPart } from "../../repository/backups.ts";
import type { Context, Source } from "../context.ts";
import type { PointEntry } from "../points/points.ts";
import { entryPlace, partOf, readRolesPart } from "../recovery/load.ts";

/** Decrypts only as much as the table of contents needs. The bytes are not verified: `verify` does that. */
export async function contentsOf(
  context: Context,
  source: Source,
  entry: PointEntry,
  signal: AbortSignal,
): Promise<readonly ContentsEntry[]> {
  if (entry.manifest.kind === "base") {
    throw new LifeboatError("USAGE", `${entry.point.name} is a base backup: it holds the files of a whole server, and no list of tables`);
  }
  const key = await context.openKey();
  const roles = source.engine.rolesIn && (await readRolesPart(context, entry, key, signal));
  const own = await source.engine.contents(await archiveOf(context, entry, signal));
  return [...(roles === undefined ? [] : (source.engine.rolesIn?.(roles) ?? [])), ...own];
}

/** The plain bytes of a backup's archive, for whom the beginning is enough. They are not verified. */
export async function archiveOf(context: Context, entry: PointEntry, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  return readPart(context.repository.storage, entryPlace(entry), partOf(entry.manifest, "data"), await context.openKey(), signal);
}
