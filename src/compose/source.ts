// One source of the configuration as the object that operations work with.
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/load.ts";
import type { SourceConfig } from "../config/tables/sources.ts";
import { inTimeZone } from "../core/cron.ts";
import type { DrillPlan } from "../core/drill-schedule.ts";
import { NAME_PATTERNS } from "../core/names.ts";
import { objectiveOf } from "../core/objectives.ts";
import type { RetentionPolicy } from "../core/retention.ts";
import type { ArchiveOptions, SnapshotPolicy, Source } from "../operations/context.ts";
import type { Clock } from "../ports/clock.ts";
import type { ProviderDescriptor, ScratchSettings } from "../ports/descriptor.ts";
import type { Engine } from "../ports/engine.ts";
import type { Probe } from "../ports/probe.ts";
import type { Provider } from "../ports/provider.ts";

export interface SourceSurroundings {
  readonly clock: Clock;
  /**
   * Only what is stored is looked at: of sources without a control plane neither engine nor provider is loaded, and using one throws a
   * TypeError.
   */
  readonly storedOnly?: boolean | undefined;
}

const LONGEST_PARTIAL_MS = 60_000;
const MAX_BEHIND_BYTES = 8_000_000_000;

function archiveOf(name: string, { archive }: SourceConfig, rpoSeconds: number, directory: string): ArchiveOptions {
  return {
    slot: archive?.slot ?? `lifeboat_${name.toLowerCase().replace(/[^a-z0-9_]/g, "_")}`.slice(0, 63),
    directory: archive?.directory ?? join(directory, name),
    // A partial segment every half RPO: the other half is for storing it.
    partialEveryMs: archive?.partialEveryMs ?? Math.max(1000, Math.min(LONGEST_PARTIAL_MS, (rpoSeconds * 1000) / 2)),
    maxBehindBytes: archive?.maxBehindBytes ?? MAX_BEHIND_BYTES,
    receive: archive?.receive ?? true,
  };
}

/** A command that looks at what is stored has no use for the code of an engine. */
const STORED_ONLY = {
  makeEngine(): Engine {
    throw new TypeError("this command loads no engine");
  },
  makeProvider(): Provider {
    throw new TypeError("this command loads no provider");
  },
};

/** Every source by its name. `archives`: the folder for log that waits to be stored. */
export async function wireSources(config: Config, around: SourceSurroundings, archives: string): Promise<Map<string, Source>> {
  const sources = new Map<string, Source>();
  // Thousands of sources may share a provider and a policy: what the two mean together is worked out once.
  const shared = new Map<string, Shared>();
  for (const name of Object.keys(config.sources)) {
    const { provider, policy } = config.source(name);
    const key = JSON.stringify([provider, policy]);
    const parts = shared.get(key) ?? (await sharedParts(config, provider, policy, around));
    shared.set(key, parts);
    sources.set(name, wireSource(config, name, { clock: around.clock, archives, ...parts }));
  }
  return sources;
}

/** What sources of one provider and one policy have in common. */
type Shared = Awaited<ReturnType<typeof sharedParts>>;

async function sharedParts(config: Config, provider: string, policy: string | undefined, { storedOnly }: SourceSurroundings) {
  const descriptor = descriptorOf(config, provider);
  return {
    descriptor,
    adapter: storedOnly && !descriptor.managed ? STORED_ONLY : await descriptor.load(),
    ...wirePolicy(policy === undefined ? undefined : config.policies[policy], descriptor),
  };
}

function wirePolicy(policy: PolicyConfig | undefined, descriptor: ProviderDescriptor) {
  const windowMs = policy?.windowMs ?? descriptor.windowMs;
  const snapshotPolicy = snapshotPolicyOf(policy, descriptor);
  return {
    policy: policyOf(policy),
    windowMs,
    snapshotPolicy,
    desired: {
      windowMs,
      protect: snapshotPolicy.protect,
      rules: snapshotPolicy.rules,
      names: [snapshotPolicy.preDeploy.name],
      encryptionProvider: policy?.encryptionProvider,
    },
    changes: policy?.changes,
    baseCron: descriptor.archives && windowMs !== undefined ? inTimeZone(policy?.base ?? WEEKLY, policy?.timeZone) : undefined,
    expireCron: policy === undefined ? undefined : inTimeZone(policy.expire ?? DAILY, policy.timeZone),
    jitterMs: policy?.jitterMs ?? 0,
  };
}

type Wiring = Shared & Pick<SourceSurroundings, "clock"> & { readonly archives: string };

function wireSource(config: Config, name: string, { clock, archives, descriptor, adapter, desired, ...ofPolicy }: Wiring): Source {
  const source = config.source(name);
  const { managed, scratchHere } = descriptor;
  const objective = objectiveOf(descriptor.objectives, source.objectives);
  const common = () => ({ engineOptions: source.engine, tools: config.tools.programs[descriptor.engine.name]?.read() });
  let engine: Engine | undefined;
  let provider: Provider | undefined;
  return {
    name,
    approval: source.approval === "required",
    providerName: source.provider,
    managed,
    get productionName() {
      return descriptor.productionName?.(source.own.read());
    },
    get engine() {
      engine ??= adapter.makeEngine({ ...common(), options: source.own, isolation: config.scratch.isolation });
      return engine;
    },
    /** Made when it is first used: a command that does without one source does without its project, too. */
    get provider() {
      provider ??= adapter.makeProvider({
        ...common(),
        options: source.own.read(),
        scratch: scratchOf(config, source),
        desired,
        clock,
      });
      return provider;
    },
    objective,
    ...ofPolicy,
    get archive() {
      return descriptor.archives ? archiveOf(name, source, objective.rpoSeconds, archives) : undefined;
    },
    get scratchDirectory() {
      return scratchHere && source.scratch.url === undefined ? (config.scratch.directory?.read() ?? tmpdir()) : undefined;
    },
    drills: drillsOf(config, name),
    sizeLimitBytes: source.sizeLimitBytes,
    labels: source.labels.length > 0 ? source.labels : undefined,
    probes: source.checks.map(probeOf),
    hooks: source.hooks,
    health: source.health,
    tables: source.tables.length > 0 ? source.tables : undefined,
  };
}

const scratchOf = ({ scratch: { directory, user, isolation } }: Config, { scratch: { url } }: SourceConfig): ScratchSettings => ({
  url,
  directory: directory?.read(),
  user: user?.read(),
  isolation,
});

function descriptorOf({ descriptors }: Config, name: string): ProviderDescriptor {
  const found = descriptors.providers.find((one) => one.name === name);
  if (found === undefined) throw new TypeError(`no descriptor of ${name}`); // the configuration was checked
  return found;
}

/** How often a base backup is made where the policy does not say. */
const WEEKLY = "0 3 * * 0";
/** When what has expired is removed where the policy does not say. */
const DAILY = "0 4 * * *";

function drillsOf({ drills }: Config, source: string): DrillPlan[] {
  return Object.entries(drills).flatMap(([name, { sources, cron, timeZone, to, name: pattern }]) =>
    cron !== undefined && sources.includes(source) ? [{ name, cron: inTimeZone(cron, timeZone), to, pattern }] : [],
  );
}

/** A question about a collection is one about a table: only a pipeline needs to know that it is run in a collection. */
function probeOf({ collection, ...check }: SourceConfig["checks"][number]): Probe {
  const asked = check.aggregate === undefined && collection !== undefined ? { ...check, table: collection } : { ...check, collection };
  // What a check does not say is absent: which kind it is, its keys tell.
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as Probe;
}

type PolicyConfig = Config["policies"][string];

function policyOf(policy: PolicyConfig | undefined): RetentionPolicy {
  return policy === undefined
    ? { tiers: [] }
    : {
        tiers: policy.backups.map(({ keep, cron, ...tier }) => ({ ...tier, cron: inTimeZone(cron, policy.timeZone), keepMs: keep })),
        keepManualMs: policy.keepManual,
      };
}

function snapshotPolicyOf(policy: PolicyConfig | undefined, { pointsBy, form }: ProviderDescriptor): SnapshotPolicy {
  const { name, keep, by = form } = policy?.preDeploy ?? { name: NAME_PATTERNS.preDeploy, keep: 7 * 86_400_000 };
  return {
    rules:
      policy?.snapshots.map(({ keep: keepMs, by = pointsBy, cron, ...rule }) => ({
        ...{ ...rule, keepMs, by },
        cron: by === "provider" ? cron : inTimeZone(cron, policy.timeZone),
      })) ?? [],
    protect: policy?.protect === true,
    keepManualMs: policy?.keepManual ?? "forever",
    preDeploy: { name, keepMs: keep, by },
  };
}
