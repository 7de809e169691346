// Sources whose scheduled work is paused: one signed object, so that every machine and every restart sees the same.
import * as z from "zod/mini";
import { format, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { PAUSES_FILE } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned } from "./signed.ts";

export interface Pause {
  readonly source: string;
  /** User and host. */
  readonly by: string;
  readonly at: string;
  /** When it ends by itself. Absent: it does not. */
  readonly until?: string | undefined;
  readonly reason?: string | undefined;
}

interface Pauses {
  readonly format: 1;
  readonly sources: readonly Pause[];
}

const schema: Schema<Pauses> = z.looseObject({
  format,
  sources: list(z.looseObject({ source: segment, by: word, at: instant, until: maybe(instant), reason: maybe(prose) })),
});

/** Returns the pauses by source. What no trusted key signed pauses nothing. */
export async function readPauses(repository: Repository, signal?: AbortSignal): Promise<ReadonlyMap<string, Pause>> {
  const found = await getSigned(repository, "pauses", PAUSES_FILE, schema, signal);
  return new Map(found?.signedBy === undefined ? [] : found.value.sources.map((pause) => [pause.source, pause]));
}

/** Replaces the pause of a source. Undefined: it is no longer paused. KEY_MISSING, STORAGE_*. */
export async function setPause(repository: Repository, source: string, pause: Pause | undefined): Promise<void> {
  await changeSigned(
    repository,
    "pauses",
    PAUSES_FILE,
    schema,
    (found): Pauses => ({
      format: 1,
      sources: [...(found?.sources ?? []).filter((one) => one.source !== source), ...(pause === undefined ? [] : [pause])],
    }),
  );
}

export const isPaused = (pause: Pause | undefined, now: Date): pause is Pause =>
  pause !== undefined && (pause.until === undefined || now < new Date(pause.until));
