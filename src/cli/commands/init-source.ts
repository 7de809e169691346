// The first source of a new configuration, as `init` writes it: by who runs the database, which the environment often tells.

type Env = Readonly<Record<string, string | undefined>>;

export const INIT_PROVIDERS = ["postgres", "mongodb", "neon", "atlas"] as const;
export type InitProvider = (typeof INIT_PROVIDERS)[number];

/** By the connection string where there is one, else by the variables of a provider. */
export function guessProvider(env: Env, variable: string): InitProvider {
  const url = env[variable];
  if (url) return /^mongodb(\+srv)?:\/\//.test(url) ? "mongodb" : "postgres";
  if (env.ATLAS_GROUP_ID || env.ATLAS_CLIENT_ID || env.ATLAS_PUBLIC_KEY) return "atlas";
  return env.NEON_PROJECT_ID ? "neon" : "postgres";
}

interface Template {
  /** Whether it is reached by a connection string in a variable. */
  readonly byUrl: boolean;
  /** Options of the source that say where it is. */
  place(variable: string): readonly string[];
  readonly checks: readonly string[];
  readonly policy: readonly string[];
  readonly objectives: string;
  /** What to put into the environment before anything else. */
  next(variable: string): string;
}

const SQL_CHECKS = [
  "{ table: users, rows: { min: 1 } }",
  "{ table: orders, newest: created_at, within: 1d }",
  '{ sql: "select count(*) > 0 from projects" }',
];
const collectionChecks = (database = ""): string[] => [
  `{ collection: ${database}users, rows: { min: 1 } }`,
  `{ collection: ${database}orders, newest: createdAt, within: 1d }`,
  `{ collection: ${database}projects, aggregate: '[{ "$count": "n" }, { "$project": { "ok": { "$gt": ["$n", 0] } } }]' }`,
];
const DUMPS = ["backups:", '  - { tier: daily, cron: "0 2 * * *", keep: 30d }', '  - { tier: weekly, cron: "0 2 * * 0", keep: 90d }'];

const TEMPLATES: Readonly<Record<InitProvider, Template>> = {
  postgres: {
    byUrl: true,
    place: (variable) => [`url: \${${variable}}`],
    checks: SQL_CHECKS,
    policy: DUMPS,
    objectives: "{ rto: 1h, rpo: 24h }",
    next: (variable) => `export ${variable}=postgres://…`,
  },
  mongodb: {
    byUrl: true,
    place: (variable) => [`url: \${${variable}}`],
    checks: collectionChecks(),
    policy: DUMPS,
    objectives: "{ rto: 1h, rpo: 24h }",
    next: (variable) => `export ${variable}=mongodb://…/DATABASE`,
  },
  neon: {
    byUrl: false,
    place: () => [`projectId: \${NEON_PROJECT_ID}`, `apiKey: \${NEON_API_KEY}`],
    checks: SQL_CHECKS,
    policy: ["window: 30d", "protect: true", "snapshots:", '  - { name: "backup-{date}", cron: "0 0 * * *", keep: 30d }'],
    objectives: "{ rto: 15m, rpo: 1m }",
    next: () => "export NEON_PROJECT_ID=… NEON_API_KEY=…",
  },
  atlas: {
    byUrl: false,
    // Keys and the database user come from the environment by themselves. Without \`database\` the source is all of the cluster's
    // databases, and a check that names none could not be asked of any.
    place: () => [`groupId: \${ATLAS_GROUP_ID}`, `cluster: \${ATLAS_CLUSTER}`],
    checks: collectionChecks("shop."),
    policy: [
      "window: 48h",
      "protect: true",
      "snapshots:",
      '  - { name: "daily-{date}", cron: "0 0 * * *", keep: 30d }',
      '  - { name: "weekly-{date}", cron: "0 0 * * 0", keep: 12w }',
      '  - { name: "monthly-{month}", cron: "0 0 1 * *", keep: 12mo }',
    ],
    objectives: "{ rto: 30m, rpo: 5m }",
    next: () => "export ATLAS_GROUP_ID=… ATLAS_CLUSTER=… ATLAS_CLIENT_ID=… ATLAS_CLIENT_SECRET=… ATLAS_USER=… ATLAS_PASSWORD=…",
  },
};

export const isByUrl = (provider: InitProvider): boolean => TEMPLATES[provider].byUrl;
export const nextOf = (provider: InitProvider, variable: string): string => TEMPLATES[provider].next(variable);

/** `sources` and `policies` of the file. */
export function sourceYaml(name: string, provider: InitProvider, variable: string): string {
  const { place, checks, policy, objectives } = TEMPLATES[provider];
  return `sources:
  ${name}:
    provider: ${provider}
${place(variable)
  .map((line) => `    ${line}`)
  .join("\n")}
    policy: standard
    objectives: ${objectives}
    checks: []
    # checks:
${checks.map((line) => `    #   - ${line}`).join("\n")}
policies:
  standard:
${policy.map((line) => `    ${line}`).join("\n")}
`;
}
