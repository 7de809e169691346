// What `backup` made, as text.
import type * as z from "zod/mini";
import { formatBytes, formatDuration, formatRate } from "../../core/duration.ts";
import type { Manifest } from "../../core/manifest.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { backup } from "../../operations/verbs/backup.ts";
import { renderPosition } from "./base.ts";
import type { Paint } from "./paint.ts";
import { renderFacts } from "./table.ts";

type Made = z.infer<typeof backup.result>["made"][number];

export const renderMade = (made: Made, paint: Paint): string =>
  made.kind === "snapshot" ? renderSnapshot(made, paint) : renderBackup(made, paint);

function renderBackup(made: Made, paint: Paint): string {
  const { fingerprint, base, plainBytes, sizeBytes, seconds } = made;
  const tookMs = seconds * 1000;
  return [
    `${paint.green("✓")} backup ${paint.bold(made.name)} of ${made.source} is complete`,
    renderFacts(
      [
        ["id", made.id],
        ["data of", made.time],
        ["size", `${formatBytes(sizeBytes ?? 0)} sealed, from ${formatBytes(plainBytes ?? 0)} ${base === null ? "dumped" : "copied"}`],
        ["took", `${formatDuration(tookMs)} (${formatRate(plainBytes ?? 0, tookMs)})`],
        ["fingerprint", fingerprint === null ? undefined : renderFingerprint(made.engine, fingerprint)],
        ["log", base === null ? undefined : renderPosition(base)],
        ["tiers", made.tiers.join(", ")],
        ["expires", made.expiresAt ?? "never"],
        ["not included", made.notIncluded.map(({ kind: what, object, reason }) => `${what} ${object}: ${reason}`).join("\n")],
        ["warnings", made.warnings.join("\n")],
      ],
      paint,
    ),
    paint.dim(`next: lifeboat drill ${made.source}   (a backup counts when it has been restored)`),
  ].join("\n");
}

function renderSnapshot(made: Made, paint: Paint): string {
  const expires = made.held ? `on hold until \`lifeboat release ${made.name}\`` : made.expiresAt;
  return [
    `${paint.green("✓")} ${made.form} ${paint.bold(made.name)} of ${made.source} is made`,
    renderFacts(
      [
        ["id", made.id],
        ["data of", made.time],
        ["took", formatDuration(made.seconds * 1000)],
        ["tiers", made.tiers.join(", ")],
        ["reason", made.reason ?? undefined],
        ["note", made.note ?? undefined],
        ["expires", expires ?? "by the policy's rule for points made by hand"],
        ["at the provider", made.providerEndsAt === null ? undefined : `removed on ${made.providerEndsAt} at the latest`],
      ],
      paint,
    ),
  ].join("\n");
}

export function renderFingerprint(engine: string, { tables, rows, algorithm, digest }: NonNullable<Manifest["fingerprint"]>): string {
  const words = wordsOf(engine);
  return `${counted(tables, words.table)}, ${counted(rows, words.row)}, ${algorithm}:${digest.slice(0, 16)}`;
}
