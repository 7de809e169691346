// Flaws of a source's restore points: unsigned, incomplete, missing without a recorded removal, or changed. They are found by comparison
// with the chain of manifests, the recorded removals, and the memory of this machine.
import type { HealthReason } from "../core/health.ts";
import type { Manifest } from "../core/manifest.ts";
import { markName, marksFolder, partName, removalsName } from "./layout.ts";
import type { MarksRecord } from "./marks.ts";
import type { Memory, SeenPoint } from "./memory.ts";
import type { Removals } from "./removals.ts";
import type { Signed } from "./signed.ts";

/** A backup as listed and read now. */
export interface Sighting extends Signed<Manifest> {
  readonly folder: string;
}

const nameOf = ({ name, id }: Pick<Manifest, "name" | "id">): string => `restore point ${name} (${id})`;

/** Returns which part of a manifest is missing or has another size, in one sentence. Undefined: none. */
export function incompleteness(
  source: string,
  { folder, value }: Sighting,
  sizeOf: (object: string) => number | undefined,
): string | undefined {
  for (const part of value.parts) {
    const object = partName(source, folder, part.name);
    const sizeBytes = sizeOf(object);
    if (sizeBytes === undefined) return `${object} is missing`;
    if (sizeBytes !== part.stored.sizeBytes) return `${object} has ${sizeBytes} bytes and ${part.stored.sizeBytes} were written`;
  }
  return undefined;
}

/** Yields points that are missing without a signed removal, or changed. Points that exist are remembered. */
export function* comparePoints(
  source: string,
  sightings: readonly Sighting[],
  removals: Signed<Removals> | undefined,
  memory: Memory,
): Iterable<HealthReason> {
  const signed = sightings.filter(({ signedBy }) => signedBy !== undefined);
  const present = new Map(signed.map((one) => [one.value.id, one]));
  // A point that has lost its signature is not missing; that it no longer counts is reported elsewhere.
  const there = new Set(sightings.map(({ digest }) => digest));
  const removed = new Map((removals?.signedBy === undefined ? [] : removals.value.backups).map((one) => [one.id, one.sha256]));
  const known = new Map(memory.points(source).map((point) => [point.id, point]));
  const told = new Set<string>();
  const gone: string[] = [];
  for (const point of known.values()) {
    const now = present.get(point.id);
    if (now === undefined && there.has(point.digest)) continue;
    if (now === undefined && removed.get(point.id) === point.digest) gone.push(point.id);
    else if (now === undefined) {
      told.add(point.id);
      const message = `${nameOf(point)} with the data of ${point.time} is missing without a signed removal`;
      yield { code: "POINT_MISSING", message };
    } else if (now.digest !== point.digest) {
      told.add(point.id);
      yield { code: "POINT_CHANGED", message: `${nameOf(point)} has changed: its manifest was replaced` };
    }
  }
  for (const { value, folder } of signed) {
    const { previous } = value;
    if (previous === undefined || told.has(previous.id) || there.has(previous.sha256)) continue;
    const before = present.get(previous.id);
    if (removed.get(previous.id) === previous.sha256) continue;
    told.add(previous.id);
    if (before === undefined)
      yield {
        code: "POINT_MISSING",
        message: `restore point ${previous.id}, the one before ${folder}, is missing without a signed removal`,
      };
    else yield { code: "POINT_CHANGED", message: `${nameOf(before.value)} is not the predecessor of ${folder}` };
  }
  const fresh: SeenPoint[] = [];
  for (const { value, digest } of signed) {
    if (!known.has(value.id)) fresh.push({ id: value.id, name: value.name, digest, time: value.snapshotAt });
  }
  memory.seePoints(source, fresh, gone);
}

/** Yields marks that are unsigned, rolled back or missing. A hold or a finding of damage may be lost with them. */
export function* compareMarks(
  source: string,
  points: ReadonlySet<string>,
  marks: ReadonlyMap<string, Signed<MarksRecord>>,
  memory: Memory,
): Iterable<HealthReason> {
  const known = memory.revisions(marksFolder(source));
  for (const [id, { value, signedBy }] of marks) {
    if (!points.has(id)) continue;
    const name = markName(source, id);
    const before = known.get(name) ?? 0;
    if (signedBy === undefined) yield { code: "MARKS_UNSIGNED", message: `${name} is not signed by a trusted key and does not count` };
    else if (value.revision < before)
      yield { code: "MARKS_ROLLED_BACK", message: `${name} is older than it was: revision ${value.revision} after ${before}` };
    else if (value.revision > before) memory.seeRevision(name, value.revision);
  }
  for (const name of known.keys()) {
    const id = name.slice(marksFolder(source).length, -".json".length);
    if (points.has(id) && !marks.has(id)) yield { code: "MARKS_ROLLED_BACK", message: `${name} is missing` };
    if (!points.has(id)) memory.seeRevision(name, undefined);
  }
}

/** Yields the flaws of the list of removals. */
export function* compareRemovals(source: string, removals: Signed<Removals> | undefined, memory: Memory): Iterable<HealthReason> {
  const name = removalsName(source);
  const before = memory.revision(name) ?? 0;
  const revision = removals?.signedBy === undefined ? 0 : removals.value.revision;
  if (removals !== undefined && removals.signedBy === undefined)
    yield { code: "MARKS_UNSIGNED", message: `${name} is not signed by a trusted key and does not count` };
  if (revision < before) yield { code: "MARKS_ROLLED_BACK", message: `${name} is older than it was: revision ${revision} after ${before}` };
  else if (revision > before) memory.seeRevision(name, revision);
}
