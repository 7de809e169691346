// The Atlas Administration API v2 on loopback in front of servers that speak MongoDB's protocol: for tests, the demonstration, and
// trying a policy before it meets production.
//
// It knows one organization with one project. What it assumes of undocumented behaviour is in assumptions.ts.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MongoSandbox } from "../mongo/sandbox.ts";
import { Authenticator, type Credentials, mintCredentials } from "./auth.ts";
import { readSettings } from "./cluster-settings.ts";
import { specsFor } from "./cluster-spec.ts";
import { finishCreation, makeCluster } from "./cluster-work.ts";
import { dataFactory, type MongoState } from "./data.ts";
import { beginTurns, runDue } from "./due-work.ts";
import { DURATIONS, type Durations } from "./durations.ts";
import { Emulator } from "./emulator.ts";
import { FaultList, type Faults } from "./faults.ts";
import { mintId, mintPrivateKey } from "./ids.ts";
import { Buckets, type RateLimitFigures } from "./rate-limits.ts";
import { serve } from "./server.ts";
import { completeNow } from "./snapshot-work.ts";
import type { Cluster, StateName, Store } from "./state.ts";
import { FLEX, FREE } from "./tiers.ts";
import { Timekeeper } from "./time.ts";

export interface AtlasSandboxOptions {
  readonly port?: number | undefined;
  /** The clock of API and data. Default: the machine's. After a jump call `tick`, or use `advance`. */
  readonly clock?: { now(): Date } | undefined;
  /** How many times as fast as the real service it works. Default: 100, a cluster in five seconds. */
  readonly speed?: number | undefined;
  /** Durations to be changed, in simulated milliseconds. */
  readonly delays?: Partial<Durations> | undefined;
  /** The clusters it begins with. Default: one M10 cluster with continuous backup. */
  readonly clusters?: readonly ClusterRequest[] | undefined;
  /** Of that one cluster. */
  readonly tier?: string | undefined;
  readonly backup?: boolean | undefined;
  readonly pit?: boolean | undefined;
  /** Users of the project's databases, for every cluster. Default: one. */
  readonly users?: readonly { readonly user: string; readonly password: string }[] | undefined;
  /** Addresses and blocks that API requests may come from. Default: all. */
  readonly apiAccessList?: readonly string[] | undefined;
  /** Figures of the token buckets `clusters`, `backup`, `events`, `default`. */
  readonly rateLimits?: Readonly<Record<string, RateLimitFigures>> | undefined;
  /** Providers whose keys the project has: `AWS`, `AZURE`, `GCP`. */
  readonly keys?: readonly string[] | undefined;
  /** Parent of the directories that emulate export buckets. Default: a temporary one, which is deleted. */
  readonly bucketRoot?: string | undefined;
  /** How often the data's log gets an entry that changes nothing; 0: never. */
  readonly noopEveryMs?: number | undefined;
}

export interface AtlasSandbox extends Credentials {
  /** Without a path, as `https://cloud.mongodb.com`. */
  readonly apiHost: string;
  readonly orgId: string;
  readonly groupId: string;
  /** Name of the first cluster. */
  readonly cluster: string;
  /** Connection string of the first cluster's data, with user and password. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly faults: Faults;
  /** The emulator's state, for tests. */
  readonly store: Store;
  now(): Date;
  /** Puts the clock forward and does all work that became due, in order. */
  advance(ms: number): Promise<void>;
  /** Does due work, after the test's own clock has jumped. */
  tick(): Promise<void>;
  /** The clusters. `server` is undefined before it is ready, and while it is being restored. */
  clusters(): readonly { readonly name: string; readonly stateName: StateName; readonly server: MongoSandbox | undefined }[];
  /** The parent of the directories that emulate export buckets. */
  bucketRoot(): Promise<string>;
  /** Lets the Backup Compliance Policy be disabled, as a support ticket does. */
  allowComplianceRemoval(): void;
  close(): Promise<void>;
}

const SPEED = 100;

export async function startAtlasSandbox(options: AtlasSandboxOptions = {}): Promise<AtlasSandbox> {
  const { clock } = options;
  const time = new Timekeeper(options.speed ?? SPEED, clock && (() => clock.now().getTime()));
  const users = options.users ?? [{ user: "sandbox", password: mintPrivateKey() }];
  const store = makeStore(time.now(), options.keys ?? []);
  const buckets = bucketDirectory(options.bucketRoot);
  const faults = new FaultList(async (name) => {
    const data = emulator.anyCluster(name).data;
    await data?.shut();
    return async () => data?.open();
  });
  const emulator = new Emulator({
    store,
    time,
    durations: { ...DURATIONS, ...options.delays },
    faults,
    buckets: new Buckets(() => time.elapsedMs(), options.rateLimits),
    data: dataFactory({ users, clock: () => time.clock(), noopEveryMs: options.noopEveryMs, strange: () => faults.lateLogins }),
    bucketRoot: buckets.open,
  });
  const credentials = mintCredentials(time.now());
  const authenticator = new Authenticator(credentials, () => time.clock(), options.apiAccessList);
  const turns = beginTurns(() => runDue(emulator));
  const http = createServer((request, response) => {
    request.on("error", () => response.destroy()); // the client went away
    void serve(emulator, authenticator, turns.take, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  http.requestTimeout = 0;
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => http.close(() => resolve()));
    http.closeAllConnections();
    await closed;
    for (const cluster of store.clusters.values()) await cluster.data?.close();
    await buckets.remove();
  };
  try {
    const requested = options.clusters ?? [{ tier: options.tier, backup: options.backup, pit: options.pit }];
    for (const request of requested) await addCluster(emulator, request);
    await new Promise<void>((resolve, reject) => http.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve));
  } catch (error) {
    turns.stop();
    await stop();
    throw error;
  }
  emulator.origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const [first] = store.clusters.values();
  const [who] = users;
  const as = who === undefined ? "" : `${encodeURIComponent(who.user)}:${encodeURIComponent(who.password)}@`;
  return {
    ...credentials,
    apiHost: emulator.origin,
    orgId: store.orgId,
    groupId: store.groupId,
    cluster: first?.name ?? "",
    url: first?.data === undefined ? "" : `mongodb://${as}${first.data.host}/?authSource=admin&replicaSet=${first.replicaSetName}`,
    user: who?.user ?? "",
    password: who?.password ?? "",
    faults,
    store,
    now: () => time.clock(),
    advance: (ms) => turns.due(() => time.advance(ms)),
    tick: () => turns.due(),
    clusters: () => [...store.clusters.values()].map(({ name, stateName, data }) => ({ name, stateName, server: data?.present })),
    bucketRoot: buckets.open,
    allowComplianceRemoval() {
      if (store.compliance !== undefined) store.compliance.deletable = true;
    },
    async close() {
      const failure = await turns.end();
      await stop();
      if (failure !== undefined) throw failure;
    },
  };
}

function makeStore(now: Date, keys: readonly string[]): Store {
  const enabled = (provider: string): Record<string, unknown> => ({ enabled: keys.includes(provider), valid: keys.includes(provider) });
  return {
    groupId: mintId(now),
    groupName: "sandbox",
    orgId: mintId(now),
    orgName: "Sandbox",
    createdAt: now,
    clusters: new Map(),
    retired: new Map(),
    events: [],
    accessList: new Map(),
    buckets: new Map(),
    alertConfigs: new Map(),
    encryption: { awsKms: enabled("AWS"), azureKeyVault: enabled("AZURE"), googleCloudKms: enabled("GCP") },
    compliance: undefined,
  };
}

/** Made at the first use; deleted when it was made here. */
function bucketDirectory(given: string | undefined): { open(): Promise<string>; remove(): Promise<void> } {
  let made: Promise<string> | undefined;
  const open = (): Promise<string> => {
    if (given !== undefined) return Promise.resolve(given);
    made ??= mkdtemp(join(tmpdir(), "lifeboat-atlas-"));
    return made;
  };
  return {
    open,
    async remove() {
      if (made !== undefined) await rm(await made, { recursive: true, force: true });
    },
  };
}

// The clusters that an emulator begins with: ready at once, with a first snapshot.

export interface ClusterRequest {
  readonly name?: string | undefined;
  /** Default: `M10`. `M0` and `FLEX` are the shared ones. */
  readonly tier?: string | undefined;
  /** Default: `AWS` and `EU_CENTRAL_1`. */
  readonly provider?: string | undefined;
  readonly region?: string | undefined;
  /** Default: `8.0`. */
  readonly majorVersion?: string | undefined;
  /** Default: on, where the tier has it. */
  readonly backup?: boolean | undefined;
  readonly pit?: boolean | undefined;
  readonly protect?: boolean | undefined;
  /** The provider of a customer-managed key: `AWS`, `AZURE`, `GCP`. */
  readonly encryption?: string | undefined;
  readonly state?: MongoState | undefined;
  /** Port of its data. Default: any free one. */
  readonly port?: number | undefined;
  /** Adds to the size of snapshots. */
  readonly extraBytes?: number | undefined;
}

export const FIRST_NAME = "Cluster0";

export async function addCluster(emulator: Emulator, request: ClusterRequest): Promise<Cluster> {
  const tier = request.tier ?? "M10";
  const shared = tier === FREE.name || tier === FLEX.name;
  const backup = !shared && (request.backup ?? true);
  const body = {
    replicationSpecs: specsFor(shared ? FREE.name : tier, request.provider ?? "AWS", request.region ?? "EU_CENTRAL_1"),
    backupEnabled: backup,
    pitEnabled: backup && (request.pit ?? true),
    terminationProtectionEnabled: request.protect ?? false,
    encryptionAtRestProvider: request.encryption ?? "NONE",
    ...(request.majorVersion === undefined ? {} : { mongoDBMajorVersion: request.majorVersion }),
  };
  const settings = readSettings(body, emulator.store, () => emulator.mint());
  const kind = tier === FLEX.name ? "flex" : tier === FREE.name ? "free" : "dedicated";
  const cluster = makeCluster(emulator, request.name ?? FIRST_NAME, kind, settings);
  cluster.extraBytes = request.extraBytes ?? 0;
  cluster.seed = request.state;
  await finishCreation(emulator, cluster, request.port);
  for (const snapshot of cluster.snapshots.values()) completeNow(emulator, cluster, snapshot);
  return cluster;
}
