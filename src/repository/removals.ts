// Intended removals. Each restore point names the one before it, and every machine remembers the points it has seen. A missing point that
// is not recorded here was deleted by an attacker or by accident.
import * as z from "zod/mini";
import type { Clock } from "../ports/clock.ts";
import { count, digest, format, id, instant, list, lsn, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { removalsName } from "./layout.ts";
import { thisOwner } from "./owner.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned, type Signed } from "./signed.ts";

export interface RemovedBackup {
  readonly id: string;
  readonly name: string;
  /** The SHA-256 of its manifest. */
  readonly sha256: string;
  readonly removedAt: string;
  readonly by: string;
  readonly reason?: string | undefined;
}

/** One object per source. */
export interface Removals {
  readonly format: 1;
  readonly source: string;
  readonly revision: number;
  readonly backups: readonly RemovedBackup[];
  /** The position up to which the log of a timeline was removed. */
  readonly log: readonly { readonly timeline: number; readonly throughLsn: string; readonly removedAt: string }[];
}

export const removalsSchema: Schema<Removals> = z.looseObject({
  format,
  source: segment,
  revision: count,
  backups: list(z.looseObject({ id, name: word, sha256: digest, removedAt: instant, by: word, reason: maybe(prose) })),
  log: list(z.looseObject({ timeline: count, throughLsn: lsn, removedAt: instant })),
});

/** A machine that has not read the repository for longer than this reports a removal as a loss. */
const KEPT_MS = 400 * 86_400_000;

export const readRemovals = (repository: Repository, source: string, signal?: AbortSignal): Promise<Signed<Removals> | undefined> =>
  getSigned(repository, "removals", removalsName(source), removalsSchema, signal);

/** Records the removal of a restore point before it is deleted, or when a user acknowledges its loss. */
export async function recordRemoval(
  repository: Repository,
  source: string,
  removed: Pick<RemovedBackup, "id" | "name" | "sha256" | "reason">,
  clock: Pick<Clock, "now">,
): Promise<void> {
  const { user, host } = thisOwner();
  const now = clock.now();
  await change(repository, source, (found) => {
    if (found.backups.some(({ id, sha256 }) => id === removed.id && sha256 === removed.sha256)) return undefined;
    const recent = found.backups.filter(({ removedAt }) => now.getTime() - Date.parse(removedAt) < KEPT_MS);
    return { ...found, backups: [...recent, { ...removed, removedAt: now.toISOString(), by: `${user}@${host}` }] };
  });
}

/** Records the removal of all log of the timeline before the position, before it is deleted. */
export async function recordLogRemoval(
  repository: Repository,
  source: string,
  removed: readonly { readonly timeline: number; readonly throughLsn: string }[],
  clock: Pick<Clock, "now">,
): Promise<void> {
  if (removed.length === 0) return;
  const removedAt = clock.now().toISOString();
  await change(repository, source, (found) => {
    const others = found.log.filter(({ timeline }) => !removed.some((one) => one.timeline === timeline));
    return { ...found, log: [...others, ...removed.map((one) => ({ ...one, removedAt }))] };
  });
}

async function change(repository: Repository, source: string, next: (found: Removals) => Removals | undefined): Promise<void> {
  const name = removalsName(source);
  const none: Removals = { format: 1, source, revision: 0, backups: [], log: [] };
  const written = await changeSigned(repository, "removals", name, removalsSchema, (found = none) => {
    const changed = next(found);
    return changed && { ...changed, revision: Math.max(found.revision, repository.memory.revision(name) ?? 0) + 1 };
  });
  if (written !== undefined) repository.memory.seeRevision(name, written.revision);
}
