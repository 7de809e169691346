// Options of one policy: when sources are backed up, and how long backups are kept.
import { listOf, section } from "../option.ts";
import { text } from "../types.ts";
import { cron, keep, namePattern } from "../types-time.ts";

export const tier = section({
  tier: { type: text, required: true, help: "Name of the tier.", example: "daily" },
  cron: { type: cron, required: true, help: "When its backups are due, in UTC.", example: '"0 2 * * *"' },
  keep: { type: keep, required: true, help: "How long a backup of this tier is kept.", example: "30d" },
  storageClass: { type: text, help: "Storage class of this tier's backups.", example: "GLACIER" },
  name: { type: namePattern, help: "Name pattern of its backups.", example: '"backup-{date}"' },
});

export const policy = section({
  backups: { type: listOf(tier), default: [], help: "Tiers, warmest first; one backup can serve several." },
  keepManual: {
    type: keep,
    default: "forever",
    help: "How long backups made by hand are kept.",
    example: "90d",
  },
});
