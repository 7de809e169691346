// Options of one source: a database under protection.
import { listOf, section } from "../option.ts";
import { bytes, oneOf, path, text } from "../types.ts";
import { duration, durationInSeconds, postgresUrl } from "../types-time.ts";
import { check } from "./checks.ts";

/** The providers this version knows. */
export const PROVIDERS = ["postgres", "neon"] as const;

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

/** What each provider needs to be reached. The options of another provider are refused: they would do nothing. */
const REACHED_BY: Readonly<Record<(typeof PROVIDERS)[number], { readonly needs: readonly string[]; readonly knows: readonly string[] }>> = {
  postgres: { needs: ["url"], knows: ["archive"] },
  neon: { needs: ["projectId"], knows: ["apiKey", "apiHost", "branch", "database", "role", "plan"] },
};

function providerRule(written: Readonly<Record<string, unknown>>, keys: readonly string[]): string | undefined {
  const provider = PROVIDERS.find((one) => one === written.provider);
  if (provider === undefined) return undefined;
  const { needs, knows } = REACHED_BY[provider];
  const missing = needs.find((key) => written[key] === undefined);
  if (missing !== undefined) return `provider ${provider} needs ${missing}`;
  const others = Object.values(REACHED_BY).flatMap((one) => [...one.needs, ...one.knows]);
  const foreign = keys.find((key) => others.includes(key) && !needs.includes(key) && !knows.includes(key));
  return foreign === undefined ? undefined : `provider ${provider} has no use for ${foreign}: remove it`;
}

export const source = section(
  {
    provider: { type: oneOf(PROVIDERS), required: true, help: "Who runs the database." },
    url: {
      type: postgresUrl,
      secret: true,
      help: "Connection string of the database: direct, never through a pooler. Keep the password out of this file. Needed for `postgres`.",
      example: "${DATABASE_URL}",
    },
    projectId: { type: text, help: "Id of the Neon project. Needed for `neon`.", example: "${NEON_PROJECT_ID}" },
    apiKey: {
      type: text,
      secret: true,
      env: "NEON_API_KEY",
      help: "API key; one that is limited to the project is enough.",
      example: "${NEON_API_KEY}",
    },
    apiHost: {
      type: text,
      env: "NEON_API_HOST",
      help: "Address of the API, where it is not the provider's own.",
      example: "https://console.neon.tech/api/v2",
    },
    branch: { type: text, help: "Name of the production branch. Default: the project's default branch.", example: "production" },
    database: { type: text, help: "Database in that branch. Default: its only one, or the first." },
    role: { type: text, help: "Role that connects. Default: the database's owner." },
    plan: {
      type: oneOf(["free", "launch", "scale"]),
      help: "The account's plan, where the API does not tell it: it says what the limits are.",
      example: "launch",
    },
    archive: {
      type: section({
        slot: { type: text, help: "Replication slot of the log archive. Default: `lifeboat_` and the source's name." },
        directory: {
          type: path,
          help: "Folder for log that was received and not yet stored; it must survive restarts. Default: under the state directory.",
        },
        partialEvery: {
          type: duration,
          as: "partialEveryMs",
          help: "How often log that fills no segment yet is stored. Default: half of the RPO, at most a minute.",
          example: "30s",
        },
        maxBehind: {
          type: bytes,
          as: "maxBehindBytes",
          help: "How much log the source may keep back before the slot is given up, so that its disk never fills. Default: 8GB.",
          example: "8GB",
        },
      }),
      default: {},
      help: "How the log of a PostgreSQL that you host yourself is archived, for point-in-time recovery.",
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
  },
  providerRule,
);
