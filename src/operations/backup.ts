// Backup: one snapshot of the source becomes sealed parts, a fingerprint of the same snapshot, and, last of all, a manifest.
import { LifeboatError } from "../core/errors.ts";
import type { Fingerprint } from "../core/fingerprint.ts";
import { ID_RANDOM_BYTES, makeId } from "../core/ids.ts";
import type { BackupKind, Manifest, ManifestPart } from "../core/manifest.ts";
import { NAME_PATTERNS, renderName, validateName } from "../core/names.ts";
import { expectedExpiry } from "../core/retention.ts";
import type { Tier } from "../core/tiers.ts";
import type { Dump } from "../ports/engine.ts";
import { type BackupPlace, commitManifest, storePart } from "../repository/backups.ts";
import { backupFolderName } from "../repository/layout.ts";
import { mark } from "../repository/marks.ts";
import { thisOwner } from "../repository/owner.ts";
import { type Job, runJob } from "./job.ts";
import { advancing } from "./road.ts";
import { RESOURCE } from "./undo.ts";
import type { Source, Watch, Workshop } from "./workshop.ts";

export interface BackupRequest {
  readonly kind: Exclude<BackupKind, "base">;
  readonly tables?: readonly string[] | undefined;
  readonly name?: string | undefined;
  /** Tier of the policy it is made for; it gives name pattern, storage class and expiry. */
  readonly tier?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly hold?: boolean | undefined;
}

export interface BackupResult {
  readonly manifest: Manifest;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

/** Makes a backup. Two at once on one source: LEASE_HELD. Whatever fails, no restore point is left and nothing else. */
export async function backup(workshop: Workshop, source: Source, request: BackupRequest, watch: Watch): Promise<BackupResult> {
  const tier = tierOf(source, request.tier);
  if (request.name !== undefined) validateName(request.name);
  const beganMs = workshop.clock.monotonicMs();
  return runJob(
    workshop,
    { verb: "backup", source: source.name, exclusive: true },
    watch,
    async (job) => {
      const startedAt = workshop.clock.now();
      const connection = await source.provider.connection({ signal: job.signal });
      const tables = request.tables ?? (request.kind === "tables" ? source.tables : undefined);
      const dump = await job.step("snapshot", () =>
        source.engine.beginDump(connection, { kind: request.kind, tables, signal: job.signal, progress: watch.progress }),
      );
      try {
        const made = await store(workshop, source, request, { job, dump, tier, startedAt, tables }, watch);
        return { manifest: made, durationMs: Math.round(workshop.clock.monotonicMs() - beganMs), warnings: dump.facts.warnings };
      } finally {
        await dump.end();
      }
    },
    ({ manifest }) => ({ point: manifest.id }),
  );
}

interface Making {
  readonly job: Job;
  readonly dump: Dump;
  readonly tier: Tier | undefined;
  readonly startedAt: Date;
  readonly tables: readonly string[] | undefined;
}

async function store(workshop: Workshop, source: Source, request: BackupRequest, making: Making, watch: Watch): Promise<Manifest> {
  const { job, dump, tier, startedAt, tables } = making;
  const { clock } = workshop;
  const { storage } = workshop.repository;
  const id = makeId(startedAt, clock.randomBytes(ID_RANDOM_BYTES));
  const place: BackupPlace = { source: source.name, folder: backupFolderName(dump.snapshotAt, request.kind, id) };
  const lockUntil = workshop.lockMs === undefined ? undefined : new Date(clock.now().getTime() + workshop.lockMs);
  const storageClass = tier?.storageClass ?? workshop.storageClass;
  const options = { storageClass, lockUntil, signal: job.signal };
  const name = request.name ?? (await freeName(workshop, source, tier, dump.snapshotAt));
  const resource = RESOURCE.backup(source.name, place.folder);
  await job.declare(resource);

  const parts: ManifestPart[] = [];
  // The fingerprint runs beside the dump, from the same snapshot; its failure must stop the dump, so it is awaited with it.
  const fingerprinting = dump.fingerprint();
  fingerprinting.catch(() => undefined); // seen below; here only so that an early failure is no unhandled one
  await job.step(
    "dump",
    async () => {
      for (const part of dump.parts) {
        const bytes = advancing(part.bytes, watch);
        parts.push(await storePart(storage, place, { ...part, bytes }, workshop.sealKey, options));
      }
    },
    { totalBytes: dump.facts.sizeBytes },
  );
  const fingerprint = await job.step("fingerprint", () => fingerprinting);
  parts.push(
    await storePart(
      storage,
      place,
      { name: "fingerprint", content: "fingerprint-json", bytes: oneChunk(JSON.stringify(fingerprint)) },
      workshop.sealKey,
      options,
    ),
  );

  const endedAt = clock.now();
  const manifest: Manifest = {
    format: 1,
    id,
    name,
    source: source.name,
    provider: source.providerName,
    engine: source.engine.name,
    kind: request.kind,
    tables,
    startedAt: startedAt.toISOString(),
    snapshotAt: dump.snapshotAt.toISOString(),
    endedAt: endedAt.toISOString(),
    tiers: tier === undefined ? [] : [tier.tier],
    expiresAt: expectedExpiry(tier === undefined ? [] : [tier.tier], source.policy, dump.snapshotAt)?.toISOString(),
    storageClass,
    reason: request.reason,
    note: request.note,
    madeBy: { user: thisOwner().user, host: thisOwner().host, job: job.id, lifeboat: workshop.lifeboat },
    server: { version: dump.facts.serverVersion, tool: dump.facts.tool },
    sourceBytes: dump.facts.sizeBytes,
    parts,
    recipients: "recipients" in workshop.sealKey ? workshop.sealKey.recipients : ["passphrase"],
    fingerprint: summaryOf(fingerprint, parts),
    notIncluded: dump.notIncluded,
  };
  await job.step("commit", async () => {
    if (request.hold) await mark(storage, source.name, id, { hold: holdNow(workshop, request.reason) });
    await job.assertAlive();
    await commitManifest(storage, place, manifest, lockUntil); // last: a crash before this line leaves garbage, never a false backup
  });
  await job.strike(resource);
  return manifest;
}

export const holdNow = (workshop: Workshop, reason: string | undefined) => ({
  by: `${thisOwner().user}@${thisOwner().host}`,
  at: workshop.clock.now(),
  reason,
});

function tierOf(source: Source, wanted: string | undefined): Tier | undefined {
  if (wanted === undefined) return undefined;
  const tier = source.policy.tiers.find((one) => one.tier === wanted);
  if (tier) return tier;
  const known = source.policy.tiers.map((one) => one.tier).join(", ") || "none";
  throw new LifeboatError("USAGE", `the policy of ${source.name} has no tier ${wanted} (it has: ${known})`);
}

async function freeName(workshop: Workshop, source: Source, tier: Tier | undefined, at: Date): Promise<string> {
  const entries = await workshop.catalog.entries(source.name);
  return renderName(tier?.name ?? NAME_PATTERNS.manual, { at, taken: entries.map(({ point }) => point.name) });
}

function summaryOf(fingerprint: Fingerprint, parts: readonly ManifestPart[]): Manifest["fingerprint"] {
  const tables = Object.values(fingerprint.tables);
  return {
    algorithm: fingerprint.algorithm,
    digest: parts.find((part) => part.name === "fingerprint")?.plain.sha256 ?? "",
    tables: tables.length,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
    unhashed: fingerprint.unhashed.length,
  };
}

async function* oneChunk(text: string): AsyncIterable<Uint8Array> {
  yield new TextEncoder().encode(text);
}
