// A PostgreSQL server of a test's own that writes a log worth reading: it can be killed, restarted and promoted, and its
// segments can be small.
import { randomBytes } from "node:crypto";
import { appendFile, chown, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectionFromParts } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { type Child, startChild } from "../../src/process/child.ts";
import { baseEnvironment } from "../../src/process/environment.ts";
import { runProgram } from "../../src/process/run.ts";
import { serverUser } from "../../src/process/server-user.ts";
import { postgresBin, query } from "./postgres.ts";

export interface LogClusterOptions {
  readonly segmentMegabytes?: number;
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf; absent: everybody, replication included. */
  readonly hba?: string;
  /** Files of a data directory to start from (a base backup in plain form was put there); absent: initdb. */
  readonly from?: (data: string) => Promise<void>;
}

export interface LogCluster {
  readonly root: string;
  readonly data: string;
  connection(database?: string, user?: string): Connection;
  start(): Promise<void>;
  /** Like a crash: nothing is written afterwards. */
  kill(): Promise<void>;
  /** Cleanly, and keeps the data. */
  shutDown(): Promise<void>;
  /** Runs one of the server's programs as its user. */
  run(program: string, args: readonly string[]): Promise<string>;
  remove(): Promise<void>;
}

const PORT = 5432;

export async function logCluster(options: LogClusterOptions = {}): Promise<LogCluster> {
  const root = join(tmpdir(), `lifeboat-log-${randomBytes(5).toString("hex")}`);
  const data = join(root, "data");
  const owner = await serverUser();
  const as = owner ?? {};
  await mkdir(root, { mode: 0o755 });
  if (owner) await chown(root, owner.uid, owner.gid);
  const run = async (program: string, args: readonly string[]): Promise<string> => {
    const result = await runProgram(join(postgresBin(), program), args, {
      env: baseEnvironment(),
      ...as,
      cwd: "/",
      timeoutMs: 120_000,
      maxOutputBytes: 512 * 1024 * 1024,
    });
    if (result.status !== 0) throw new Error(result.end);
    return result.stdout;
  };
  const settings = {
    listen_addresses: "",
    unix_socket_directories: root,
    port: String(PORT),
    fsync: "off",
    shared_buffers: "16MB",
    wal_level: "replica",
    wal_keep_size: "4GB",
    max_prepared_transactions: "5",
    log_min_messages: "fatal",
    timezone: "UTC",
    wal_sender_timeout: "10s",
    ...options.settings,
  };
  let child: Child | undefined;
  const connection = (database = "postgres", user = "postgres"): Connection =>
    connectionFromParts({ host: root, port: PORT, user, password: undefined, database, parameters: {} });

  const cluster: LogCluster = {
    root,
    data,
    connection,
    run,
    async start() {
      child = await startChild(join(postgresBin(), "postgres"), ["-D", data], {
        env: baseEnvironment(),
        ...as,
        cwd: "/",
        stdout: "ignore",
        parentDeathSignal: "QUIT",
      });
      let gone = false;
      void child.closed.then(() => {
        gone = true;
      });
      for (;;) {
        if (gone) throw new Error(`the server ended: ${child.stderrTail()}`);
        try {
          await query(connection(), "select 1");
          return;
        } catch {
          await sleep(50);
        }
      }
    },
    async kill() {
      if (!child) return;
      process.kill(-child.pid, "SIGKILL");
      await child.closed;
      child = undefined;
    },
    async shutDown() {
      if (!child) return;
      process.kill(child.pid, "SIGINT");
      await child.closed;
      child = undefined;
    },
    async remove() {
      await cluster.kill();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  try {
    if (options.from) await options.from(data);
    else
      await run("initdb", [
        "-D",
        data,
        "-N",
        "-A",
        "trust",
        "-U",
        "postgres",
        "--locale=C",
        `--wal-segsize=${options.segmentMegabytes ?? 16}`,
      ]);
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    await appendFile(join(data, "postgresql.conf"), lines.join(""));
    if (options.hba !== undefined) await writeFile(join(data, "pg_hba.conf"), options.hba);
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster.remove();
    throw error;
  }
}
