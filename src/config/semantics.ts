// Rules over the whole configuration: names that must exist, names that must be valid, promises that need a key.
import { isLifeboatError } from "../core/errors.ts";
import { validateName } from "../core/names.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Descriptors } from "../ports/descriptor.ts";
import type { RootValues } from "./tables/root.ts";
import type { Path } from "./tree.ts";

export interface Fault {
  readonly path: Path;
  readonly part: "key" | "value";
  readonly message: string;
  readonly code: "CONFIG_INVALID" | "NAME_INVALID";
}

const fault = (path: Path, message: string, part: Fault["part"] = "value"): Fault => ({ path, part, message, code: "CONFIG_INVALID" });

/** Every rule that does not hold. */
export function faultsOf(config: RootValues, descriptors: Descriptors): Fault[] {
  return [
    ...nameFaults(config),
    ...referenceFaults(config),
    ...kindFaults(config, descriptors),
    ...tierFaults(config),
    ...limitFaults(config, descriptors),
    ...approvalFaults(config),
  ];
}

function* nameFaults(config: RootValues): Iterable<Fault> {
  const groups = ["sources", "policies", "drills", "notify", "cutover"] as const;
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
  for (const [name, { policy }] of Object.entries(config.sources)) {
    if (policy === undefined || policies.includes(policy)) continue;
    const list = policies.length === 0 ? "there are none" : `there are ${policies.join(", ")}`;
    const message = `sources.${name}.policy: no policy is called "${policy}" (${list})${didYouMean(policy, policies)}`;
    yield fault(["sources", name, "policy"], message);
  }
  const sources = Object.keys(config.sources);
  for (const [name, drill] of Object.entries(config.drills)) {
    for (const [index, source] of drill.sources.entries()) {
      if (sources.includes(source)) continue;
      yield fault(["drills", name, "sources", index], `drills.${name}: no source is called "${source}"${didYouMean(source, sources)}`);
    }
  }
  for (const [index, { from, to }] of config.references.entries()) {
    for (const { source } of [from, to]) {
      if (sources.includes(source)) continue;
      yield fault(["references", index], `references[${index}]: no source is called "${source}"${didYouMean(source, sources)}`);
    }
  }
  for (const [name, { source }] of Object.entries(config.cutover)) {
    if (sources.includes(source)) continue;
    yield fault(["cutover", name, "source"], `cutover.${name}: no source is called "${source}"${didYouMean(source, sources)}`);
  }
  for (const [name, channel] of Object.entries(config.notify)) {
    for (const [index, source] of channel.sources.entries()) {
      if (sources.includes(source)) continue;
      yield fault(["notify", name, "sources", index], `notify.${name}: no source is called "${source}"${didYouMean(source, sources)}`);
    }
  }
}

function* limitFaults({ limits, sources, queue, workers }: RootValues, { providers }: Descriptors): Iterable<Fault> {
  const known = { sources: Object.keys(sources), providers: providers.map(({ name }) => name) };
  for (const group of ["sources", "providers"] as const) {
    for (const name of Object.keys(limits[group])) {
      if (known[group].includes(name)) continue;
      const what = group.slice(0, -1);
      yield fault(["limits", group, name], `limits.${group}: no ${what} is called "${name}"${didYouMean(name, known[group])}`, "key");
    }
  }
  if (queue !== undefined && workers.takeOverMs < LEAST_TAKE_OVER_MS)
    yield fault(["workers", "takeOver"], "workers.takeOver must be at least 5s");
}

const LEAST_TAKE_OVER_MS = 5_000;

function* approvalFaults({ sources, approval }: RootValues): Iterable<Fault> {
  const approvers = Object.entries(approval.approvers);
  for (const [name, source] of Object.entries(sources)) {
    if (source.approval === "required" && approvers.length === 0)
      yield fault(["sources", name, "approval"], `sources.${name}.approval: approval.approvers names no one who could approve`);
  }
  for (const [at, [name, { key }]] of approvers.entries()) {
    const other = approvers.slice(0, at).find(([, one]) => one.key === key);
    if (other !== undefined)
      yield fault(["approval", "approvers", name, "key"], `approval.approvers: ${other[0]} and ${name} have the same key`);
  }
}

/** What a source's checks and policy ask for and its engine or provider does not have. */
function* kindFaults(config: RootValues, { providers }: Descriptors): Iterable<Fault> {
  for (const [name, source] of Object.entries(config.sources)) {
    const provider = providers.find((one) => one.name === source.provider);
    if (provider === undefined) continue;
    for (const [index, check] of source.checks.entries()) {
      const foreign = Object.entries(provider.engine.foreignChecks).find(([key]) => Object.hasOwn(check, key));
      if (foreign === undefined) continue;
      const [key, instead] = foreign;
      const message = `sources.${name}.checks[${index}]: provider ${provider.name} has no ${key}: ${instead}`;
      yield fault(["sources", name, "checks", index, key], message, "key");
    }
    const { policy } = source;
    if (policy !== undefined && Object.hasOwn(config.policies, policy)) yield* formFaults(config, name, policy, provider);
  }
}

function* formFaults(config: RootValues, source: string, name: string, provider: Descriptors["providers"][number]): Iterable<Fault> {
  const policy = config.policies[name];
  const faultAt = (by: string | undefined, path: readonly (string | number)[], place: string): Fault[] => {
    if (by === undefined || !provider.cannotMake?.some((form) => form === by)) return [];
    const why = `sources.${source} follows this policy, and provider ${provider.name} makes no ${by}: leave \`by\` out, or have two policies`;
    return [fault(["policies", name, ...path, "by"], `policies.${name}.${place}.by: ${why}`)];
  };
  for (const [index, { by }] of (policy?.snapshots ?? []).entries()) yield* faultAt(by, ["snapshots", index], `snapshots[${index}]`);
  yield* faultAt(policy?.preDeploy.by, ["preDeploy"], "preDeploy");
}

function* tierFaults(config: RootValues): Iterable<Fault> {
  for (const [name, policy] of Object.entries(config.policies)) {
    const seen = new Set<string>();
    for (const [index, { tier: word }] of policy.backups.entries()) {
      if (seen.has(word)) yield fault(["policies", name, "backups", index, "tier"], `policies.${name} has the tier "${word}" twice`);
      seen.add(word);
    }
    const patterns = new Set<string>();
    for (const [index, { name: pattern }] of policy.snapshots.entries()) {
      if (patterns.has(pattern))
        yield fault(["policies", name, "snapshots", index, "name"], `policies.${name} has two rules of snapshots named "${pattern}"`);
      patterns.add(pattern);
    }
  }
}
