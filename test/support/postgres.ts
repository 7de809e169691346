// Real PostgreSQL clusters for tests: one a test file, started when first asked for, gone at its end or when the process dies.
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import pg from "pg";
import { beginCluster, type Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { programEnvironment, secretsOf } from "../../src/engines/postgres/connect/programs.ts";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { runProgram } from "../../src/process/run.ts";

const BIN = findBin();

/** The directory with the newest server's programs, or undefined. */
function findBin(): string | undefined {
  const debian = "/usr/lib/postgresql";
  const majors = existsSync(debian) ? readdirSync(debian).filter((name) => /^\d+$/.test(name)) : [];
  const candidates = [
    ...majors.sort((a, b) => Number(b) - Number(a)).map((major) => join(debian, major, "bin")),
    ...["/opt/homebrew/opt", "/usr/local/opt"].flatMap((base) => [18, 17, 16, 15].map((major) => `${base}/postgresql@${major}/bin`)),
    ...(process.env.PATH ?? "").split(":"),
  ];
  return candidates.find((bin) => existsSync(join(bin, "initdb")) && existsSync(join(bin, "postgres")));
}

/** For `test(name, { skip: skipWithoutPostgres() }, …)`: false, or the reason. */
export function skipWithoutPostgres(): string | false {
  return BIN === undefined ? "PostgreSQL's server programs (initdb, postgres) are not installed" : false;
}

/** Where the programs are; throws where `skipWithoutPostgres()` gives a reason. */
export function postgresBin(): string {
  if (BIN === undefined) throw new Error("PostgreSQL's server programs are not installed");
  return BIN;
}

export interface TestClusterOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly encoding?: string;
  readonly locale?: string;
  readonly hba?: string;
}

/** A cluster of a test's own; the caller stops it. */
export async function testCluster(options: TestClusterOptions = {}): Promise<Cluster> {
  const jobId = `test-${randomBytes(5).toString("hex")}`;
  return await beginCluster({
    directory: join(tmpdir(), `lifeboat-${jobId}`),
    bin: postgresBin(),
    jobId,
    durable: false,
    ...options,
    settings: { shared_buffers: "32MB", ...options.settings },
  });
}

let shared: Promise<Cluster> | undefined;

// Registered on loading, and so for the whole file: inside of a test it would belong to that test.
after(async () => await (await shared)?.stop());

/** The cluster that all tests of this file share. Stopped after the last of them. Import this module at the top of the file. */
export function sharedCluster(): Promise<Cluster> {
  shared ??= testCluster();
  return shared;
}

/** An empty database in the shared cluster (or the given one), of a random name unless one is given. */
export async function freshDatabase(name = `t_${randomBytes(6).toString("hex")}`, cluster?: Cluster): Promise<Connection> {
  const where = cluster ?? (await sharedCluster());
  await query(where.connection("postgres"), `create database "${name.replaceAll('"', '""')}" template template0`);
  return where.connection(name);
}

export interface Application {
  /** Rows of the last statement. Instants and big numbers come as the server writes them; errors are the server's own. */
  query<R extends Record<string, unknown> = Record<string, unknown>>(sql: string): Promise<R[]>;
  close(): Promise<void>;
}

/** A session as an application has it: with the search path and settings of its database and role, which Lifeboat's own never take. */
export async function openApplication(connection: Connection): Promise<Application> {
  const { host, port, user, password, database, parameters } = partsOf(connection);
  const client = new pg.Client({
    ...{ host, port, user, database },
    ssl: parameters.sslmode === "require" ? { rejectUnauthorized: false } : false,
    ...(password === undefined ? {} : { password }),
    ...(parameters.options === undefined ? {} : { options: parameters.options }),
    types: { getTypeParser: (oid, format) => (AS_TEXT.has(oid) ? String : pg.types.getTypeParser(oid, format as "text")) },
  });
  client.on("error", () => {});
  await client.connect();
  return {
    async query<R extends Record<string, unknown>>(sql: string): Promise<R[]> {
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(sql);
      return ((Array.isArray(result) ? result.at(-1) : result)?.rows ?? []) as R[];
    },
    close: () => client.end(),
  };
}

const AS_TEXT = new Set([1082, 1083, 1114, 1184, 1266, 1186]);

/** Runs SQL (one or many statements, no parameters) as an application would, and gives the last statement's rows. */
export async function query<R extends Record<string, unknown> = Record<string, unknown>>(
  connection: Connection,
  sql: string,
): Promise<R[]> {
  const application = await openApplication(connection);
  try {
    return await application.query<R>(sql);
  } finally {
    await application.close();
  }
}

/** Runs the real `psql`, stops at the first error, and gives its output. */
export async function psql(connection: Connection, args: readonly string[]): Promise<string> {
  // As a user has it: only what the address itself says of the session.
  const { PGOPTIONS: _ours, ...environment } = programEnvironment(connection);
  const { options } = partsOf(connection).parameters;
  const result = await runProgram(join(postgresBin(), "psql"), ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", ...args], {
    env: { ...environment, ...(options === undefined ? {} : { PGOPTIONS: options }) },
    secrets: secretsOf(connection),
    timeoutMs: 120_000,
    maxOutputBytes: 64 * 1024 * 1024,
  });
  if (result.status !== 0) throw new Error(result.end);
  return result.stdout;
}

/** Loads a file of SQL through `psql`. */
export async function loadSql(connection: Connection, file: string): Promise<void> {
  await psql(connection, ["-f", file]);
}

/** Path of a public data set (`chinook.sql`, `pagila.sql`), or undefined where it is absent. */
export function dataSet(name: string): string | undefined {
  const path = join(import.meta.dirname, "../../../shared/data/postgres", name);
  return existsSync(path) ? path : undefined;
}
