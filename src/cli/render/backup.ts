// What was made by `backup`, as JSON and as text.
import { formatBytes, formatDuration, formatRate } from "../../core/duration.ts";
import type { Manifest } from "../../core/manifest.ts";
import { shown } from "../../core/visible.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { BackupResult } from "../../operations/backup/backup.ts";
import type { DueResult } from "../../operations/backup/due.ts";
import type { SnapshotResult } from "../../operations/backup/snapshot.ts";
import { renderPosition } from "./base.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

const storedBytes = ({ manifest }: BackupResult): number => manifest.parts.reduce((sum, part) => sum + part.stored.sizeBytes, 0);

export const backupJson = (made: BackupResult) => ({
  id: made.manifest.id,
  name: made.manifest.name,
  source: made.manifest.source,
  kind: made.manifest.kind,
  time: made.manifest.snapshotAt,
  tiers: made.manifest.tiers,
  sizeBytes: storedBytes(made),
  sourceBytes: made.manifest.sourceBytes,
  durationMs: made.durationMs,
  fingerprint: made.manifest.fingerprint,
  base: made.manifest.base,
  notIncluded: made.manifest.notIncluded,
  warnings: made.warnings,
});

export function renderBackup(made: BackupResult, paint: Paint): string {
  const { manifest, durationMs, warnings } = shown(made);
  const { fingerprint } = manifest;
  const plainBytes = manifest.parts.reduce((sum, part) => sum + part.plain.sizeBytes, 0);
  return [
    `${paint.green("✓")} backup ${paint.bold(manifest.name)} of ${manifest.source} is complete`,
    renderFacts(
      [
        ["id", manifest.id],
        ["data of", manifest.snapshotAt],
        ["size", `${formatBytes(storedBytes(made))} sealed, from ${formatBytes(plainBytes)} ${manifest.base ? "copied" : "dumped"}`],
        ["took", `${formatDuration(durationMs)} (${formatRate(plainBytes, durationMs)})`],
        ["fingerprint", fingerprint && renderFingerprint(manifest.engine, fingerprint)],
        ["log", manifest.base && renderPosition(manifest.base)],
        ["expires", manifest.expiresAt ?? "never"],
        ["not included", manifest.notIncluded.map(({ kind: what, object, reason }) => `${what} ${object}: ${reason}`).join("\n")],
        ["warnings", warnings.join("\n")],
      ],
      paint,
    ),
    paint.dim(`next: lifeboat drill ${manifest.source}   (a backup counts when it has been restored)`),
  ].join("\n");
}

export function renderFingerprint(engine: string, { tables, rows, algorithm, digest }: NonNullable<Manifest["fingerprint"]>): string {
  const words = wordsOf(engine);
  return `${counted(tables, words.table)}, ${counted(rows, words.row)}, ${algorithm}:${digest.slice(0, 16)}`;
}

export const snapshotJson = ({ record, durationMs, providerEndsAt }: SnapshotResult) => ({
  id: record.id,
  name: record.name,
  source: record.source,
  kind: "snapshot" as const,
  form: record.form,
  time: record.time,
  tiers: record.rule === undefined ? [] : [record.rule],
  hold: record.hold !== undefined,
  expiresAt: record.expiresAt ?? null,
  providerEndsAt: providerEndsAt ?? null,
  durationMs,
});

export function renderSnapshot(made: SnapshotResult, paint: Paint): string {
  const { record, durationMs, providerEndsAt } = shown(made);
  const held = record.hold && `held by ${record.hold.by} until \`lifeboat release ${record.name}\``;
  return [
    `${paint.green("✓")} ${record.form} ${paint.bold(record.name)} of ${record.source} is made`,
    renderFacts(
      [
        ["id", record.id],
        ["data of", record.time],
        ["took", formatDuration(durationMs)],
        ["reason", record.reason],
        ["note", record.note],
        ["expires", held ?? record.expiresAt ?? "by the policy's rule for points made by hand"],
        ["at the provider", providerEndsAt && `removed on ${providerEndsAt} at the latest: it keeps nothing forever`],
      ],
      paint,
    ),
  ].join("\n");
}

export function renderDue(result: DueResult, paint: Paint): string {
  const { made, failed } = shown(result);
  if (made.length === 0 && failed.length === 0) return "nothing is due";
  return [
    ...made.map(
      ({ source, kind, name, id, tiers }) => `${paint.green("✓")} ${source}: ${kind} ${paint.bold(name)} (${id}) for ${tiers.join(", ")}`,
    ),
    ...failed.flatMap(({ source, what, error }) => [
      `${paint.red("✗")} ${source}: ${what}: ${error.code}  ${error.message}`,
      `    next: ${error.hint}`,
    ]),
  ].join("\n");
}
