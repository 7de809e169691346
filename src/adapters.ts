// Which adapter stands behind each provider: how its code is loaded, what it is made from, and what it does where a policy does not say.
import type { Config } from "./config/load.ts";
import type { SourceConfig } from "./config/tables/root.ts";
import { LifeboatError } from "./core/errors.ts";
import type { SnapshotPolicy, SnapshotRule } from "./operations/context.ts";
import type { Clock } from "./ports/clock.ts";
import type { Engine } from "./ports/engine.ts";
import type { Provider } from "./ports/provider.ts";

/** What an adapter is made from. */
export interface Wiring {
  /** Of the source. */
  readonly name: string;
  readonly config: Config;
  readonly source: SourceConfig;
  readonly clock: Clock;
  readonly snapshots: SnapshotPolicy;
  readonly windowMs: number | undefined;
  readonly encryptionProvider: "aws" | "azure" | "gcp" | undefined;
}

export interface ProviderAdapter {
  /** It has a control plane of its own. */
  readonly managed: boolean;
  /** The log of its sources can be archived into the repository. */
  readonly archives: boolean;
  /** Drills of its backups run on a server made on this machine, where none is named. */
  readonly scratchHere: boolean;
  /** How far back any instant is to be reachable when the policy does not say (R1, R14). */
  readonly windowMs?: number;
  /** How a point of the policy is made where its rule does not say. */
  readonly pointsBy: SnapshotRule["by"];
  /** How one made by us is made where nobody says. */
  readonly form: "branch" | "snapshot";
  /** CONFIG_INVALID for text that is not an address of such a server; connects to nothing. Absent: it is not reached by one. */
  readAddress?(url: string): Promise<void>;
  /** Loads the adapter's code, which only who uses it should wait for; what it gives makes the provider when first used. */
  load(): Promise<{ makeProvider(wiring: Wiring): Provider; makeEngine(wiring: Wiring): Engine }>;
}

const HOUR_MS = 3_600_000;
const AT_OURSELVES = { managed: false, archives: true, scratchHere: true, pointsBy: "snapshot", form: "snapshot" } as const;

export const PROVIDERS: Readonly<Record<SourceConfig["provider"], ProviderAdapter>> = {
  postgres: {
    ...AT_OURSELVES,
    async readAddress(url) {
      (await import("./engines/postgres/connect/url.ts")).connectionFromUrl(url);
    },
    async load() {
      const { createPostgresProvider } = await import("./providers/postgres/provider.ts");
      const makeProvider = ({ config, source }: Wiring) => createPostgresProvider({ url: source.url ?? "", ...scratchOf(config, source) });
      return { makeProvider, ...(await postgresEngine()) };
    },
  },
  neon: {
    managed: true,
    archives: false,
    scratchHere: true,
    windowMs: 30 * 24 * HOUR_MS,
    pointsBy: "branch",
    form: "branch",
    async load() {
      const { createNeonProvider } = await import("./providers/neon/provider.ts");
      const makeProvider = ({ name, config, source, clock, snapshots, windowMs }: Wiring) =>
        createNeonProvider({
          projectId: source.projectId ?? "",
          apiKey: needed(name, source.apiKey, "the API key", "apiKey in the source, or the variable NEON_API_KEY"),
          apiHost: source.apiHost,
          branch: source.branch,
          database: source.database,
          role: source.role,
          plan: source.plan,
          desired: { windowMs, protect: snapshots.protect, rules: snapshots.rules, names: [snapshots.preDeploy.name] },
          clock,
          ...scratchOf(config, source),
        });
      return { makeProvider, ...(await postgresEngine()) };
    },
  },
  mongodb: {
    ...AT_OURSELVES,
    async readAddress(url) {
      (await import("./engines/mongodb/connect/url.ts")).connectionFromUrl(url);
    },
    async load() {
      const { createMongodbProvider } = await import("./providers/mongodb/provider.ts");
      const makeProvider = ({ config: { scratch, tools }, source }: Wiring) =>
        createMongodbProvider({
          url: source.url ?? "",
          scratch: lazily({ directory: scratch.directory, user: scratch.user }, { url: () => source.scratch.url }),
          tools: tools.mongodb,
        });
      return { makeProvider, ...(await mongodbEngine()) };
    },
  },
  atlas: {
    managed: true,
    archives: false,
    scratchHere: false,
    windowMs: 48 * HOUR_MS,
    pointsBy: "provider",
    form: "snapshot",
    async load() {
      const { createAtlasProvider } = await import("./providers/atlas/provider.ts");
      const makeProvider = ({ name, source, clock, snapshots, windowMs, encryptionProvider }: Wiring) =>
        createAtlasProvider(
          lazily(
            {
              groupId: source.groupId ?? "",
              cluster: source.cluster ?? "",
              credentials: atlasCredentials(name, source),
              apiHost: source.apiHost,
              database: source.database,
              scratchTier: source.scratchTier,
              scratch: lazily({}, { url: () => source.scratch.url }),
              desired: { windowMs, protect: snapshots.protect, rules: snapshots.rules, encryptionProvider },
              clock,
              timeouts: isHere(source.apiHost) ? AT_ONCE : undefined,
            },
            { user: () => source.user, password: () => source.password },
          ),
        );
      return { makeProvider, ...(await mongodbEngine()) };
    },
  },
};

/** An API on this machine is a sandbox: its work takes moments, and its copy of the log is never behind. */
const isHere = (apiHost: string | undefined): boolean => /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:|\/|$)/.test(apiHost ?? "");
const AT_ONCE = { pollMs: 100, lagMs: 0 };

async function postgresEngine() {
  const { openPostgresEngine } = await import("./engines/postgres/engine.ts");
  return { makeEngine: ({ config }: Wiring) => openPostgresEngine({ bin: config.tools.postgres, isolation: config.scratch.isolation }) };
}

async function mongodbEngine() {
  const { openMongoEngine } = await import("./engines/mongodb/engine.ts");
  return {
    makeEngine({ source }: Wiring) {
      const { databases, consistency } = source;
      return openMongoEngine({ databases: databases.length > 0 ? databases : undefined, several: namesNoDatabase(source), consistency });
    },
  };
}

/** Of several databases, whose collections are called with theirs: neither an option nor the address names one. */
function namesNoDatabase(source: SourceConfig): boolean {
  if (source.database !== undefined) return false;
  // The address may be a secret that this command does without.
  const property = Object.getOwnPropertyDescriptor(source, "url");
  const url: unknown = property?.value;
  if (typeof url !== "string") return property === undefined;
  return !/^[^:]+:\/\/[^/]+\/[^?]/.test(url);
}

const scratchOf = ({ scratch: { directory, user, isolation }, tools }: Config, source: SourceConfig) => ({
  scratch: lazily({ directory, user, isolation }, { url: () => source.scratch.url }),
  tools: tools.postgres,
});

/** Adds values that are read when they are needed: a command that does without one must not ask for its variable. */
function lazily<T extends object, L>(values: T, later: { readonly [K in keyof L]: () => L[K] }): T & L {
  for (const key in later) Object.defineProperty(values, key, { get: later[key], enumerable: true });
  return values as T & L;
}

function needed(source: string, value: string | undefined, what: string, where: string): string {
  if (value !== undefined) return value;
  throw new LifeboatError("SECRET_MISSING", `${what} of ${source} is not given`, { hint: `set ${where}` });
}

function atlasCredentials(name: string, { clientId, clientSecret, publicKey, privateKey }: SourceConfig) {
  if (publicKey !== undefined && privateKey !== undefined) return { publicKey, privateKey };
  return {
    clientId: needed(
      name,
      clientId,
      "the service account",
      "clientId and clientSecret in the source, or ATLAS_CLIENT_ID and ATLAS_CLIENT_SECRET",
    ),
    clientSecret: needed(
      name,
      clientSecret,
      "the service account's secret",
      "clientSecret in the source, or the variable ATLAS_CLIENT_SECRET",
    ),
  };
}
