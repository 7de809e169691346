// The one place where a configuration becomes wired objects. Nothing else knows which adapter stands behind a port.
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Config } from "./config/load.ts";
import { readSecretFile } from "./config/secret-file.ts";
import type { SourceConfig } from "./config/tables/root.ts";
import { asLifeboatError, LifeboatError } from "./core/errors.ts";
import { objectiveOf } from "./core/objectives.ts";
import type { RetentionPolicy } from "./core/retention.ts";
import type { PointEntry } from "./operations/points.ts";
import type { Source, Workshop } from "./operations/workshop.ts";
import type { Clock } from "./ports/clock.ts";
import type { Probe } from "./ports/engine.ts";
import type { Provider } from "./ports/provider.ts";
import type { Storage } from "./ports/storage.ts";
import { listStoredSources } from "./repository/backups.ts";
import { openCatalog } from "./repository/catalog.ts";
import { backupFolder } from "./repository/layout.ts";
import { openRepository } from "./repository/repository.ts";
import { type OpenKey, parseIdentityFile, type SealKey } from "./repository/seal/keys.ts";
import { parseStorageUrl } from "./storage/url.ts";

export interface Surroundings {
  readonly clock: Clock;
  /** Version of this program. */
  readonly lifeboat: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

export interface Composed extends Workshop {
  /** Sources that have anything in the repository. */
  storedSources(): Promise<string[]>;
  /** Where a person finds the files of a restore point. */
  folderOf(entry: PointEntry): string;
}

/** Wires a configuration. NO_REPOSITORY, and whatever its storage throws. */
export async function compose(config: Config, { clock, lifeboat, env, signal }: Surroundings): Promise<Composed> {
  const storage = await openStorage(config);
  try {
    const repository = await openRepository(storage, signal);
    const { tools } = config;
    const catalog = openCatalog(repository, tools.stateDirectory ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lifeboat"));
    const sources = new Map<string, Source>();
    for (const name of Object.keys(config.sources)) sources.set(name, await wireSource(config, name));
    return {
      repository,
      catalog,
      clock,
      sources,
      sealKey: sealKeyOf(config),
      openKey: () => openKeyOf(config),
      servers: new Map(),
      spoolDirectory: tools.spoolDirectory,
      storageClass: config.repository.storage.class,
      lockMs: config.repository.storage.objectLockMs,
      lifeboat,
      storedSources: () => listStoredSources(storage),
      folderOf: ({ source, folder }) => `${storage.url.replace(/^file:\/\//, "")}/${backupFolder(source, folder).slice(0, -1)}`,
      async close() {
        catalog.close();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
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
    spoolDirectory: config.tools.spoolDirectory,
  });
}

async function wireSource(config: Config, name: string): Promise<Source> {
  const source = config.source(name);
  const [{ createPostgresProvider }, { openPostgresEngine }] = await Promise.all([
    import("./providers/postgres/provider.ts"),
    import("./engines/postgres/engine.ts"),
  ]);
  const { tools, scratch } = config;
  let provider: Provider | undefined;
  return {
    name,
    providerName: source.provider,
    /** Made when it is first used: `list` needs no connection string, and the backup of one source not that of another. */
    get provider() {
      provider ??= createPostgresProvider({
        url: source.url ?? "",
        scratch: { url: source.scratch.url, directory: scratch.directory, user: scratch.user },
        tools: tools.postgres,
      });
      return provider;
    },
    engine: openPostgresEngine({ bin: tools.postgres }),
    objective: objectiveOf(source.provider, source.objectives),
    policy: policyOf(config, source),
    probes: source.checks as readonly Probe[],
    tables: source.tables.length > 0 ? source.tables : undefined,
  };
}

function policyOf(config: Config, source: SourceConfig): RetentionPolicy {
  const policy = source.policy === undefined ? undefined : config.policies[source.policy];
  return policy === undefined
    ? { tiers: [] }
    : { tiers: policy.backups.map(({ keep, ...tier }) => ({ ...tier, keepMs: keep })), keepManualMs: policy.keepManual };
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
    throw new LifeboatError("KEY_MISSING", `the identity cannot be read: ${asLifeboatError(cause).message}`, { cause });
  }
  return { identities: await parseIdentityFile(text, identityFile) };
}
