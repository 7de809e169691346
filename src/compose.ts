// The one place where a configuration becomes wired objects. No other file knows which adapter implements a port.
import { existsSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { wireChannels } from "./compose/channels.ts";
import { wireCutOvers } from "./compose/cutovers.ts";
import { programs } from "./compose/programs.ts";
import { type SourceSurroundings, wireSources } from "./compose/source.ts";
import { wireWitnesses } from "./compose/witnesses.ts";
import { wireWork } from "./compose/work.ts";
import type { Config } from "./config/load.ts";
import { readSecretFile } from "./config/secret-file.ts";
import { combinedObjectiveOf } from "./core/combined.ts";
import { asLifeboatError, isLifeboatError, LifeboatError } from "./core/errors.ts";
import type { Promised } from "./core/objectives.ts";
import { openTrail } from "./operations/audit/trail.ts";
import type { ApprovalPolicy, Aside, Context } from "./operations/context.ts";
import type { PointEntry } from "./operations/points/points.ts";
import type { Storage } from "./ports/storage.ts";
import { openEvenAway } from "./repository/away.ts";
import { listStoredSources } from "./repository/backups.ts";
import { openCatalog } from "./repository/catalog.ts";
import { backupFolder } from "./repository/layout.ts";
import { type Memory, openForgetful, openMemory } from "./repository/memory.ts";
import { openRepository } from "./repository/open.ts";
import { openPeople, type People } from "./repository/people.ts";
import type { Repository } from "./repository/repository.ts";
import { generateWriter, parseTrustedKey, parseWriter, type Trust, trustOf, type Writer } from "./repository/trust.ts";
import { type OpenKey, parseIdentityFile, type SealKey } from "./seal/keys.ts";
import { openAddress } from "./storage/address.ts";

export interface Surroundings extends SourceSurroundings {
  /** Version of this program. */
  readonly lifeboat: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** A repository that cannot be read now is opened by what this machine remembers of it. Default: compose throws. */
  readonly evenAway?: boolean | undefined;
}

export interface Composed extends Context {
  readonly people: People;
  /** Path of a file with state of this machine about this repository. It survives, unlike a cache. */
  stateFile(name: string): string;
  /** What is promised for all sources brought back together. */
  readonly combinedObjective: Promised;
  /** Sources that have anything in the repository. */
  storedSources(): Promise<string[]>;
  /** Where a person finds the files of a restore point. */
  folderOf(entry: PointEntry): string;
}

/** Wires a configuration. Throws NO_REPOSITORY, and what its storage throws, unless the repository may be away. */
export async function compose(config: Config, around: Surroundings): Promise<Composed> {
  const { clock, lifeboat, env, signal } = around;
  const storage = await openStorage(config);
  try {
    const state = stateIn(config, env);
    const memory = (id: string): Memory => openMemory(id, state);
    const trust = trustIn(config);
    const repository = around.evenAway
      ? await openEvenAway({ storage, trust, memory, state, signal })
      : await openRepository(storage, trust, memory, signal);
    const { tools } = config;
    const catalog = openCatalog(repository, tools.stateDirectory ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lifeboat"));
    const sources = await wireSources(config, around, archivesIn(config, env, repository.identity.id));
    const stateFile = (name: string): string => join(state, `${name}-${repository.identity.id.replace(/[^0-9a-z]/g, "_")}.sqlite`);
    const people = openPeople(stateFile("people"));
    const work = wireWork(config, clock);
    const aside = asideIn(state, repository);
    return {
      repository,
      aside,
      audit: openTrail(repository, join(state, `audit-${repository.identity.id.replace(/[^0-9a-z]/g, "_")}`), clock),
      witnesses: wireWitnesses(config, repository.identity.id),
      approval: approvalIn(config),
      catalog,
      clock,
      sources,
      notifiers: wireChannels(config, clock),
      work,
      people,
      stateFile,
      cutOvers: wireCutOvers(config, clock),
      programs,
      references: config.references,
      sealKey: sealKeyOf(config),
      openKey: () => openKeyOf(config),
      servers: new Map(),
      spoolDirectory: tools.spoolDirectory,
      storageClass: config.repository.storage.class,
      lockMs: config.repository.storage.objectLockMs,
      timeZone: () => config.timeZone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone,
      lifeboat,
      configuration: config.digest,
      configurationFile: config.file,
      combinedObjective: combinedObjectiveOf(
        config.objectives,
        [...sources.values()].map(({ objective }) => objective),
      ),
      storedSources: () => listStoredSources(storage),
      folderOf: ({ source, folder }) => `${storage.url.replace(/^file:\/\//, "")}/${backupFolder(source, folder).slice(0, -1)}`,
      async close() {
        await work.close();
        catalog.close();
        repository.memory.close();
        people.close();
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

/** The storage of a configuration. `create` makes a local directory that does not exist. */
export async function openStorage(config: Config, { create }: { readonly create?: boolean } = {}): Promise<Storage> {
  const { url, storage } = config.repository;
  const { spoolDirectory } = config.tools;
  return await openAddress(url, config.descriptors.storages, {
    options: storage,
    lock: storage.objectLockMs !== undefined,
    create,
    spoolDirectory,
  });
}

function approvalIn({ approval: { approvers, validForMs } }: Config): ApprovalPolicy {
  const named = Object.entries(approvers).map(([name, { key, identities }]) => ({ name, key: parseTrustedKey(key), identities }));
  return { approvers: named, validForMs };
}

/** Whose signatures count. KEY_INVALID, SECRET_MISSING. */
export function trustIn({ repository: { signing } }: Config): Trust {
  return trustOf(signing.trusted.map(parseTrustedKey), writerOf(signing));
}

function writerOf({ key, keyFile }: Config["repository"]["signing"]): Writer | undefined {
  if (key !== undefined) return parseWriter(key.read(), "the value of repository.signing.key");
  return keyFile === undefined ? undefined : parseWriter(readSecretFile(keyFile), keyFile);
}

/** Where log that was received and not yet stored waits: unlike the catalog, it must survive. */
function archivesIn(config: Config, env: Surroundings["env"], repositoryId: string): string {
  return join(stateIn(config, env), `archive-${repositoryId}`);
}

/** State that must survive, unlike caches. */
const stateIn = ({ tools }: Config, env: Surroundings["env"]): string =>
  tools.stateDirectory ?? join(env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "lifeboat");

function passphraseOf(config: Config): string | undefined {
  const { passphrase, passphraseFile } = config.repository.encryption;
  return passphrase?.read() ?? (passphraseFile === undefined ? undefined : readSecretFile(passphraseFile.read()));
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
  const identityFile = config.repository.encryption.identityFile?.read();
  if (identityFile === undefined)
    throw new LifeboatError("KEY_MISSING", "no identity is configured, and without one a backup cannot be opened", {
      details: { configured: false },
    });
  let text: string;
  try {
    text = readSecretFile(identityFile);
  } catch (cause) {
    if (isLifeboatError(cause, "SECRET_EXPOSED")) throw cause;
    throw new LifeboatError("KEY_MISSING", `the identity cannot be read: ${asLifeboatError(cause).message}`, { cause });
  }
  return { identities: await parseIdentityFile(text, identityFile) };
}
