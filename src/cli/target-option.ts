// The options that say what is to be restored, and that show its plan first; `core/recovery-target.ts` reads it.
import { flag, integer, text } from "../core/option-types.ts";

export const recoveryTarget = {
  type: text,
  value: "TARGET",
  help: 'Recovery target: `latest`; a time (2026-11-28T14:25:00Z, "2026-11-28 14:25", 14:25, "yesterday 14:25"; without a zone, in `timeZone` of the configuration or of this machine); how long ago (5m, "5 minutes ago"); "10m before 14:30"; a position in the log (LSN, or seconds and increment of an oplog: everything before it); or the name or id of a restore point. Default: `latest`.',
} as const;

export const timeline = {
  type: integer(1),
  value: "N",
  help: "The timeline of PostgreSQL's WAL, where a failover that lost commits left the target on two. `latest` is on the newest.",
} as const;

/** The options that look at a plan first, and require it afterwards. */
export const planOptions = {
  plan: { type: flag, help: "Say what would be done, and do nothing." },
  planDigest: {
    type: text,
    value: "DIGEST",
    help: "Do it only when its plan still has this digest, which --plan prints; PLAN_CHANGED otherwise. The first 12 digits will do.",
  },
} as const;
