// lifeboat backup SOURCE
import { listOf } from "../../config/option.ts";
import { flag, oneOf, text } from "../../config/types.ts";
import { formatBytes, formatDuration, formatRate } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { backup } from "../../operations/backup.ts";
import { defineCommand } from "../command.ts";
import { renderFacts } from "../render/table.ts";
import { sourceNamed, withWorkshop } from "../session.ts";

export const backupCommand = defineCommand({
  description:
    "Dumps the source from one snapshot, fingerprints the same snapshot, and seals both on their way to the repository: compressed, encrypted, checksummed, without a local copy. The manifest is written last, so a backup that failed is no backup.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    kind: {
      type: oneOf(["full", "data", "schema", "tables"]),
      default: "full",
      value: "KIND",
      help: "What it takes: everything, rows only, definitions only, or chosen tables.",
    },
    tables: { type: listOf(text), value: "A,B", help: "Tables or patterns, for `--kind tables` (which it implies)." },
    name: { type: text, value: "NAME", help: "Name of the restore point. Default: by the policy's pattern." },
    tier: {
      type: text,
      value: "TIER",
      help: "Tier of the policy it is made for, as in a cron line: it gives name, storage class and expiry.",
    },
    reason: { type: text, value: "TEXT", help: "Why it is made.", example: '"pre-migration, schema v1.5"' },
    note: { type: text, value: "TEXT", help: "Anything a reader should know." },
    hold: { type: flag, help: "Put it on hold at once: it never expires until released." },
  },
  json: true,
  examples: [
    "lifeboat backup shop",
    'lifeboat backup shop --reason "pre-migration, schema v1.5" --hold',
    "lifeboat backup shop --tables users,orders",
  ],
  async run(context) {
    const { options, args } = context;
    return withWorkshop(context, async (workshop, watch) => {
      const source = sourceNamed(workshop, args.source);
      const configured = source.tables !== undefined && options.kind === "full";
      const kind = options.tables !== undefined || configured ? "tables" : options.kind;
      const { manifest, durationMs, warnings } = await backup(workshop, source, { ...options, kind }, watch);
      const sizeBytes = manifest.parts.reduce((sum, part) => sum + part.stored.sizeBytes, 0);
      const { fingerprint, sourceBytes } = manifest;
      const value = {
        id: manifest.id,
        name: manifest.name,
        source: manifest.source,
        kind,
        time: manifest.snapshotAt,
        sizeBytes,
        sourceBytes,
        durationMs,
        fingerprint,
        notIncluded: manifest.notIncluded,
        warnings,
      };
      const { paint } = context;
      const plainBytes = manifest.parts.reduce((sum, part) => sum + part.plain.sizeBytes, 0);
      context.emit(value, () =>
        [
          `${paint.green("✓")} backup ${paint.bold(manifest.name)} of ${manifest.source} is complete`,
          renderFacts(
            [
              ["id", manifest.id],
              ["data of", manifest.snapshotAt],
              ["size", `${formatBytes(sizeBytes)} sealed, from ${formatBytes(plainBytes)} dumped`],
              ["took", `${formatDuration(durationMs)} (${formatRate(plainBytes, durationMs)})`],
              [
                "fingerprint",
                fingerprint &&
                  `${fingerprint.tables} tables, ${fingerprint.rows} rows, ${fingerprint.algorithm}:${fingerprint.digest.slice(0, 16)}`,
              ],
              ["expires", manifest.expiresAt ?? "never"],
              ["not included", manifest.notIncluded.map(({ kind: what, object, reason }) => `${what} ${object}: ${reason}`).join("\n")],
              ["warnings", warnings.join("\n")],
            ],
            paint,
          ),
          paint.dim(`next: lifeboat drill ${manifest.source}   (a backup counts when it has been restored)`),
        ].join("\n"),
      );
      return EXIT.done;
    });
  },
});
