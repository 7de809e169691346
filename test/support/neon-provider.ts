// A provider over the Neon sandbox, impatient enough for tests.
import { randomBytes } from "node:crypto";
import type { NeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import { Secret } from "../../src/core/secret.ts";
import type { HistoryControl, SettingsControl, SnapshotControl } from "../../src/ports/control.ts";
import type { Desired } from "../../src/ports/descriptor.ts";
import type { Provider } from "../../src/ports/provider.ts";
import type { Resource } from "../../src/ports/resource.ts";
import type { NeonOptions } from "../../src/providers/neon/options.ts";
import { createNeonProvider } from "../../src/providers/neon/provider.ts";

export const DAY_MS = 86_400_000;

export const HASTE = { requestMs: 5_000, busyMs: 5_000, outageMs: 2_000, operationMs: 20_000, pollMs: 20, retryMs: 10, coldStartMs: 0 };

export type NeonProvider = Provider & {
  readonly settings: SettingsControl;
  readonly snapshots: SnapshotControl;
  readonly history: HistoryControl & Required<Pick<HistoryControl, "promote">>;
};

type Overrides = Partial<Omit<NeonOptions, "desired">> & { readonly desired?: Partial<Desired> };

/** The provider of the sandbox's project, on the sandbox's clock. */
export function providerOf(sandbox: NeonSandbox, { desired, timeouts, ...rest }: Overrides = {}): NeonProvider {
  return createNeonProvider({
    projectId: sandbox.projectId,
    apiKey: Secret.of(sandbox.apiKey),
    apiHost: sandbox.apiHost,
    branch: sandbox.branch,
    clock: { now: () => sandbox.now(), monotonicMs: () => performance.now(), randomBytes },
    ...rest,
    timeouts: { ...HASTE, ...timeouts },
    desired: { protect: false, rules: [], ...desired },
  }) as NeonProvider;
}

/** A journal of nothing but a list. */
export function journal(): { readonly declared: Resource[]; declare(resource: Resource): Promise<void> } {
  const declared: Resource[] = [];
  return { declared, declare: async (resource) => void declared.push(resource) };
}

/** How many requests of a kind the sandbox has seen. */
export const asked = (sandbox: NeonSandbox, method: string, path: RegExp): number =>
  sandbox.faults.seen.filter((seen) => seen.method === method && path.test(seen.path)).length;
