// Options of one source: a database under protection.
import { listOf, section } from "../../core/option.ts";
import { bytes, oneOf, path, text } from "../../core/option-types.ts";
import { databaseUrl, duration, durationInSeconds } from "../types-time.ts";
import { check } from "./checks.ts";
import { PROVIDERS, providerRule } from "./providers.ts";

export const objectives = section({
  rto: {
    type: durationInSeconds,
    as: "rtoSeconds",
    help: "Recovery time objective: how long a restore may take. Default: 15m at Neon, 30m at Atlas, 1h for dumps.",
    example: "15m",
  },
  rpo: {
    type: durationInSeconds,
    as: "rpoSeconds",
    help: "Recovery point objective: how much work, in time, may be lost. Default: 1m at Neon, 5m at Atlas, 24h for dumps.",
    example: "24h",
  },
});

/** Of the two ways to prove oneself to Atlas, the one in the file: the environment then says nothing about the other. */
const ofAccount = (name: string) => ({ option: "provider", names: { atlas: name }, unless: ["publicKey", "privateKey"] }) as const;
const ofKey = (name: string) => ({ option: "provider", names: { atlas: name }, unless: ["clientId", "clientSecret"] }) as const;

export const source = section(
  {
    provider: { type: oneOf(PROVIDERS), required: true, help: "Who runs the database." },
    url: {
      type: databaseUrl,
      secret: true,
      help: "Connection string of the database: for PostgreSQL direct, never through a pooler; for MongoDB with the database to protect, or without one for all. Keep the password out of this file. Needed for `postgres` and `mongodb`.",
      example: "${DATABASE_URL}",
    },
    projectId: { type: text, help: "Id of the Neon project. Needed for `neon`.", example: "${NEON_PROJECT_ID}" },
    apiKey: {
      type: text,
      secret: true,
      env: { option: "provider", names: { neon: "NEON_API_KEY" } },
      help: "API key; one that is limited to the project is enough.",
      example: "${NEON_API_KEY}",
    },
    groupId: { type: text, help: "Id of the Atlas project. Needed for `atlas`.", example: "${ATLAS_GROUP_ID}" },
    cluster: { type: text, help: "Name of the cluster. Needed for `atlas`.", example: "theecopy" },
    clientId: {
      type: text,
      env: ofAccount("ATLAS_CLIENT_ID"),
      help: "Service account of Atlas that settings, snapshots and restores go through.",
    },
    clientSecret: { type: text, secret: true, env: ofAccount("ATLAS_CLIENT_SECRET"), help: "Its secret." },
    publicKey: { type: text, env: ofKey("ATLAS_PUBLIC_KEY"), help: "API key of Atlas, in place of a service account." },
    privateKey: { type: text, secret: true, env: ofKey("ATLAS_PRIVATE_KEY"), help: "Its private half." },
    apiHost: {
      type: text,
      env: { option: "provider", names: { neon: "NEON_API_HOST", atlas: "ATLAS_API_HOST" } },
      help: "Address of the API, where it is not the provider's own.",
      example: "https://console.neon.tech/api/v2",
    },
    user: {
      type: text,
      env: { option: "provider", names: { atlas: "ATLAS_USER" } },
      help: "Database user of the cluster: reads for backups and drills, writes for restores.",
    },
    password: { type: text, secret: true, env: { option: "provider", names: { atlas: "ATLAS_PASSWORD" } }, help: "The user's password." },
    branch: { type: text, help: "Name of the production branch. Default: the project's default branch.", example: "production" },
    database: { type: text, help: "Database in that branch or cluster. Default: at Neon its only one, or the first; at Atlas all." },
    databases: {
      type: listOf(text),
      default: [],
      help: "Only these databases of a MongoDB server or cluster; empty: all, without admin, local and config.",
      example: "[shop, sessions]",
    },
    consistency: {
      type: oneOf(["auto", "snapshot", "oplog", "none"]),
      help: "How a dump of MongoDB is made one instant: by a snapshot of the server, by the oplog that was written meanwhile, or not at all. Default: `auto`, the best that the server offers.",
    },
    scratchTier: {
      type: text,
      help: "Instance size of scratch clusters at Atlas. Default: the smallest that fits the source.",
      example: "M10",
    },
    role: { type: text, help: "Role that connects. Default: the database's owner." },
    plan: {
      type: oneOf(["free", "launch", "scale"]),
      help: "The account's plan, where the API does not tell it: it says what the limits are.",
      example: "launch",
    },
    archive: {
      type: section({
        slot: { type: text, help: "Replication slot of a PostgreSQL's log archive. Default: `lifeboat_` and the source's name." },
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
          help: "How much log a PostgreSQL may keep back before the slot is given up, so that its disk never fills. Default: 8GB.",
          example: "8GB",
        },
      }),
      default: {},
      help: "How the log of a PostgreSQL or MongoDB that you host yourself is archived, for point-in-time recovery.",
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
          type: databaseUrl,
          secret: true,
          help: "Server to restore into for drills, instead of a throw-away cluster made here. Its user must be able to create databases. No cell keeps restored code in there: a server of PostgreSQL needs `scratch.isolation: none` too.",
          example: "${SCRATCH_URL}",
        },
      }),
      default: {},
      help: "Where drills of this source restore to.",
    },
  },
  providerRule,
);
