// MongoDB Atlas: clusters with snapshots and continuous backup, through its Administration API.
import type { Values } from "../../core/option.ts";
import { text } from "../../core/option-types.ts";
import { collectionChecks, MONGODB, MONGODB_OPTIONS } from "../../engines/mongodb/index.ts";
import { defineProvider } from "../../ports/descriptor.ts";

const HOUR_MS = 3_600_000;
const ACCOUNT = ["clientId", "clientSecret"] as const;
const API_KEY = ["publicKey", "privateKey"] as const;

const options = {
  groupId: { type: text, required: true, help: "Id of the project.", example: "${ATLAS_GROUP_ID}" },
  cluster: { type: text, required: true, help: "Name of the cluster.", example: "theecopy" },
  clientId: {
    type: text,
    env: "ATLAS_CLIENT_ID",
    envUnless: API_KEY,
    help: "Service account that settings, snapshots and restores go through.",
  },
  clientSecret: { type: text, secret: true, env: "ATLAS_CLIENT_SECRET", envUnless: API_KEY, help: "Its secret." },
  publicKey: { type: text, env: "ATLAS_PUBLIC_KEY", envUnless: ACCOUNT, help: "API key, in place of a service account." },
  privateKey: { type: text, secret: true, env: "ATLAS_PRIVATE_KEY", envUnless: ACCOUNT, help: "Its private half." },
  apiHost: {
    type: text,
    env: "ATLAS_API_HOST",
    help: "Address of the API, where it is not Atlas's own.",
    example: "https://cloud.mongodb.com",
  },
  user: {
    type: text,
    env: "ATLAS_USER",
    help: "Database user of the cluster: reads for backups and drills, writes for restores.",
  },
  password: { type: text, secret: true, env: "ATLAS_PASSWORD", help: "The user's password." },
  scratchTier: {
    type: text,
    help: "Instance size of scratch clusters. Default: the smallest that fits the source.",
    example: "M10",
  },
} as const;

const engineOptions = {
  database: { type: text, help: "Database in the cluster. Default: all." },
  ...MONGODB_OPTIONS,
} as const;

export const atlas = defineProvider({
  name: "atlas",
  engine: MONGODB,
  engineOptions,
  options,
  rule(values, keys) {
    if (values.database !== undefined && Array.isArray(values.databases) && values.databases.length > 0)
      return { path: ["databases"], message: "database and databases are two answers to one question: keep one" };
    const pairs = [ACCOUNT, API_KEY];
    // A key is two halves, and one key is enough.
    for (const pair of pairs) {
      const [half] = pair.filter((key) => values[key] !== undefined);
      const other = pair.find((key) => values[key] === undefined);
      if (half !== undefined && other !== undefined && keys.includes(half)) return `${half} needs ${other} beside it`;
    }
    return pairs.every((pair) => pair.some((key) => keys.includes(key)))
      ? "a service account (clientId) and an API key (publicKey) are two answers to one question: keep one"
      : undefined;
  },
  managed: true,
  archives: false,
  scratchHere: false,
  objectives: { rtoSeconds: 30 * 60, rpoSeconds: 5 * 60 },
  windowMs: 48 * HOUR_MS,
  pointsBy: "provider",
  form: "snapshot",
  cannotMake: ["branch"],
  init: {
    byUrl: false,
    variables: ["ATLAS_GROUP_ID", "ATLAS_CLIENT_ID", "ATLAS_PUBLIC_KEY"],
    // Keys and the database user come from the environment by themselves. Without `database` the source is all of the cluster's
    // databases, and a check that names none could not be asked of any.
    place: () => ["groupId: ${ATLAS_GROUP_ID}", "cluster: ${ATLAS_CLUSTER}"],
    checks: collectionChecks("shop."),
    policy: [
      "window: 48h",
      "protect: true",
      "snapshots:",
      '  - { name: "daily-{date}", cron: "0 0 * * *", keep: 30d }',
      '  - { name: "weekly-{date}", cron: "0 0 * * 0", keep: 12w }',
      '  - { name: "monthly-{month}", cron: "0 0 1 * *", keep: 12mo }',
    ],
    next: () => "export ATLAS_GROUP_ID=… ATLAS_CLUSTER=… ATLAS_CLIENT_ID=… ATLAS_CLIENT_SECRET=… ATLAS_USER=… ATLAS_PASSWORD=…",
  },
  async load() {
    const [{ createAtlasProvider }, { openMongoEngine }] = await Promise.all([
      import("./provider.ts"),
      import("../../engines/mongodb/engine.ts"),
    ]);
    return {
      makeProvider({
        options: { clientId, clientSecret, publicKey, privateKey, ...own },
        engineOptions: { database },
        scratch,
        desired,
        clock,
      }) {
        const credentials = credentialsOf({ clientId, clientSecret, publicKey, privateKey });
        const timeouts = isHere(own.apiHost) ? AT_ONCE : undefined;
        return createAtlasProvider({ ...own, credentials, database, scratch, desired, clock, timeouts });
      },
      makeEngine: ({ engineOptions: { database, databases, consistency } }) =>
        openMongoEngine({ databases: databases.length > 0 ? databases : undefined, several: database === undefined, consistency }),
    };
  },
});

type Credentials = Pick<Values<typeof options>, "clientId" | "clientSecret" | "publicKey" | "privateKey">;

/** Undefined: neither pair is whole, and the first request says so. */
function credentialsOf({ clientId, clientSecret, publicKey, privateKey }: Credentials) {
  if (publicKey !== undefined && privateKey !== undefined) return { publicKey, privateKey };
  return clientId === undefined || clientSecret === undefined ? undefined : { clientId, clientSecret };
}

/** An API on this machine is a sandbox: its work takes moments, and its copy of the log is never behind. */
const isHere = (apiHost: string | undefined): boolean => /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/.test(apiHost ?? "");
const AT_ONCE = { pollMs: 100, lagMs: 0 };
