// A provider over the Atlas sandbox, impatient enough for tests; and data whose every second can be told apart.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { MongoClient } from "mongodb";
import { type AtlasSandbox, type AtlasSandboxOptions, startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { isLifeboatError, type LifeboatError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { HistoryControl, SettingsControl, SnapshotControl } from "../../src/ports/control.ts";
import type { Desired, PointRule } from "../../src/ports/descriptor.ts";
import type { Provider } from "../../src/ports/provider.ts";
import type { Resource } from "../../src/ports/resource.ts";
import type { AtlasOptions } from "../../src/providers/atlas/options.ts";
import { createAtlasProvider } from "../../src/providers/atlas/provider.ts";

export const DAY_MS = 86_400_000;

export const HASTE = {
  requestMs: 5_000,
  busyMs: 5_000,
  outageMs: 2_000,
  retryMs: 5,
  pollMs: 15,
  silenceMs: 5_000,
  clusterMs: 20_000,
  deleteMs: 20_000,
  snapshotMs: 20_000,
  restoreMs: 20_000,
  exportMs: 20_000,
  connectMs: 5_000,
  loginMs: 3_000,
  lagMs: 0,
};

export type AtlasProvider = Provider & {
  readonly settings: SettingsControl;
  readonly snapshots: SnapshotControl & Required<Pick<SnapshotControl, "export">>;
  readonly history: HistoryControl & Required<Pick<HistoryControl, "over" | "tables">>;
  readonly orphans: NonNullable<Provider["orphans"]>;
};

/** Work runs 3000 times as fast as at the real service. */
export async function atlasSandbox(t: TestContext, options: AtlasSandboxOptions = {}): Promise<AtlasSandbox> {
  const sandbox = await startAtlasSandbox({ speed: 3000, ...options });
  t.after(() => sandbox.close());
  return sandbox;
}

type Overrides = Partial<Omit<AtlasOptions, "desired">> & { readonly desired?: Partial<Desired> };

/** The provider of the sandbox's first cluster, on the sandbox's clock. */
export function providerOf(sandbox: AtlasSandbox, { desired, timeouts, ...rest }: Overrides = {}): AtlasProvider {
  return createAtlasProvider({
    groupId: sandbox.groupId,
    cluster: sandbox.cluster,
    credentials: { clientId: sandbox.clientId, clientSecret: Secret.of(sandbox.clientSecret) },
    apiHost: sandbox.apiHost,
    user: sandbox.user,
    password: Secret.of(sandbox.password),
    clock: { now: () => sandbox.now(), monotonicMs: () => performance.now(), randomBytes },
    ...rest,
    timeouts: { ...HASTE, ...timeouts },
    desired: { protect: false, rules: [], windowMs: 2 * DAY_MS, ...desired },
  }) as AtlasProvider;
}

/** What a team does by hand today (R14): daily for 30 days, weekly for 12 weeks, monthly for 12 months. */
export const RULES: readonly PointRule[] = [
  { name: "backup-{date}", cron: "0 0 * * *", keepMs: 30 * DAY_MS, by: "provider" },
  { name: "weekly-{date}", cron: "0 0 * * 0", keepMs: 84 * DAY_MS, by: "provider" },
  { name: "monthly-{month}", cron: "0 0 1 * *", keepMs: 365 * DAY_MS, by: "provider" },
];

/** A journal of nothing but a list. */
export function journal(): { readonly declared: Resource[]; declare(resource: Resource): Promise<void> } {
  const declared: Resource[] = [];
  return { declared, declare: async (resource) => void declared.push(resource) };
}

export const JOB = "0123456789abcd";

/** How many requests of a kind the sandbox has seen. */
export const asked = (sandbox: AtlasSandbox, method: string, path: RegExp): number =>
  sandbox.faults.seen.filter((seen) => seen.method === method && path.test(seen.path)).length;

export const clusterNames = (sandbox: AtlasSandbox): string[] => sandbox.clusters().map(({ name }) => name);

export async function inMongo<T>(url: string, act: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5_000 });
  try {
    return await act(client);
  } finally {
    await client.close(true);
  }
}

/** Writes these, then lets two seconds pass, so that the next write is in another second. */
export async function write(sandbox: AtlasSandbox, values: readonly number[], collection = "orders"): Promise<Date> {
  await inMongo(sandbox.url, async (client) => {
    await client
      .db("shop")
      .collection(collection)
      .insertMany(values.map((value) => ({ _id: value as never, at: sandbox.now(), note: `n${value}` })));
  });
  await sandbox.advance(2_000);
  return new Date(Math.floor(sandbox.now().getTime() / 1000) * 1000);
}

/** What is in a place, by what was written. */
export async function values({ url }: Pick<Connection, "url">, collection = "orders"): Promise<number[]> {
  return await inMongo(url, async (client) => {
    const found = await client.db("shop").collection(collection).find().sort({ _id: 1 }).toArray();
    return found.map(({ _id }) => _id as unknown as number);
  });
}

export async function failureOf(wanted: Promise<unknown>): Promise<LifeboatError> {
  try {
    await wanted;
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  assert.fail("it was expected to fail");
}
