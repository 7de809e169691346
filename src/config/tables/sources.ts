// Options of one source: a database under protection.
import { listOf, section } from "../option.ts";
import { oneOf, text } from "../types.ts";
import { durationInSeconds, postgresUrl } from "../types-time.ts";
import { check } from "./checks.ts";

/** The providers this version knows. */
export const PROVIDERS = ["postgres"] as const;

export const objectives = section({
  rto: {
    type: durationInSeconds,
    as: "rtoSeconds",
    help: "Recovery time objective: how long a restore may take. Default for dumps: 1h.",
    example: "15m",
  },
  rpo: {
    type: durationInSeconds,
    as: "rpoSeconds",
    help: "Recovery point objective: how much work, in time, may be lost. Default for dumps: 24h.",
    example: "24h",
  },
});

export const source = section({
  provider: { type: oneOf(PROVIDERS), required: true, help: "Who runs the database." },
  url: {
    type: postgresUrl,
    required: true,
    secret: true,
    help: "Connection string of the database: direct, never through a pooler. Keep the password out of this file.",
    example: "${DATABASE_URL}",
  },
  policy: { type: text, help: "Name of the policy that says when to back up and how long to keep.", example: "standard" },
  objectives: { type: objectives, default: {}, help: "What is promised; drills measure against it." },
  tables: {
    type: listOf(text),
    default: [],
    help: "Only these tables, for every backup of this source; empty: everything.",
    example: "[public.users]",
  },
  checks: { type: listOf(check), default: [], help: "Questions that every drill asks of the restored database." },
  scratch: {
    type: section({
      url: {
        type: postgresUrl,
        secret: true,
        help: "Server to restore into for drills, instead of a throw-away cluster made here. Its user must be able to create databases.",
        example: "${SCRATCH_URL}",
      },
    }),
    default: {},
    help: "Where drills of this source restore to.",
  },
});
