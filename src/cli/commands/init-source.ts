// The first source of a new configuration, as `init` writes it: by who runs the database, which the environment often tells.
import { formatDuration } from "../../core/duration.ts";
import type { ProviderDescriptor } from "../../ports/descriptor.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** By the connection string where there is one, else by the variables of a provider; the first of all where neither tells. */
export function guessProvider(providers: readonly ProviderDescriptor[], env: Env, variable: string): ProviderDescriptor | undefined {
  const url = env[variable];
  const byUrl = providers.filter(({ init }) => init.byUrl);
  if (url) return byUrl.find(({ engine }) => engine.schemes.some((scheme) => url.startsWith(scheme))) ?? byUrl[0];
  return providers.findLast(({ init }) => init.variables.some((name) => env[name])) ?? providers[0];
}

/** `sources` and `policies` of the file. */
export function sourceYaml(name: string, { name: provider, init, objectives }: ProviderDescriptor, variable: string): string {
  const indented = (lines: readonly string[], before: string): string => lines.map((line) => `${before}${line}`).join("\n");
  const seconds = (count: number): string => formatDuration(count * 1000);
  return `sources:
  ${name}:
    provider: ${provider}
${indented(init.place(variable), "    ")}
    policy: standard
    objectives: { rto: ${seconds(objectives.rtoSeconds)}, rpo: ${seconds(objectives.rpoSeconds)} }
    checks: []
    # checks:
${indented(init.checks, "    #   - ")}
policies:
  standard:
${indented(init.policy, "    ")}
`;
}
