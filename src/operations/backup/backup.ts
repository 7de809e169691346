// Backup: one snapshot of the source becomes sealed parts, a fingerprint of the same snapshot, and, last of all, a manifest.
import { CHANGE_LIMITS, RECORDED_COLUMNS, RECORDED_TABLES, type TableContent } from "../../core/content.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { BackupKind, Manifest, ManifestPart } from "../../core/manifest.ts";
import { restorePointOf } from "../../core/restore-point.ts";
import type { Tier } from "../../core/tiers.ts";
import type { DumpInProgress } from "../../ports/dump.ts";
import { storePart } from "../../repository/backups.ts";
import { fingerprintBytes } from "../../repository/whole.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { contentReasonsOf } from "../points/content.ts";
import { advancing } from "../recovery/load.ts";
import { type BackupRequest, type BackupResult, beginDraft, checkRequest, commitDraft } from "./backup-frame.ts";
import { storeBase } from "./base-backup.ts";

export type { BackupRequest, BackupResult } from "./backup-frame.ts";

/** Makes a backup. Two at once on one source: LEASE_HELD. After any failure no restore point is left, nor anything else. */
export async function backup(context: Context, source: Source, request: BackupRequest, watch: Watch): Promise<BackupResult> {
  const tiers = checkRequest(source, request);
  const beganMs = context.clock.monotonicMs();
  return runJob(
    context,
    { verb: "backup", source: source.name, exclusive: true, confirm: request.confirm },
    watch,
    async (job) => {
      const making = { job, tiers, startedAt: context.clock.now() };
      const { kind } = request;
      const made =
        kind === "base"
          ? await storeBase(context, source, request, making, watch)
          : await storeDump(context, source, { ...request, kind }, making, watch);
      return { ...made, durationMs: Math.round(context.clock.monotonicMs() - beganMs) };
    },
    ({ manifest }) => ({ point: manifest.id }),
  );
}

interface Making {
  readonly job: Job;
  readonly tiers: readonly Tier[];
  readonly startedAt: Date;
}

type DumpRequest = BackupRequest & { readonly kind: Exclude<BackupKind, "base"> };

async function storeDump(
  context: Context,
  source: Source,
  request: DumpRequest,
  making: Making,
  watch: Watch,
): Promise<Omit<BackupResult, "durationMs">> {
  const { job } = making;
  const connection = await source.provider.connection({ signal: job.signal });
  const tables = request.tables ?? (request.kind === "tables" ? source.tables : undefined);
  const { rolePasswords } = request;
  const dump = await job.step("snapshot", () =>
    source.engine
      .beginDump(connection, { kind: request.kind, tables, rolePasswords, signal: job.signal, progress: watch.progress })
      .catch((error: unknown) =>
        Promise.reject(tables !== undefined && tables === source.tables ? ofConfiguredTables(error, source) : error),
      ),
  );
  try {
    const draft = await beginDraft(context, source, request, { ...making, at: dump.snapshotAt });
    const store = (part: Parameters<typeof storePart>[2]) =>
      storePart(context.repository.storage, draft.place, part, context.sealKey, draft.storing);
    const { fingerprint, parts } = await storeParts(dump, job, watch, store);
    const { facts, snapshotAt, notIncluded, consistency } = dump;
    const log = dump.logSpan?.();
    const content = request.kind === "schema" ? undefined : await contentOf(fingerprint, dump);
    const made = { facts, snapshotAt, notIncluded, consistency, log, parts, tables, fingerprint: summaryOf(fingerprint, parts), content };
    const manifest = await commitDraft(context, source, request, draft, job, made);
    const lost = contentReasonsOf(source, [...draft.before, { manifest, point: restorePointOf(manifest) }], manifest);
    return { manifest, warnings: [...facts.warnings, ...lost.map(({ message }) => message)] };
  } finally {
    await dump.end();
  }
}

/** The configuration names these tables: one that is missing, or not a name, is a failure of the backup and not of the command. */
export function ofConfiguredTables(error: unknown, source: Source): unknown {
  if (!isLifeboatError(error, "TABLE_UNKNOWN") && !isLifeboatError(error, "USAGE")) return error;
  return new LifeboatError("CONFIG_INVALID", `sources.${source.name}.tables: ${error.message}`, { cause: error });
}

async function storeParts(
  dump: DumpInProgress,
  job: Job,
  watch: Watch,
  store: (part: Parameters<typeof storePart>[2]) => Promise<ManifestPart>,
): Promise<{ fingerprint: Fingerprint; parts: ManifestPart[] }> {
  const parts: ManifestPart[] = [];
  // The fingerprint runs beside the dump, from the same snapshot; its failure must stop the dump, so it is awaited with it.
  const fingerprinting = dump.fingerprint();
  fingerprinting.catch(() => undefined); // seen below; here only so that an early failure is not an unhandled rejection
  await job.step(
    "dump",
    async () => {
      for (const part of dump.parts) parts.push(await store({ ...part, bytes: advancing(part.bytes, watch) }));
    },
    { totalBytes: dump.facts.sizeBytes },
  );
  const fingerprint = await job.step("fingerprint", () => fingerprinting);
  parts.push(await store({ name: "fingerprint", content: "fingerprint-json", bytes: oneChunk(fingerprintBytes(fingerprint)) }));
  return { fingerprint, parts };
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

/** What is recorded of the largest tables. Statistics are a courtesy of the server: without them rows alone are compared. */
async function contentOf({ tables }: Fingerprint, dump: DumpInProgress): Promise<TableContent[]> {
  const largest = Object.entries(tables)
    .map(([table, { rows }]) => ({ table, rows }))
    .sort((a, b) => b.rows - a.rows || (a.table < b.table ? -1 : 1))
    .slice(0, RECORDED_TABLES);
  const judged = new Map(largest.filter(({ rows }) => rows >= CHANGE_LIMITS.rows).map(({ table, rows }) => [table, rows]));
  const distinct = await dump.distinct?.(judged).catch(() => undefined);
  let columns = 0;
  return largest.map((one) => {
    const values = distinct?.get(one.table);
    columns += values === undefined ? 0 : Object.keys(values).length;
    return values === undefined || columns > RECORDED_COLUMNS ? one : { ...one, distinct: values };
  });
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
