// lifeboat init
import { existsSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { openStorage, trustIn } from "../../compose.ts";
import { type Config, loadConfig } from "../../config/load.ts";
import { EXIT, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { validateName } from "../../core/names.ts";
import { listOf } from "../../core/option.ts";
import { oneOf, text } from "../../core/option-types.ts";
import { DESCRIPTORS } from "../../descriptors.ts";
import { JobProgress } from "../../operations/jobs/events.ts";
import type { ProviderDescriptor } from "../../ports/descriptor.ts";
import { createRepository } from "../../repository/open.ts";
import { type CommandCall, defineCommand } from "../command.ts";
import { makeIdentityFile, makeWriterFile, nameWriter, pathFrom, recipientsOfFile, writerOfFile } from "../key-files.ts";
import { renderFacts } from "../render/table.ts";
import { guessProvider, sourceYaml } from "./init-source.ts";

const { providers, storages } = DESCRIPTORS;
const named = (which: readonly ProviderDescriptor[]): string => which.map(({ name }) => name).join(" or ");
const PLACES = `a folder, ${storages.map(({ example }) => example).join(", ")}`;

const options = {
  repository: { type: text, value: "URL|PATH", help: `Where backups will be stored: ${PLACES}.` },
  source: { type: text, value: "NAME", help: "Name of the first source.", example: "shop" },
  provider: {
    type: oneOf(providers.map(({ name }) => name)),
    value: "NAME",
    help: `Who runs it. Default: what the variable's connection string says, else ${named(providers.filter(({ managed }) => managed))} where their variables are set.`,
  },
  urlVariable: {
    type: text,
    value: "NAME",
    help: "Environment variable that holds the source's connection string; the file refers to it, so the password stays out of it. Default: DATABASE_URL.",
  },
  identityFile: {
    type: text,
    value: "FILE",
    help: "Identity that opens backups; made when it is not there. Default: lifeboat-identity.txt beside the configuration.",
  },
  writerKey: {
    type: text,
    value: "FILE",
    help: "Private key that signs what this machine writes; made when it is not there. Default: lifeboat-writer.pem beside the configuration.",
  },
  recipients: { type: listOf(text), value: "AGE1,…", help: "Seal for these recipients instead, and make no identity here." },
} as const;

type Context = CommandCall<Record<string, never>, typeof options>;

export const initCommand = defineCommand({
  description:
    "Writes a configuration, makes the identity that opens backups and the key that signs them, and makes the repository. Asks on a terminal; elsewhere it takes everything from its options. With a configuration there already, it makes the repository, and the key that signs when the configuration names none.",
  arguments: {},
  options,
  json: true,
  examples: [
    "lifeboat init",
    "lifeboat init --repository /var/lib/lifeboat --source shop --url-variable DATABASE_URL",
    `lifeboat init --repository ${storages.at(-1)?.example} --source sessions --provider ${providers.at(-1)?.name}`,
  ],
  async run(call) {
    const made = existsSync(call.configFile) ? undefined : await writeConfiguration(call as unknown as Context);
    const load = () => loadConfig({ file: call.configFile, env: call.env, cwd: call.cwd });
    const writerFile = made?.writerFile ?? addWriter(call as unknown as Context, load());
    const config = load();
    const storage = await openStorage(config, { create: true });
    try {
      const { recipients } = config.repository.encryption;
      await createRepository(storage, recipients.length > 0 ? recipients : ["passphrase"], call.clock, trustIn(config));
    } catch (error) {
      if (made === undefined || !isLifeboatError(error, "REPOSITORY_EXISTS")) throw error;
      new JobProgress(call.events, call.clock).note(`there is a repository at ${storage.url} already; it is used as it is`);
    } finally {
      await storage.close();
    }
    const value = {
      configuration: call.configFile,
      repository: storage.url,
      identityFile: made?.identityFile ?? null,
      writerFile: writerFile ?? null,
      recipients: config.repository.encryption.recipients,
    };
    call.emit(value, () => {
      const { paint } = call;
      const lines = [
        `${paint.green("✓")} the repository is ready`,
        renderFacts(
          [
            ["configuration", call.configFile],
            ["repository", storage.url],
            ["identity", made?.identityFile],
            ["writer key", writerFile],
            ["recipient", value.recipients.join("\n")],
          ],
          paint,
        ),
      ];
      if (made?.identityMade) {
        lines.push(
          "",
          paint.bold(`Copy ${made.identityFile} to a safe place that is not this machine, now.`),
          "It opens every backup. Without it no backup can be opened, not even by you.",
        );
      }
      if (made) lines.push("", paint.dim(`next: ${made.provider.init.next(made.variable)}   then: lifeboat check`));
      return lines.join("\n");
    });
    return EXIT.done;
  },
});

/** A key for a configuration that names none: what is not signed counts for nothing. */
function addWriter({ configFile, options, cwd }: Context, { repository: { signing } }: Config): string | undefined {
  if (signing.key !== undefined || signing.keyFile !== undefined) return undefined;
  const file = writerFileOf(configFile, options.writerKey, cwd);
  const publicKey = publicKeyIn(file);
  nameWriter(configFile, file, [...new Set([...signing.trusted, publicKey])]);
  return file;
}

const writerFileOf = (configFile: string, given: string | undefined, cwd: string): string =>
  resolve(cwd, given ?? resolve(dirname(configFile), "lifeboat-writer.pem"));

/** Makes the key when it is not there. */
const publicKeyIn = (file: string): string => (existsSync(file) ? writerOfFile(file).publicKey.text : makeWriterFile(file));

interface Made {
  readonly identityFile: string | undefined;
  readonly identityMade: boolean;
  readonly writerFile: string;
  readonly variable: string;
  readonly provider: ProviderDescriptor;
}

async function writeConfiguration(call: Context): Promise<Made> {
  const { options: given, ask, configFile } = call;
  const place =
    given.repository ??
    (await ask.text({
      message: `Where should backups be stored? (${PLACES})`,
      flag: "--repository URL|PATH",
      initial: "./backups",
    }));
  const source = given.source ?? (await ask.text({ message: "What is the first source called?", flag: "--source NAME", initial: "shop" }));
  validateName(source); // before anything is written
  const providerFor = (variable: string): ProviderDescriptor => {
    const chosen = providers.find(({ name }) => name === given.provider) ?? guessProvider(providers, call.env, variable);
    if (chosen === undefined) throw new LifeboatError("USAGE", "there are no providers");
    return chosen;
  };
  const likely = providerFor(given.urlVariable ?? "DATABASE_URL");
  const variable =
    given.urlVariable ??
    (ask.possible && likely.init.byUrl
      ? await ask.text({
          message: "Which environment variable holds its connection string?",
          flag: "--url-variable NAME",
          initial: "DATABASE_URL",
        })
      : "DATABASE_URL");
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable))
    throw new LifeboatError("USAGE", `${variable} is not the name of an environment variable`);
  const provider = providerFor(variable);
  await refuseBadAddress(provider, variable, call.env[variable]);
  const identityFile =
    given.recipients === undefined
      ? resolve(call.cwd, given.identityFile ?? resolve(dirname(configFile), "lifeboat-identity.txt"))
      : undefined;
  const identityMade = identityFile !== undefined && !existsSync(identityFile);
  const recipients =
    identityFile === undefined
      ? (given.recipients ?? [])
      : identityMade
        ? [await makeIdentityFile(identityFile, call.clock.now())]
        : await recipientsOfFile(identityFile);
  const writerFile = writerFileOf(configFile, given.writerKey, call.cwd);
  const publicKey = publicKeyIn(writerFile);
  const content = configuration({
    writerFile: pathFrom(dirname(configFile), writerFile),
    publicKey,
    url: repositoryUrl(place, call.cwd),
    source: sourceYaml(source, provider, variable),
    recipients,
    identityFile: identityFile && pathFrom(dirname(configFile), identityFile),
  });
  writeFileSync(configFile, content, { flag: "wx", mode: 0o644 });
  return { identityFile, identityMade, writerFile, variable, provider };
}

/** Before anything is written. The message holds nothing of the address, which may hold a password. */
async function refuseBadAddress({ engine, init }: ProviderDescriptor, variable: string, url: string | undefined): Promise<void> {
  if (url === undefined || url === "" || !init.byUrl) return;
  try {
    await engine.readAddress(url);
  } catch (error) {
    if (!isLifeboatError(error, "CONFIG_INVALID")) throw error;
    throw new LifeboatError("CONFIG_INVALID", `the variable ${variable} does not hold an address: ${error.message}`, {
      hint: `${init.next(variable)}; or name another variable with --url-variable`,
    });
  }
}

const repositoryUrl = (place: string, cwd: string): string =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(place) ? place : pathToFileURL(resolve(cwd, place)).href;

interface Facts {
  readonly url: string;
  readonly source: string;
  readonly recipients: readonly string[];
  readonly identityFile: string | undefined;
  readonly writerFile: string;
  readonly publicKey: string;
}

function configuration({ url, source, recipients, identityFile, writerFile, publicKey }: Facts): string {
  return `version: 1
repository:
  url: ${JSON.stringify(url)}
  encryption:
    recipients: [${recipients.join(", ")}]
${identityFile === undefined ? "    # identityFile: required on machines that restore" : `    identityFile: ${JSON.stringify(identityFile)}`}
  signing:
    keyFile: ${JSON.stringify(writerFile)}
    trusted: [${publicKey}]
${source}`;
}
