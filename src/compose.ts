// The one place where a configuration becomes wired objects. Nothing else knows which adapter stands behind a port.
import { existsSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { PROVIDERS, type ProviderAdapter, type Wiring } from "./adapters.ts";
import type { Config } from "./config/load.ts";
import { readSecretFile } from "./config/secret-file.ts";
import type { SourceConfig } from "./config/tables/root.ts";
import { combinedObjectiveOf } from "./core/combined.ts";
import type { DrillPlan } from "./core/drill-schedule.ts";
import { asLifeboatError, isLifeboatError, LifeboatError } from "./core/errors.ts";
import { NAME_PATTERNS } from "./core/names.ts";
import { objectiveOf, type Promised } from "./core/objectives.ts";
import type { RetentionPolicy } from "./core/retention.ts";
import type { ArchiveOptions, Aside, Context, SnapshotPolicy, Source } from "./operations/context.ts";
import type { PointEntry } from "./operations/points/points.ts";
import type { Clock } from "./ports/clock.ts";
import type { Probe } from "./ports/engine.ts";
import type { Provider } from "./ports/provider.ts";
import type { Storage } from "./ports/storage.ts";
import { listStoredSources } from "./repository/backups.ts";
import { openCatalog } from "./repository/catalog.ts";
import { backupFolder } from "./repository/layout.ts";
import { openForgetful, openMemory } from "./repository/memory.ts";
import { openRepository } from "./repository/open.ts";
import type { Repository } from "./repository/repository.ts";
import { generateWriter, parseTrustedKey, parseWriter, type Trust, trustOf, type Writer } from "./repository/trust.ts";
import { type OpenKey, parseIdentityFile, type SealKey } from "./seal/keys.ts";
import { parseStorageUrl } from "./storage/url.ts";

export interface Surroundings {
  readonly clock: Clock;
  /** Version of this program. */
  readonly lifeboat: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Composed extends Context {
  /** What is promised for all sources brought back together. */
  readonly combinedObjective: Promised;
  /** Sources that have anything in the repository. */
  storedSources(): Promise<string[]>;
  /** Where a person finds the files of a restore point. */
  folderOf(entry: PointEntry): string;
}

/** Wires a configuration. NO_REPOSITORY, and whatever its storage throws. */
export async function compose(config: Config, { clock, lifeboat, env, signal }: Surroundings): Promise<Composed> {
  const storage = await openStorage(config);
  try {
    const repository = await openRepository(storage, trustIn(config), (id) => openMemory(id, stateIn(config, env)), signal);
    const { tools } = config;
    const catalog = openCatalog(repository, tools.stateDirectory ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lifeboat"));
    const sources = new Map<string, Source>();
    for (const name of Object.keys(config.sources))
      sources.set(name, await wireSource(config, name, clock, archivesIn(config, env, repository.identity.id)));
    const aside = asideIn(stateIn(config, env), repository);
    return {
      repository,
      aside,
      catalog,
      clock,
      sources,
      sealKey: sealKeyOf(config),
      openKey: () => openKeyOf(config),
      servers: new Map(),
      spoolDirectory: tools.spoolDirectory,
      storageClass: config.repository.storage.class,
      lockMs: config.repository.storage.objectLockMs,
      timeZone: config.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
      lifeboat,
      combinedObjective: combinedObjectiveOf(
        config.objectives,
        [...sources.values()].map(({ objective }) => objective),
      ),
      storedSources: () => listStoredSources(storage),
      folderOf: ({ source, folder }) => `${storage.url.replace(/^file:\/\//, "")}/${backupFolder(source, folder).slice(0, -1)}`,
      async close() {
        catalog.close();
        repository.memory.close();
        await aside.close();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** Nothing is made before it is opened. */
function asideIn(state: string, repository: Repository): Aside & { close(): Promise<void> } {
  const directory = join(state, `aside-${repository.identity.id.replace(/[^0-9a-z]/g, "_")}`);
  let opened: Repository | undefined;
  const open = async (): Promise<Repository> => {
    if (opened !== undefined) return opened;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { openLocalStorage } = await import("./storage/local/local.ts");
    const { trust, memory } = repository;
    const writer = trust.writer ?? ownWriter(`${directory}.pem`);
    // Its marks are not those of the repository, whose revisions are remembered; its jobs are jobs like any other.
    const { jobState, jobBegan, jobEnded } = memory;
    opened = {
      ...repository,
      storage: openLocalStorage({ directory }),
      trust: trustOf(trust.keys, writer),
      memory: Object.assign(openForgetful(), { jobState, jobBegan, jobEnded }),
    };
    return opened;
  };
  return {
    directory,
    open,
    find: async () => (existsSync(directory) ? open() : undefined),
    async close() {
      await opened?.storage.close();
      opened?.memory.close();
    },
  };
}

/** The key of a machine that has no writer key: it proves to this machine what this machine wrote down and made, and nothing to others. */
function ownWriter(file: string): Writer {
  try {
    writeFileSync(file, generateWriter().pem, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return parseWriter(readSecretFile(file), file);
}

/** The storage of a configuration. `create` makes a local directory that is not there yet. */
export async function openStorage(config: Config, options: { readonly create?: boolean } = {}): Promise<Storage> {
  const { url, storage } = config.repository;
  const place = parseStorageUrl(url);
  if (place.kind === "file") {
    if (options.create) await mkdir(place.directory, { recursive: true, mode: 0o700 });
    const { openLocalStorage } = await import("./storage/local/local.ts");
    return openLocalStorage({ directory: place.directory });
  }
  const { openS3Storage } = await import("./storage/s3/s3.ts"); // the SDK is large: only who uses S3 loads it
  const { accessKeyId, secretAccessKey, sessionToken } = storage;
  return openS3Storage({
    ...place,
    region: place.region ?? storage.region,
    endpoint: place.endpoint ?? storage.endpoint,
    forcePathStyle: place.forcePathStyle ?? storage.pathStyle,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : undefined,
    serverSideEncryption: place.serverSideEncryption ?? storage.serverSideEncryption,
    kmsKeyId: place.kmsKeyId ?? storage.kmsKeyId,
    objectLock: place.objectLock ?? (storage.objectLockMs === undefined ? undefined : { mode: storage.objectLockMode }),
    spoolDirectory: config.tools.spoolDirectory,
  });
}

/** CONFIG_INVALID for text that the provider cannot read as the address of a server. Connects to nothing. */
export const assertAddress = async (provider: SourceConfig["provider"], url: string): Promise<void> =>
  await PROVIDERS[provider].readAddress?.(url);

/** Whose signatures count. KEY_INVALID, SECRET_MISSING. */
export function trustIn({ repository: { signing } }: Config): Trust {
  return trustOf(signing.trusted.map(parseTrustedKey), writerOf(signing));
}

function writerOf({ key, keyFile }: Config["repository"]["signing"]): Writer | undefined {
  if (key !== undefined) return parseWriter(key, "the value of repository.signing.key");
  return keyFile === undefined ? undefined : parseWriter(readSecretFile(keyFile), keyFile);
}

/** Where log that was received and not yet stored waits: unlike the catalog, it must survive. */
function archivesIn(config: Config, env: Surroundings["env"], repositoryId: string): string {
  return join(stateIn(config, env), `archive-${repositoryId}`);
}

/** State that must survive, unlike caches. */
const stateIn = ({ tools }: Config, env: Surroundings["env"]): string =>
  tools.stateDirectory ?? join(env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "lifeboat");

const LONGEST_PARTIAL_MS = 60_000;
const MAX_BEHIND_BYTES = 8_000_000_000;

function archiveOf(name: string, source: SourceConfig, rpoSeconds: number, directory: string): ArchiveOptions {
  const { archive } = source;
  return {
    slot: archive.slot ?? `lifeboat_${name.toLowerCase().replace(/[^a-z0-9_]/g, "_")}`.slice(0, 63),
    directory: archive.directory ?? join(directory, name),
    // A partial segment every half RPO: the other half is for storing it.
    partialEveryMs: archive.partialEveryMs ?? Math.max(1000, Math.min(LONGEST_PARTIAL_MS, (rpoSeconds * 1000) / 2)),
    maxBehindBytes: archive.maxBehindBytes ?? MAX_BEHIND_BYTES,
  };
}

async function wireSource(config: Config, name: string, clock: Clock, archives: string): Promise<Source> {
  const source = config.source(name);
  const adapter = PROVIDERS[source.provider];
  const { makeProvider, makeEngine } = await adapter.load();
  const policy = source.policy === undefined ? undefined : config.policies[source.policy];
  const snapshots = snapshotPolicyOf(policy, adapter);
  const windowMs = policy?.windowMs ?? adapter.windowMs;
  const objective = objectiveOf(source.provider, source.objectives);
  const wiring: Wiring = { name, config, source, clock, snapshots, windowMs, encryptionProvider: policy?.encryptionProvider };
  let provider: Provider | undefined;
  return {
    name,
    providerName: source.provider,
    managed: adapter.managed,
    get productionName() {
      return source.branch;
    },
    /** Made when it is first used: `list` needs no connection string, and the backup of one source not that of another. */
    get provider() {
      provider ??= makeProvider(wiring);
      return provider;
    },
    engine: makeEngine(wiring),
    objective,
    policy: policyOf(policy),
    windowMs,
    archive: adapter.archives ? archiveOf(name, source, objective.rpoSeconds, archives) : undefined,
    snapshotPolicy: snapshots,
    get scratchDirectory() {
      return adapter.scratchHere && source.scratch.url === undefined ? (config.scratch.directory ?? tmpdir()) : undefined;
    },
    drills: drillsOf(config, name),
    baseCron: adapter.archives && windowMs !== undefined ? (policy?.base ?? WEEKLY) : undefined,
    probes: source.checks.map(probeOf),
    tables: source.tables.length > 0 ? source.tables : undefined,
  };
}

/** How often a base backup is made where the policy does not say. */
const WEEKLY = "0 3 * * 0";

function drillsOf({ drills }: Config, source: string): DrillPlan[] {
  return Object.entries(drills).flatMap(([name, { sources, cron, to, name: pattern }]) =>
    cron !== undefined && sources.includes(source) ? [{ name, cron, to, pattern }] : [],
  );
}

/** A question about a collection is one about a table: only a pipeline needs to know that it is run in a collection. */
function probeOf({ collection, ...check }: SourceConfig["checks"][number]): Probe {
  const asked = check.aggregate === undefined && collection !== undefined ? { ...check, table: collection } : { ...check, collection };
  return asked as Probe;
}

type PolicyConfig = Config["policies"][string];

function policyOf(policy: PolicyConfig | undefined): RetentionPolicy {
  return policy === undefined
    ? { tiers: [] }
    : { tiers: policy.backups.map(({ keep, ...tier }) => ({ ...tier, keepMs: keep })), keepManualMs: policy.keepManual };
}

function snapshotPolicyOf(policy: PolicyConfig | undefined, { pointsBy, form }: ProviderAdapter): SnapshotPolicy {
  const { name, keep, by = form } = policy?.preDeploy ?? { name: NAME_PATTERNS.preDeploy, keep: 7 * 86_400_000 };
  return {
    rules: policy?.snapshots.map(({ keep: keepMs, by: made = pointsBy, ...rule }) => ({ ...rule, keepMs, by: made })) ?? [],
    protect: policy?.protect === true,
    keepManualMs: policy?.keepManual ?? "forever",
    preDeploy: { name, keepMs: keep, by },
  };
}

function passphraseOf(config: Config): string | undefined {
  const { passphrase, passphraseFile } = config.repository.encryption;
  return passphrase ?? (passphraseFile === undefined ? undefined : readSecretFile(passphraseFile));
}

function sealKeyOf(config: Config): SealKey {
  const { recipients } = config.repository.encryption;
  if (recipients.length > 0) return { recipients };
  const passphrase = passphraseOf(config);
  if (passphrase !== undefined) return { passphrase };
  throw new LifeboatError("KEY_MISSING", "the configuration names neither recipients nor a passphrase: nothing could be sealed", {
    hint: "run `lifeboat key new FILE` and put its recipient under repository.encryption.recipients",
  });
}

async function openKeyOf(config: Config): Promise<OpenKey> {
  const passphrase = passphraseOf(config);
  if (passphrase !== undefined) return { passphrase };
  const { identityFile } = config.repository.encryption;
  if (identityFile === undefined)
    throw new LifeboatError("KEY_MISSING", "no identity is configured, and without one a backup cannot be opened");
  let text: string;
  try {
    text = readSecretFile(identityFile);
  } catch (cause) {
    if (isLifeboatError(cause, "SECRET_EXPOSED")) throw cause;
    throw new LifeboatError("KEY_MISSING", `the identity cannot be read: ${asLifeboatError(cause).message}`, { cause });
  }
  return { identities: await parseIdentityFile(text, identityFile) };
}
