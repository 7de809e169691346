// What all kinds of backup have in common: folder and name before the first byte, and the manifest last.
import { LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import type { BackupKind, Manifest } from "../../core/manifest.ts";
import { NAME_PATTERNS, renderName, validateName } from "../../core/names.ts";
import { expectedExpiry } from "../../core/retention.ts";
import { warmestClass } from "../../core/storage-class.ts";
import type { Tier } from "../../core/tiers.ts";
import type { DatabaseFacts } from "../../ports/connection.ts";
import type { Resource } from "../../ports/resource.ts";
import { type BackupPlace, commitManifest, type StoreOptions } from "../../repository/backups.ts";
import type { CatalogEntry } from "../../repository/catalog.ts";
import { backupFolderName } from "../../repository/layout.ts";
import { mark } from "../../repository/marks.ts";
import { thisOwner } from "../../repository/owner.ts";
import type { Context, Source } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import type { JobOrder } from "../jobs/records.ts";
import { RESOURCE } from "../jobs/undo.ts";

export interface BackupRequest {
  readonly kind: BackupKind;
  readonly tables?: readonly string[] | undefined;
  /** Password hashes of roles are part of it. Default: as the source is configured. */
  readonly rolePasswords?: boolean | undefined;
  readonly name?: string | undefined;
  /** Tiers of the policy it is made for; they give name pattern (of the one that keeps it longest), storage class and expiry. */
  readonly tiers?: readonly string[] | undefined;
  /** It serves their slots up to this instant. Default: the instant at which it begins. */
  readonly servesTo?: Date | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly hold?: boolean | undefined;
  /** The deployment it is taken before: it stays on hold until released, and the policy's keep begins then. */
  readonly preDeploy?: string | undefined;
  /** As of the job's order: asked once the lease is held. */
  readonly confirm?: JobOrder["confirm"];
}

export interface BackupResult {
  readonly manifest: Manifest;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

/** A backup that is being made: what is settled before its bytes flow. */
export interface Draft {
  readonly id: string;
  readonly name: string;
  readonly place: BackupPlace;
  readonly tiers: readonly Tier[];
  readonly startedAt: Date;
  /** The newest restore point of the source when this one begins: the previous link of the chain. */
  readonly previous: Manifest["previous"];
  /** The backups that there are. */
  readonly before: readonly CatalogEntry[];
  /** Options of every `put` of a part. */
  readonly storing: StoreOptions;
  readonly resource: Resource;
}

/** Refuses an impossible request before anything begins. USAGE, NAME_INVALID. */
export function checkRequest(source: Source, request: BackupRequest): Tier[] {
  if (request.name !== undefined) validateName(request.name);
  return tiersOf(source, request.tiers ?? []);
}

/** Prepares the backup and declares it with the job. `at`: the instant in its name, as near to that of its data as is known beforehand. */
export async function beginDraft(
  context: Context,
  source: Source,
  request: BackupRequest,
  order: { readonly job: Job; readonly tiers: readonly Tier[]; readonly startedAt: Date; readonly at: Date },
): Promise<Draft> {
  const { job, tiers, startedAt, at } = order;
  const { clock } = context;
  const id = makeId(startedAt, clock.randomBytes(ID_RANDOM_BYTES));
  const place: BackupPlace = { source: source.name, folder: backupFolderName(at, request.kind, id) };
  const lockUntil = context.lockMs === undefined ? undefined : new Date(clock.now().getTime() + context.lockMs);
  const storageClass = tiers.every((tier) => tier.storageClass !== undefined)
    ? (warmestClass(tiers) ?? context.storageClass)
    : context.storageClass;
  const entries = await context.catalog.entries(source.name);
  const taken = entries.map(({ point }) => point.name);
  if (request.name !== undefined && taken.includes(request.name)) {
    throw new LifeboatError("USAGE", `${source.name} has a restore point named ${request.name} already`, {
      hint: "give another --name, or none",
    });
  }
  const name = request.name ?? renderName(patternOf(source, request, tiers), { at, feature: request.preDeploy, taken });
  const resource = RESOURCE.backup(source.name, place.folder);
  await job.declare(resource);
  return {
    id,
    name,
    place,
    tiers,
    startedAt,
    previous: newestOf(entries),
    before: entries.filter(({ point }) => point.unsigned === undefined),
    storing: { storageClass, lockUntil, signal: job.signal },
    resource,
  };
}

/** What is known only when all bytes are stored. */
export interface Made
  extends Pick<Manifest, "tables" | "parts" | "fingerprint" | "base" | "log" | "consistency" | "notIncluded" | "content"> {
  readonly facts: DatabaseFacts;
  readonly snapshotAt: Date;
}

/** Writes the manifest, which makes the backup exist. */
export async function commitDraft(
  context: Context,
  source: Source,
  request: BackupRequest,
  draft: Draft,
  job: Job,
  made: Made,
): Promise<Manifest> {
  const { id, name, tiers } = draft;
  const { facts, snapshotAt } = made;
  const manifest: Manifest = {
    format: 1,
    id,
    name,
    source: source.name,
    provider: source.providerName,
    engine: source.engine.name,
    kind: request.kind,
    previous: draft.previous,
    tables: made.tables,
    startedAt: draft.startedAt.toISOString(),
    snapshotAt: snapshotAt.toISOString(),
    endedAt: context.clock.now().toISOString(),
    tiers: tiers.map(({ tier }) => tier),
    servesTo: (request.servesTo ?? draft.startedAt).toISOString(),
    expiresAt: expiryOf(source, request, tiers, snapshotAt)?.toISOString(),
    storageClass: draft.storing.storageClass,
    reason: request.reason,
    note: request.note,
    madeBy: { user: thisOwner().user, host: thisOwner().host, job: job.id, lifeboat: context.lifeboat },
    server: { version: facts.serverVersion, tool: facts.tool },
    sourceBytes: facts.sizeBytes,
    parts: made.parts,
    recipients: "recipients" in context.sealKey ? context.sealKey.recipients : ["passphrase"],
    base: made.base,
    log: made.log,
    consistency: made.consistency,
    fingerprint: made.fingerprint,
    content: made.content,
    notIncluded: made.notIncluded,
  };
  await job.step("commit", async () => {
    const { hold, preDeploy, reason } = request;
    if (hold || preDeploy !== undefined) {
      const why = reason ?? (preDeploy === undefined ? undefined : `before the deployment of ${preDeploy}`);
      await mark(context.repository, source.name, id, { hold: holdNow(context, why), preDeploy });
    }
    await job.assertAlive();
    // Last: a crash before this line leaves garbage, never a false backup.
    await commitManifest(context.repository, draft.place, manifest, draft.storing.lockUntil);
  });
  await job.withdraw(draft.resource);
  return manifest;
}

export const holdNow = (context: Context, reason: string | undefined) => ({
  by: `${thisOwner().user}@${thisOwner().host}`,
  at: context.clock.now(),
  reason,
});

function tiersOf(source: Source, wanted: readonly string[]): Tier[] {
  return wanted.map((name) => {
    const tier = source.policy.tiers.find((one) => one.tier === name);
    if (tier) return tier;
    const known = source.policy.tiers.map((one) => one.tier).join(", ") || "none";
    throw new LifeboatError("USAGE", `the policy of ${source.name} has no tier ${name} (it has: ${known})`);
  });
}

/** The pattern of the tier that keeps it longest: the name of a shorter tier would soon be wrong. */
function patternOf(source: Source, request: BackupRequest, tiers: readonly Tier[]): string {
  if (request.preDeploy !== undefined) return source.snapshotPolicy?.preDeploy.name ?? NAME_PATTERNS.preDeploy;
  const lengthOf = ({ keepMs }: Tier): number => (keepMs === "forever" ? Number.POSITIVE_INFINITY : keepMs);
  const named = tiers.filter(({ name }) => name !== undefined);
  const longest = named.toSorted((a, b) => lengthOf(b) - lengthOf(a))[0];
  return longest?.name ?? NAME_PATTERNS.manual;
}

/** Absent before a deployment, where the release decides it, and for manual ones, whose rule may change. */
function expiryOf(source: Source, request: BackupRequest, tiers: readonly Tier[], at: Date): Date | undefined {
  if (request.preDeploy !== undefined) return undefined;
  return expectedExpiry(
    tiers.map(({ tier }) => tier),
    source.policy,
    at,
  );
}

/** Ids sort by the time at which a backup began: the newest is what this machine saw last, regardless of the instant that it holds. */
function newestOf(entries: readonly CatalogEntry[]): Manifest["previous"] {
  const signed = entries.filter(({ point }) => point.unsigned === undefined);
  const last = signed.reduce<CatalogEntry | undefined>((a, b) => (a === undefined || a.point.id < b.point.id ? b : a), undefined);
  return last && { id: last.point.id, sha256: last.digest };
}
