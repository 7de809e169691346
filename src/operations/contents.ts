// The contents of a backup, read from its beginning: what a restore could bring back, without restoring it.
import { LifeboatError } from "../core/errors.ts";
import type { ContentsEntry } from "../ports/engine.ts";
import { readPart } from "../repository/backups.ts";
import type { PointEntry } from "./points.ts";
import { entryPlace, partOf } from "./recovery/load.ts";
import type { Source, Workshop } from "./workshop.ts";

/** Decrypts only as much as the table of contents needs. The bytes are not verified: `verify` does that. */
export async function contentsOf(
  workshop: Workshop,
  source: Source,
  entry: PointEntry,
  signal: AbortSignal,
): Promise<readonly ContentsEntry[]> {
  if (entry.manifest.kind === "base") {
    throw new LifeboatError("USAGE", `${entry.point.name} is a base backup: it holds the files of a whole server, and no list of tables`);
  }
  const part = partOf(entry.manifest, "data");
  return source.engine.contents(readPart(workshop.repository.storage, entryPlace(entry), part, await workshop.openKey(), signal));
}
