// Options of one policy: when sources are backed up, and how long backups are kept.
import { CHANGE_LIMITS } from "../../core/content.ts";
import { listOf, section } from "../../core/option.ts";
import { atMost, cron, duration, flag, integer, keep, namePattern, oneOf, text, timeZone } from "../../core/option-types.ts";

export const tier = section({
  tier: { type: text, required: true, help: "Name of the tier.", example: "daily" },
  cron: { type: cron, required: true, help: "When its backups are due, in `timeZone`.", example: '"0 2 * * *"' },
  keep: { type: keep, required: true, help: "How long a backup of this tier is kept.", example: "30d" },
  storageClass: { type: text, help: "Storage class of this tier's backups.", example: "GLACIER" },
  name: { type: namePattern, help: "Name pattern of its backups.", example: '"backup-{date}"' },
});

export const snapshot = section({
  name: { type: namePattern, required: true, help: "Name pattern of these snapshots.", example: '"backup-{date}"' },
  cron: { type: cron, required: true, help: "When they are due, in `timeZone`.", example: '"0 0 * * *"' },
  keep: { type: keep, required: true, help: "How long one is kept.", example: "30d" },
  by: {
    type: oneOf(["branch", "snapshot", "provider"]),
    help: "Made by us as a branch, made by us as a snapshot of the provider's own, or made by the provider's own schedule, which `apply` sets. Default: what the provider does best.",
  },
});

export const policy = section({
  window: {
    type: duration,
    as: "windowMs",
    help: "How far back any instant can be restored: at the provider, or by base backups and the log archive.",
    example: "30d",
  },
  base: {
    type: cron,
    help: "When base backups of a PostgreSQL that you host yourself are due, in `timeZone`, where `window` is set. Default: every Sunday at 03:00; the first one at once.",
    example: '"0 3 * * 0"',
  },
  expire: {
    type: cron,
    help: "When `tick` removes the restore points that have expired, in `timeZone`. Default: daily at 04:00.",
    example: '"0 4 * * *"',
  },
  timeZone: {
    type: timeZone,
    help: "Time zone of the schedules of this policy. Those that the provider's own schedule carries out stay in UTC. Default: UTC.",
    example: "Europe/Berlin",
  },
  jitter: {
    type: atMost("30m"),
    as: "jitterMs",
    help: "Spreads what is due at one time over this long: each source begins at its own, always equal, delay after the slot. At most 30m. Default: no delay.",
    example: "10m",
  },
  protect: { type: flag, help: "Keep the production branch protected, or the cluster from being terminated." },
  encryptionProvider: {
    type: oneOf(["aws", "azure", "gcp"]),
    help: "Who keeps the key of the data at rest, where the provider lets you choose.",
    example: "aws",
  },
  snapshots: { type: listOf(snapshot), default: [], help: "Points that the provider holds, made on a schedule." },
  preDeploy: {
    type: section({
      name: { type: namePattern, default: "pre-deploy-{feature}", help: "Name pattern." },
      keep: { type: keep, default: "7d", help: "How long one is kept after its deployment succeeded; one that failed keeps its snapshot." },
      by: {
        type: oneOf(["branch", "snapshot"]),
        help: "As a branch where the provider has them, or as a snapshot of the provider's own. Default: a branch where it has them.",
      },
    }),
    default: {},
    help: "Snapshots taken before a deployment.",
  },
  backups: { type: listOf(tier), default: [], help: "Tiers, warmest first; one backup can serve several." },
  changes: {
    type: section({
      percent: {
        type: integer(1),
        default: CHANGE_LIMITS.percent,
        help: "Share of its rows, in percent, whose loss is out of proportion once three backups have recorded the table.",
      },
      rows: { type: integer(1), default: CHANGE_LIMITS.rows, help: "A table that never held as many rows is not judged." },
      ignore: { type: listOf(text), default: [], help: "Tables that are not judged.", example: "[public.sessions]" },
    }),
    default: {},
    help: "When a table that lost rows from one backup to the next raises `TABLE_EMPTIED`, which freezes expiry.",
  },
  keepManual: {
    type: keep,
    default: "forever",
    help: "How long backups made by hand are kept. A provider that keeps no snapshot `forever` keeps it ten years, and the command says so.",
    example: "90d",
  },
});
