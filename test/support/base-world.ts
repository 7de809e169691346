// A cluster that can be copied, a repository, and a context over both: for tests of base backups below the command line.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { chown } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type BaseOptions, beginBase } from "../../src/engines/postgres/base/begin.ts";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import type { Context, Source, Watch } from "../../src/operations/context.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import type { Storage } from "../../src/ports/storage.ts";
import { serverUser } from "../../src/process/server-user.ts";
import { openCatalog } from "../../src/repository/catalog.ts";
import { createRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { generateIdentity } from "../../src/seal/keys.ts";
import { openLocalStorage } from "../../src/storage/local/local.ts";
import { systemClock } from "../../src/system-clock.ts";
import { testCluster } from "./postgres.ts";
import { temporaryDirectory, testTrust } from "./repository.ts";

export const quiet: Watch = { signal: new AbortController().signal, progress: silentProgress };

/** A cluster with all that a copy needs; stopped with the test. */
export async function copyableCluster(t: TestContext, settings: Readonly<Record<string, string>> = {}): Promise<Cluster> {
  const cluster = await testCluster({ settings: { wal_level: "replica", max_wal_senders: "5", full_page_writes: "on", ...settings } });
  t.after(() => cluster.stop());
  return cluster;
}

/** An empty directory that the server may use for a tablespace. */
export async function tablespaceDirectory(t: TestContext): Promise<string> {
  const outer = mkdtempSync(join(tmpdir(), "lts-"));
  t.after(() => rmSync(outer, { recursive: true, force: true }));
  chmodSync(outer, 0o711);
  const directory = join(outer, "space");
  mkdirSync(directory, { mode: 0o700 });
  const user = await serverUser();
  if (user !== undefined) await chown(directory, user.uid, user.gid);
  return directory;
}

export interface BaseWorld {
  readonly context: Context;
  readonly source: Source;
  readonly repository: Repository;
  /** Folder of the repository, and what opens it. */
  readonly directory: string;
  readonly identity: string;
}

/** `wrap`: a storage that does something else than the real one. `how`: what the engine is told beside. */
export async function baseWorld(
  t: TestContext,
  connection: Connection,
  wrap: (storage: Storage) => Storage = (storage) => storage,
  how: Partial<BaseOptions> = {},
): Promise<BaseWorld> {
  const directory = await temporaryDirectory(t);
  const storage = openLocalStorage({ directory });
  t.after(() => storage.close());
  const { identity, recipient } = await generateIdentity();
  const repository = { ...(await createRepository(storage, [recipient], systemClock, testTrust())), storage: wrap(storage) };
  const catalog = openCatalog(repository, await temporaryDirectory(t));
  t.after(() => catalog.close());
  const engine = openPostgresEngine();
  const source = {
    name: "shop",
    providerName: "postgres",
    provider: { name: "postgres", capabilities: { physical: true, scratch: true }, connection: async () => connection },
    engine: {
      ...engine,
      physical: { ...engine.physical, beginBase: (at: Connection, given: BaseOptions) => beginBase(at, { ...given, ...how }) },
    },
    policy: { tiers: [], keepManualMs: "forever" },
    probes: [],
  } as unknown as Source;
  const context = {
    repository,
    catalog,
    clock: systemClock,
    sources: new Map([["shop", source]]),
    servers: new Map(),
    sealKey: { recipients: [recipient] },
    openKey: async () => ({ identities: [identity] }),
    lifeboat: "0",
  } as unknown as Context;
  return { context, source, repository, directory, identity };
}

/** A proxy of the cluster in which `change` may alter the server's bytes. `sentBytes` counts from the begin of each connection. */
export async function throughProxy(
  t: TestContext,
  cluster: Cluster,
  connection: Connection,
  change: (chunk: Buffer, sentBytes: number) => Buffer,
): Promise<Connection> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(join(cluster.socketDirectory, `.s.PGSQL.${cluster.port}`));
    let sentBytes = 0;
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => socket.destroy());
    }
    client.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => {
      const changed = change(chunk, sentBytes);
      sentBytes += chunk.length;
      if (!client.write(changed)) {
        upstream.pause();
        client.once("drain", () => upstream.resume());
      }
    });
    upstream.on("end", () => client.end());
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return connectionFromParts({ ...partsOf(connection), host: "127.0.0.1", port, parameters: { sslmode: "disable" } });
}
