// Finds the restore point that a user means.

import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { resolveId } from "../../core/ids.ts";

import { dateOfMicros } from "../../core/micros.ts";
import { type RecoveryTarget, UNDERSTOOD_TARGETS } from "../../core/recovery-target.ts";
import { isDamaged, isWhole, type PointJson } from "../../core/restore-point.ts";

import type { Check } from "../../core/verdict.ts";
import { listStoredSources, readManifest } from "../../repository/backups.ts";
import type { CatalogEntry, ListedPoints } from "../../repository/catalog.ts";
import type { PointSummary } from "../../repository/summaries.ts";
import type { Context } from "../context.ts";

export type PointEntry = CatalogEntry;

/** A restore point for readers that only show or judge it. What is restored or removed is read as a `PointEntry`. */
export type SummaryEntry = PointSummary;

interface Trusted {
  /** Also those that nothing may depend on, for a list, or for a person who asks for one of them. */
  readonly unsigned?: boolean | undefined;
}

/** Every restore point of a source that a trusted key has signed, oldest first. */
export async function pointsOf(context: Context, source: string, trusted?: Trusted): Promise<PointEntry[]> {
  return ofSource(context, source, await context.catalog.entries(source), trusted);
}

/** The same for readers that only show or judge: unchanged points are not listed again. */
export async function summariesOf(context: Context, source: string): Promise<SummaryEntry[]> {
  return ofSource(context, source, await context.catalog.summaries(source));
}

/** Every restore point of a source as `list` shows it, oldest first: also those that nothing may depend on. */
export async function listedOf(context: Context, source: string, newest?: number): Promise<ListedPoints> {
  const { points, summaries } = await context.catalog.listed(source, { newest });
  return { points, summaries: ofSource(context, source, summaries, { unsigned: true }) };
}

/** The sources that are configured or stored, in the order of their names. */
export async function sourceNames({ sources, repository }: Context): Promise<string[]> {
  return [...sources.keys(), ...(await listStoredSources(repository.storage, sources))].sort();
}

function ofSource<E extends PointSummary>(
  { sources }: Context,
  source: string,
  entries: readonly E[],
  { unsigned = false }: Trusted = {},
): E[] {
  const protectedTables = sources.get(source)?.tables;
  const covers = ({ manifest: { kind, tables } }: E): boolean =>
    kind === "tables" && protectedTables?.every((table) => tables?.includes(table)) === true;
  return entries
    .filter(({ point }) => unsigned || point.unsigned === undefined)
    .map((entry) => (covers(entry) ? { ...entry, point: { ...entry.point, covers: true } } : entry));
}

/** The point whose name or id (or beginning of it) was given. POINT_UNKNOWN, POINT_AMBIGUOUS; POINT_UNSIGNED unless it may be unsigned. */
export async function findPoint(
  context: Context,
  wanted: string,
  source?: string,
  { unsigned = false }: Trusted = {},
): Promise<PointEntry> {
  const points: Candidate[] = [];
  for (const name of source === undefined ? await sourceNames(context) : [source]) {
    for (const { id, name: called, signed } of (await context.catalog.listed(name)).points)
      points.push({ source: name, id, name: called, signed });
  }
  const named = ofTrust(points.filter(({ name }) => name === wanted));
  if (named.length > 1) {
    throw new LifeboatError(
      "POINT_AMBIGUOUS",
      `${named.length} restore points are named ${wanted}: ${named.map((one) => `${one.source} ${one.id}`).join(", ")}`,
    );
  }
  const id = named[0]?.id ?? idOf(context, wanted, points, source);
  const of = points.find((one) => one.id === id)?.source ?? source ?? "";
  const found = (await pointsOf(context, of, { unsigned: true })).find(({ point }) => point.id === id);
  if (found === undefined) throw gone(id, of);
  if (found.point.unsigned && !unsigned) throw unsignedPoint(found);
  return confirm(context, found);
}

/** What a search through every source holds of a point. */
type Candidate = Pick<PointJson, "source" | "id" | "name" | "signed">;

/** Prefers signed points: a planted one of the same name must not make the name ambiguous. */
function ofTrust(points: readonly Candidate[]): readonly Candidate[] {
  const signed = points.filter((point) => point.signed);
  return signed.length > 0 ? signed : points;
}

const unsignedPoint = ({ source, point }: PointEntry): LifeboatError =>
  new LifeboatError("POINT_UNSIGNED", `restore point ${point.name} (${point.id}) of ${source} is not signed by a trusted key`);

/** Data that equals its own fingerprint proves nothing when it is not known who made the two. */
export function originOf({ point }: PointEntry): Check[] {
  if (point.unsigned === undefined) return [];
  return [{ name: "origin", kind: "integrity", outcome: "inconclusive", message: "no trusted key has signed this restore point" }];
}

export interface ChosenPoint {
  readonly entry: PointEntry;
  /** The user named this very point, rather than an instant. */
  readonly named: boolean;
  readonly asked: RecoveryTarget;
  /** The instant that was asked for; for a named point, its own. */
  readonly instant: Date;
  /** The point holds the data of exactly that instant; of `latest`, the newest there is. */
  readonly exact: boolean;
  readonly remarks: readonly string[];
}

/**
 * The restore point that a recovery target means where there is no log: the one named, the newest, or the newest at or before an instant,
 * which is then seldom reached exactly. CAPABILITY_MISSING for a position in the log.
 */
export async function targetOf(
  context: Context,
  source: string,
  target: RecoveryTarget,
  options: { readonly unsigned?: boolean | undefined } = {},
): Promise<ChosenPoint> {
  const now = context.clock.now();
  const points = await pointsOf(context, source);
  if (target.kind === "lsn")
    throw new LifeboatError("CAPABILITY_MISSING", `${source} has no log archive, so no position in its log can be reached`);
  const instant = target.kind === "time" ? dateOfMicros(target.at) : now;
  if (target.kind === "point") {
    const entry = await findPoint(context, target.name, source, options);
    const remarks = entry.point.unsigned ? ["no trusted key has signed this restore point: who made it is not known"] : [];
    return { entry, asked: target, named: true, instant: entry.point.time, exact: true, remarks };
  }
  if (points.length === 0) throw nothingOf(context, source);
  // A base backup cannot be loaded into a database: it has a route of its own.
  const usable = points.filter(({ point }) => isWhole(point) && !isDamaged(point) && point.kind !== "base");
  const found = usable.filter(({ point }) => point.time <= instant).at(-1) ?? (target.kind === "latest" ? usable.at(-1) : undefined);
  if (found !== undefined) {
    const exact = target.kind === "latest" || found.point.time.getTime() === instant.getTime();
    const remark = `asked for ${instant.toISOString()}; the newest backup before it holds the data of ${found.point.time.toISOString()}`;
    return {
      entry: await confirm(context, found),
      asked: target,
      named: false,
      instant,
      exact,
      remarks: [...(exact ? [] : [remark]), ...context.catalog.flaws(source).map(({ message }) => message)],
    };
  }
  const [first] = usable;
  if (first === undefined) {
    throw new LifeboatError(
      "NO_RESTORE_POINT",
      `${source} has ${points.length === 1 ? "1 restore point" : `${points.length} restore points`}, but none that is whole and that no drill or verify found to differ`,
      {
        hint: `run \`lifeboat show POINT\` to see what was found; then run \`lifeboat backup ${source}\`, or name a point with --to`,
      },
    );
  }
  const earliest = first.point.time.toISOString();
  throw new LifeboatError(
    "RECOVERY_TARGET_OUTSIDE_WINDOW",
    `${source} can be restored from ${earliest} on, not to ${instant.toISOString()}`,
    {
      details: { earliest, wanted: instant.toISOString() },
    },
  );
}

function nothingOf({ catalog }: Context, source: string): LifeboatError {
  const flaws = catalog.flaws(source);
  const unsigned = flaws.filter(({ code }) => code === "POINT_UNSIGNED").length;
  const [other] = flaws.filter(({ code }) => code !== "POINT_UNSIGNED");
  if (other !== undefined) return new LifeboatError("INTEGRITY", `${source} has no readable restore point: ${other.message}`);
  if (unsigned === 0) return new LifeboatError("NO_RESTORE_POINT", `${source} has no restore point`);
  return new LifeboatError("POINT_UNSIGNED", `no trusted key has signed any restore point of ${source}; it has ${unsigned} unsigned`);
}

/** Resolves the id. When none fits and a manifest could not be read, that may be the one: its damage is reported. */
function idOf(context: Context, wanted: string, points: readonly Candidate[], source: string | undefined): string {
  try {
    return resolveId(
      wanted,
      points.map(({ id }) => id),
    );
  } catch (cause) {
    const names = source === undefined ? [...context.sources.keys()] : [source];
    const flaw = names.flatMap((name) => context.catalog.flaws(name))[0]?.message;
    if (!isLifeboatError(cause, "POINT_UNKNOWN")) throw cause;
    // Without a source, the command takes a restore point and no instant.
    if (flaw === undefined) throw source === undefined ? cause : unknownPoint(cause);
    throw new LifeboatError("INTEGRITY", `${cause.message}; ${flaw}`, { cause });
  }
}

/** Explains how times are written, where the text may be meant as one. */
const unknownPoint = ({ message, details }: LifeboatError): LifeboatError =>
  new LifeboatError("POINT_UNKNOWN", message, { details, hint: `run \`lifeboat list\`, then give ${UNDERSTOOD_TARGETS}` });

const gone = (id: string, source: string): LifeboatError =>
  new LifeboatError("POINT_UNKNOWN", `restore point ${id} of ${source} is no longer there`);

/** Checks with the storage: the catalog may be older than a removal. */
async function confirm(context: Context, entry: PointEntry): Promise<PointEntry> {
  const found = await readManifest(context.repository, { source: entry.source, folder: entry.folder });
  if (found === undefined) throw gone(entry.point.id, entry.source);
  if (found.signedBy === undefined && entry.point.unsigned === undefined) throw unsignedPoint(entry);
  return { ...entry, manifest: found.value, digest: found.digest };
}
