// Rules over the whole configuration: names that must exist, names that must be valid, promises that need a key.
import { isLifeboatError } from "../core/errors.ts";
import { validateName } from "../core/names.ts";
import { didYouMean } from "../core/suggest.ts";
import { REACHED_BY } from "./tables/providers.ts";
import type { RootValues } from "./tables/root.ts";
import type { Path } from "./tree.ts";

export interface Fault {
  readonly path: Path;
  readonly part: "key" | "value";
  readonly message: string;
  readonly code: "CONFIG_INVALID" | "NAME_INVALID";
}

const fault = (path: Path, message: string, part: Fault["part"] = "value"): Fault => ({ path, part, message, code: "CONFIG_INVALID" });

/** Every rule that does not hold; values that could not be had are left out. */
export function faultsOf(config: RootValues): Fault[] {
  return [...nameFaults(config), ...referenceFaults(config), ...kindFaults(config), ...tierFaults(config), ...encryptionFaults(config)];
}

function* nameFaults(config: RootValues): Iterable<Fault> {
  const groups = ["sources", "policies", "drills"] as const;
  for (const group of groups) {
    const seen = new Map<string, string>();
    for (const name of Object.keys(config[group])) {
      try {
        validateName(name);
      } catch (error) {
        if (!isLifeboatError(error)) throw error;
        yield { path: [group, name], part: "key", message: `${group}: ${error.message}`, code: "NAME_INVALID" };
      }
      const other = seen.get(name.toLowerCase());
      // Some storages do not tell them apart.
      if (other !== undefined) yield fault([group, name], `${group} "${other}" and "${name}" differ in case only: rename one`, "key");
      seen.set(name.toLowerCase(), name);
    }
  }
  if (Object.keys(config.sources).length === 0) yield fault(["sources"], "sources names no database: there is nothing to protect", "key");
}

function* referenceFaults(config: RootValues): Iterable<Fault> {
  const policies = Object.keys(config.policies);
  for (const [name, source] of Object.entries(config.sources)) {
    const policy = known(source, "policy");
    if (policy !== undefined && !policies.includes(policy)) {
      const list = policies.length === 0 ? "there are none" : `there are ${policies.join(", ")}`;
      yield fault(
        ["sources", name, "policy"],
        `sources.${name}.policy: no policy is called "${policy}" (${list})${didYouMean(policy, policies)}`,
      );
    }
  }
  const sources = Object.keys(config.sources);
  for (const [name, drill] of Object.entries(config.drills)) {
    for (const [index, source] of (known(drill, "sources") ?? []).entries()) {
      if (!sources.includes(source)) {
        yield fault(["drills", name, "sources", index], `drills.${name}: no source is called "${source}"${didYouMean(source, sources)}`);
      }
    }
  }
}

/** What a source's checks, archive and policy ask for and its kind of database, or its provider, does not have. */
function* kindFaults(config: RootValues): Iterable<Fault> {
  for (const [name, source] of Object.entries(config.sources)) {
    const provider = known(source, "provider");
    if (provider === undefined) continue;
    const { engine, archiveWithout, cannotMake } = REACHED_BY[provider];
    for (const [index, check] of (known(source, "checks") ?? []).entries()) {
      const foreign = FOREIGN_CHECKS[engine].find(({ key }) => Object.hasOwn(check, key));
      if (foreign === undefined) continue;
      const { key, instead } = foreign;
      yield fault(
        ["sources", name, "checks", index, key],
        `sources.${name}.checks[${index}]: provider ${provider} knows no ${key}: ${instead}`,
        "key",
      );
    }
    const archive = known(source, "archive") ?? {};
    for (const key of archiveWithout) {
      // Under the name it has when loaded, which may carry a unit.
      if (!Object.keys(archive).some((loaded) => loaded.startsWith(key))) continue;
      yield fault(
        ["sources", name, "archive", key],
        `sources.${name}.archive: the log of provider ${provider} has no ${key}: remove it`,
        "key",
      );
    }
    yield* formFaults(config, name, provider, cannotMake);
  }
}

const FOREIGN_CHECKS = {
  postgres: [
    { key: "aggregate", instead: "ask with sql" },
    { key: "collection", instead: "say table" },
  ],
  mongodb: [{ key: "sql", instead: "ask with collection and aggregate" }],
} as const;

function* formFaults(config: RootValues, source: string, provider: string, cannotMake: readonly string[]): Iterable<Fault> {
  const policyName = known(known(config.sources, source), "policy");
  const policy = policyName === undefined ? undefined : known(config.policies, policyName);
  if (policyName === undefined || policy === undefined) return;
  const why = (by: string): string =>
    `sources.${source} follows this policy, and provider ${provider} makes no ${by}: leave \`by\` out, or have two policies`;
  for (const [index, rule] of (known(policy, "snapshots") ?? []).entries()) {
    const by = known(rule, "by");
    if (by !== undefined && cannotMake.includes(by))
      yield fault(["policies", policyName, "snapshots", index, "by"], `policies.${policyName}.snapshots[${index}].by: ${why(by)}`);
  }
  const by = known(known(policy, "preDeploy"), "by");
  if (by !== undefined && cannotMake.includes(by))
    yield fault(["policies", policyName, "preDeploy", "by"], `policies.${policyName}.preDeploy.by: ${why(by)}`);
}

function* tierFaults(config: RootValues): Iterable<Fault> {
  for (const [name, policy] of Object.entries(config.policies)) {
    const seen = new Set<string>();
    for (const [index, tier] of (known(policy, "backups") ?? []).entries()) {
      const word = known(tier, "tier");
      if (word === undefined) continue;
      if (seen.has(word)) yield fault(["policies", name, "backups", index, "tier"], `policies.${name} has the tier "${word}" twice`);
      seen.add(word);
    }
    const patterns = new Set<string>();
    for (const [index, rule] of (known(policy, "snapshots") ?? []).entries()) {
      const pattern = known(rule, "name");
      if (pattern === undefined) continue;
      if (patterns.has(pattern))
        yield fault(["policies", name, "snapshots", index, "name"], `policies.${name} has two rules of snapshots named "${pattern}"`);
      patterns.add(pattern);
    }
  }
}

function* encryptionFaults(config: RootValues): Iterable<Fault> {
  const encryption = known(known(config, "repository"), "encryption");
  if (encryption === undefined) return;
  const given = (["recipients", "passphrase", "passphraseFile"] as const).some((key) => {
    const own = Object.getOwnPropertyDescriptor(encryption, key);
    return own?.get !== undefined || (Array.isArray(own?.value) ? own.value.length > 0 : own?.value !== undefined);
  });
  if (!given) {
    yield fault(
      ["repository", "encryption"],
      "repository.encryption names nobody who could open a backup: give recipients (`lifeboat key new` makes one)",
      "key",
    );
  }
}

/** A value without asking for what could not be had. */
function known<T extends object, K extends keyof T>(holder: T | undefined, key: K): T[K] | undefined {
  return holder === undefined ? undefined : (Object.getOwnPropertyDescriptor(holder, key)?.value as T[K] | undefined);
}
