// Points that the provider holds, as restore points: the provider says what exists, the repository's records say what they are for.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import type { RestorePoint } from "../../core/restore-point.ts";
import type { RetentionPolicy } from "../../core/retention.ts";
import type { ProviderPoint } from "../../core/snapshot-retention.ts";
import type { Tier } from "../../core/tiers.ts";
import type { Work } from "../../ports/connection.ts";
import type { ProviderSnapshot } from "../../ports/control.ts";
import { holdOfRecord, listSnapshotRecords, type SnapshotRecord } from "../../repository/snapshots.ts";
import type { Context, SnapshotRule, Source } from "../context.ts";
import { findPoint, type PointEntry } from "./points.ts";

export interface SnapshotEntry extends ProviderPoint {
  readonly source: string;
  readonly snapshot: ProviderSnapshot;
  readonly record?: SnapshotRecord | undefined;
}

/** Lists the provider's points of a source as they are now, oldest first. Empty where the provider holds none. */
export async function snapshotsOf(
  context: Context,
  source: Source,
  work: Work = {},
  onFlaw?: (flaw: HealthReason) => void,
): Promise<SnapshotEntry[]> {
  if (source.managed !== true || source.provider.snapshots === undefined) return [];
  const records = await listSnapshotRecords(context.repository, source.name, work.signal, onFlaw);
  // What a restore set aside has a name that the user chose: it is a point because the repository has a record of it.
  const known = [...records.values()].filter(({ form }) => form === "branch").map(({ id }) => id);
  const listed = await source.provider.snapshots.list({ ...work, known });
  return listed
    .map((snapshot) => entryOf(source.name, snapshot, records.get(snapshot.id)))
    .sort((a, b) => a.point.time.getTime() - b.point.time.getTime() || (a.point.id < b.point.id ? -1 : 1));
}

function entryOf(source: string, snapshot: ProviderSnapshot, record: SnapshotRecord | undefined): SnapshotEntry {
  const date = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));
  const kept = record?.kept && { job: record.kept.job, acceptedAt: date(record.kept.acceptedAt) };
  const point: RestorePoint = {
    id: snapshot.id,
    source,
    kind: "snapshot",
    name: snapshot.name,
    time: snapshot.time,
    endedAt: snapshot.createdAt,
    expiresAt: earlier(date(record?.expiresAt), snapshot.expiresAt),
    sizeBytes: snapshot.sizeBytes ?? 0,
    sourceBytes: snapshot.sizeBytes ?? 0,
    tiers: record?.rule === undefined ? [] : [record.rule],
    servesTo: date(record?.servesTo),
    hold: record && holdOfRecord(record),
    preDeploy: record?.preDeploy,
    verifiedAt: date(record?.verifiedAt),
    damagedAt: date(record?.damagedAt),
    reason: record?.reason,
    note: record?.note,
    madeBy: record?.madeBy ?? (snapshot.scheduled ? "the provider's schedule" : "unknown"),
  };
  const { scheduled, pinned } = snapshot;
  const ownExpiresAt = record && (date(record.expiresAt) ?? null);
  return { source, point, snapshot, record, ours: record !== undefined, ownExpiresAt, scheduled, pinned, kept };
}

/** Removed by the policy or by the provider, by the one that comes first. */
const earlier = (a: Date | undefined, b: Date | undefined): Date | undefined => (a === undefined || (b !== undefined && b < a) ? b : a);

/** The rules as tiers, without those of the provider's own schedule. */
export function snapshotRetention(source: Source): RetentionPolicy {
  const rules = source.snapshotPolicy?.rules ?? [];
  return { tiers: rules.filter(({ by }) => by !== "provider").map(tierOfRule), keepManualMs: source.snapshotPolicy?.keepManualMs };
}

export const tierOfRule = ({ name, cron, keepMs }: SnapshotRule): Tier => ({ tier: name, cron, keepMs, name });

/** Points of the schedule: not the ones that a restore set aside. */
export const isScheduled = ({ kept }: SnapshotEntry): boolean => kept === undefined;

/** The point of that name or id, or the only one whose id begins so; undefined: none. POINT_AMBIGUOUS. */
export async function findSnapshot(
  context: Context,
  wanted: string,
  sources: Iterable<Source>,
  work: Work = {},
): Promise<SnapshotEntry | undefined> {
  const all: SnapshotEntry[] = [];
  for (const source of sources) all.push(...(await snapshotsOf(context, source, work)));
  const exact = all.filter(({ point }) => point.name === wanted || point.id === wanted);
  const found = exact.length > 0 || wanted.length < 6 ? exact : all.filter(({ point }) => point.id.startsWith(wanted));
  if (found.length > 1) {
    const which = found.map(({ source, point }) => `${source} ${point.id}`).join(", ");
    throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} points at the provider are meant by "${wanted}": ${which}`);
  }
  return found[0];
}

export type AnyPoint =
  | { readonly kind: "backup"; readonly entry: PointEntry }
  | { readonly kind: "snapshot"; readonly entry: SnapshotEntry };

/** A backup in the repository or a point at a provider. The repository is asked first, which works without the provider. POINT_UNKNOWN, POINT_AMBIGUOUS. */
export async function findAnyPoint(
  context: Context,
  wanted: string,
  source?: string,
  work: Work & { readonly unsigned?: boolean | undefined } = {},
): Promise<AnyPoint> {
  try {
    return { kind: "backup", entry: await findPoint(context, wanted, source, work) };
  } catch (error) {
    if (!isLifeboatError(error, "POINT_UNKNOWN")) throw error;
    const named = source === undefined ? undefined : context.sources.get(source);
    const sources = source === undefined ? [...context.sources.values()] : named === undefined ? [] : [named];
    const entry = await findSnapshot(context, wanted, sources, work);
    if (entry === undefined) throw error;
    return { kind: "snapshot", entry };
  }
}
