// Acknowledges losses: records missing restore points among the removals, where other machines find them, and forgets them here.
import type { LogSegment } from "../core/log.ts";
import { compareLsn } from "../core/lsn.ts";
import type { Clock } from "../ports/clock.ts";
import type { CatalogEntry } from "./catalog.ts";
import { marksFolder, removalsName } from "./layout.ts";
import { endsOf } from "./log-ends.ts";
import { marksSchema } from "./marks.ts";
import { readRemovals, recordLogRemoval, recordRemoval } from "./removals.ts";
import type { Repository } from "./repository.ts";
import { getSigned } from "./signed.ts";

/** Restore points that were seen here, or that the chain names, and that are missing or changed. */
export async function acknowledgePoints(
  repository: Repository,
  source: string,
  entries: readonly CatalogEntry[],
  reason: string,
  clock: Pick<Clock, "now">,
): Promise<void> {
  const { memory } = repository;
  const signed = entries.filter(({ point }) => point.unsigned === undefined);
  const present = new Map(signed.map((entry) => [entry.point.id, entry]));
  const seen = memory.points(source);
  // The entries of a lost list of removals are gone, so every machine that remembers those points reports them as missing again.
  const removals = await readRemovals(repository, source).catch(() => undefined);
  memory.seeRevision(removalsName(source), removals?.signedBy === undefined ? undefined : removals.value.revision);
  const lost = new Map(seen.filter(({ id }) => !present.has(id)).map(({ id, name, digest }) => [id, { id, name, sha256: digest }]));
  for (const { manifest } of signed) {
    const { previous } = manifest;
    if (previous === undefined || present.get(previous.id)?.digest === previous.sha256) continue;
    if (!lost.has(previous.id)) lost.set(previous.id, { ...previous, name: previous.id });
  }
  for (const point of lost.values()) await recordRemoval(repository, source, { ...point, reason: `lost: ${reason}` }, clock);
  const changed = seen.flatMap(({ id, digest }) => {
    const now = present.get(id);
    if (now === undefined || now.digest === digest) return [];
    return [{ id, name: now.point.name, digest: now.digest, time: now.manifest.snapshotAt }];
  });
  memory.seePoints(source, changed, [...lost.keys()]);
}

/** Accepts the present marks. */
export async function acknowledgeMarks(repository: Repository, source: string): Promise<void> {
  for (const name of repository.memory.revisions(marksFolder(source)).keys()) {
    const found = await getSigned(repository, "marks", name, marksSchema).catch(() => undefined);
    repository.memory.seeRevision(name, found?.signedBy === undefined ? undefined : found.value.revision);
  }
}

/** Accepts the present log. */
export async function acknowledgeLog(
  repository: Repository,
  source: string,
  segments: readonly LogSegment[],
  clock: Pick<Clock, "now">,
): Promise<void> {
  const ends = endsOf(segments);
  const lost = repository.memory.log(source).flatMap(({ timeline, firstLsn, lastLsn }) => {
    const now = ends.get(timeline);
    if (now === undefined) return [{ timeline, throughLsn: lastLsn }];
    return compareLsn(now.firstLsn, firstLsn) > 0 ? [{ timeline, throughLsn: now.firstLsn }] : [];
  });
  await recordLogRemoval(repository, source, lost, clock);
  repository.memory.seeLog(source, [...ends.values()]);
}
