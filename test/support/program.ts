// The real program as its users run it: `bin/lifeboat` as a child, with a configuration, a key and a repository of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type * as z from "zod/mini";
import type { NeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import { OPERATIONS } from "../../src/operations/registry.ts";
import { failedOperation } from "../../src/operations/schemas.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { generateIdentity } from "../../src/seal/keys.ts";
import { cases } from "./every.ts";
import type { S3Emulator } from "./s3/emulator.ts";

/** The bundle that a run of the tests has built (see test/run.ts); of a file that is run by itself, the sources. */
export const PROGRAM = process.env.LIFEBOAT_TEST_PROGRAM ?? join(import.meta.dirname, "../../bin/lifeboat");
/**
 * No run of these tests takes so long; a program that hangs is killed and seen as such. The service waits for a full minute of the clock,
 * and a campaign that takes every case may share its machine for hours.
 */
const hungMs = (args: readonly string[]): number => (args[0] === "serve" ? 900_000 : cases(900_000, 120_000));

export interface Ran {
  /** Exit status; null when a signal ended it. */
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON; fails the test when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
  json(): any;
  /** Code of the error on standard error (`--json`), or undefined. */
  readonly code: string | undefined;
  /** Message of that error. */
  readonly message: string | undefined;
}

export interface Running {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  kill(signal: NodeJS.Signals): void;
}

interface WorldOptions {
  /** Sources by name. Their addresses reach the program through its environment, as a user's would. */
  readonly sources: Readonly<Record<string, Connection>>;
  /** Sources at a Neon sandbox, by name. */
  readonly neon?: Readonly<Record<string, Pick<NeonSandbox, "apiHost" | "apiKey" | "projectId">>>;
  /** MongoDB servers, by name of the source: their address, and that of the server that drills restore into. */
  readonly mongo?: Readonly<Record<string, { readonly url: string; readonly scratch?: string | undefined }>>;
  /** Sources at an Atlas sandbox, by name. */
  readonly atlas?: Readonly<Record<string, AtlasReach>>;
  /** A sandbox for the repository; a local directory unless given. */
  readonly s3?: S3Emulator;
  /** YAML under each source, one flow mapping's worth: `checks: [{ table: t }]`. */
  readonly source?: string;
  /** More first-level YAML. */
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface AtlasReach {
  readonly apiHost: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly groupId: string;
  readonly cluster: string;
}

export interface World {
  readonly directory: string;
  readonly configFile: string;
  readonly identityFile: string;
  readonly recipient: string;
  /** Folder of a local repository. */
  readonly repository: string;
  /** The program's own folder for temporary files. */
  readonly temporary: string;
  readonly env: Record<string, string>;
  /** Runs `lifeboat …` to its end. */
  run(...args: readonly string[]): Promise<Ran>;
  /** As `run`, and fails unless it ends with the status. */
  expect(exit: number, ...args: readonly string[]): Promise<Ran>;
  start(...args: readonly string[]): Running;
  /** Runs before the folder of the world is deleted. */
  beforeEnd(act: () => Promise<void>): void;
  /** Fails when a process, a temporary file or a lease of the program is left. */
  assertNothingLeft(): Promise<void>;
}

/** A configuration and an empty repository, deleted with the test. */
export async function beginWorld(t: TestContext, options: WorldOptions): Promise<World> {
  // Short: the path of a server's socket must fit into 107 bytes. Open to pass through: servers run as another user.
  const directory = mkdtempSync(join(tmpdir(), "lw-"));
  const temporary = join(directory, "tmp");
  const repository = join(directory, "repository");
  for (const path of [directory, temporary]) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o711);
  }
  const configFile = join(directory, "lifeboat.yaml");
  const identityFile = join(directory, "identity.txt");
  const writerFile = join(directory, "writer.pem");
  const { identity, recipient } = await generateIdentity();
  writeFileSync(writerFile, generateWriter().pem, { mode: 0o600 });
  writeFileSync(identityFile, `${identity}\n`, { mode: 0o600 });
  const { s3 } = options;
  const url = s3 === undefined ? pathToFileURL(repository).href : `s3://${s3.bucket}/repo?endpoint=${s3.endpoint}&region=${s3.region}`;
  const more = options.source === undefined ? "" : `, ${options.source}`;
  const atNeon = Object.entries(options.neon ?? {}).map(
    ([name, { apiHost, projectId }]) =>
      `  ${name}: { provider: neon, projectId: ${projectId}, apiKey: "\${KEY_${name.toUpperCase()}}", apiHost: "${apiHost}"${more} }`,
  );
  const sources = Object.keys(options.sources).map(
    (name) => `  ${name}: { provider: postgres, url: "\${URL_${name.toUpperCase()}}"${more} }`,
  );
  const ofMongo = Object.entries(options.mongo ?? {}).map(([name, { scratch }]) => {
    const place = scratch === undefined ? "" : `, scratch: { url: "${scratch}" }`;
    return `  ${name}: { provider: mongodb, url: "\${URL_${name.toUpperCase()}}"${place}${more} }`;
  });
  const atAtlas = Object.entries(options.atlas ?? {}).map(
    ([name, { apiHost, clientId, groupId, cluster }]) =>
      `  ${name}: { provider: atlas, groupId: "${groupId}", cluster: ${cluster}, clientId: ${clientId}, clientSecret: "\${KEY_${name.toUpperCase()}}", apiHost: "${apiHost}"${more} }`,
  );
  writeFileSync(
    configFile,
    `version: 1\nrepository:\n  url: ${JSON.stringify(url)}\n  encryption: { recipients: [${recipient}], identityFile: ${JSON.stringify(identityFile)} }\n  signing: { keyFile: ${JSON.stringify(writerFile)} }\nsources:\n${[...sources, ...atNeon, ...ofMongo, ...atAtlas].join("\n")}\n${options.yaml ?? ""}`,
  );
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? directory,
    ...(process.env.XDG_CACHE_HOME === undefined ? {} : { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME }),
    ...(process.env.LIFEBOAT_TEST_TMP === undefined ? {} : { LIFEBOAT_TEST_TMP: process.env.LIFEBOAT_TEST_TMP }),
    TMPDIR: temporary,
    LIFEBOAT_STATE: join(directory, "state"),
    ...(s3 === undefined ? {} : { AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey }),
    ...Object.fromEntries(Object.entries(options.neon ?? {}).map(([name, { apiKey }]) => [`KEY_${name.toUpperCase()}`, apiKey])),
    ...Object.fromEntries(Object.entries(options.sources).map(([name, { url: address }]) => [`URL_${name.toUpperCase()}`, address])),
    ...Object.fromEntries(Object.entries(options.mongo ?? {}).map(([name, { url: address }]) => [`URL_${name.toUpperCase()}`, address])),
    ...Object.fromEntries(
      Object.entries(options.atlas ?? {}).map(([name, { clientSecret }]) => [`KEY_${name.toUpperCase()}`, clientSecret]),
    ),
    ...options.env,
  };
  const running = new Set<ChildProcess>();
  const before: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const act of before) await act();
    for (const child of running) child.kill("SIGKILL");
    for (const pid of processesOf(temporary)) kill(pid);
    await sleep(running.size > 0 ? 200 : 0);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  const start = (...args: readonly string[]): Running => {
    const child = spawn(PROGRAM, ["--config", configFile, ...args], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    return {
      pid: child.pid ?? 0,
      child,
      ended: endOf(child, resultOf(args), hungMs(args)).finally(() => running.delete(child)),
      kill: (signal) => void child.kill(signal),
    };
  };
  const run = (...args: readonly string[]): Promise<Ran> => start(...args).ended;
  const world: World = {
    ...{ directory, configFile, identityFile, recipient, repository, temporary, env, run, start },
    beforeEnd: (act) => void before.push(act),
    async expect(exit, ...args) {
      const ran = await run(...args);
      assert.equal(
        ran.exit,
        exit,
        `lifeboat ${args.join(" ")} ended with ${ran.exit ?? ran.signal}, not ${exit}\n${ran.stderr}\n${ran.stdout}`,
      );
      return ran;
    },
    async assertNothingLeft() {
      assert.deepEqual(await untilEmpty(() => processesOf(temporary).map(commandOf)), [], "no process is left");
      assert.deepEqual(await untilEmpty(() => readdirSync(temporary)), [], "no temporary file is left");
      const leases =
        s3 === undefined ? localLeases(repository) : [...s3.store.objects.keys()].filter((key) => key.startsWith("repo/leases/"));
      assert.deepEqual(leases, [], "no lease is left");
      if (s3 !== undefined)
        assert.deepEqual(
          [...s3.store.uploads.values()].map(({ key }) => key),
          [],
          "no upload is left",
        );
    },
  };
  await world.expect(0, "init");
  return world;
}

/** Removes one line of the configuration, or changes it. */
export function editConfig(world: World, change: (text: string) => string): void {
  writeFileSync(world.configFile, change(readFileSync(world.configFile, "utf8")));
}

/** The schema of what the command prints with `--json`: of an operation, from its definition. */
async function resultOf(args: readonly string[]): Promise<Pick<z.ZodMiniType, "parse"> | undefined> {
  if (args.includes("--request-approval")) return (await OPERATIONS["approvals request"].load()).result;
  const [verb = "", second] = args.filter((arg, at) => !arg.startsWith("-") && args[at - 1] !== "--job");
  const load =
    Object.entries(OPERATIONS).find(([name]) => name === `${verb} ${second}`) ?? Object.entries(OPERATIONS).find(([name]) => name === verb);
  if (load === undefined || !args.includes("--json")) return undefined;
  const { result, plan } = await load[1].load();
  return args.includes("--plan") ? plan?.result : result;
}

async function endOf(child: ChildProcess, result: ReturnType<typeof resultOf>, limitMs: number): Promise<Ran> {
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name]?.setEncoding("utf8").on("data", (chunk: string) => (text[name] += chunk));
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const [exit, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, by) => resolve([status, by]));
  });
  clearTimeout(timer);
  const error = errorOf(text.stderr);
  const schema = await result;
  const json = (): unknown => {
    const value: unknown = JSON.parse(text.stdout);
    schema?.parse(value);
    return value;
  };
  return { exit, signal, ...text, json, code: error?.code, message: error?.message };
}

/** The error on standard error, in either form. Fails the test when its JSON is not as its schema says. */
function errorOf(stderr: string): { readonly code: string; readonly message: string } | undefined {
  const plain = /^error ([A-Z_]+) {2}(.*)$/m.exec(stderr);
  if (plain) return { code: plain[1] ?? "", message: plain[2] ?? "" };
  return /^\{"error":.*\}\n$/.test(stderr) ? failedOperation.parse(JSON.parse(stderr)).error : undefined;
}

/** Processes that were given the folder for their temporary files, which every child of the program is (Linux). */
export function processesOf(temporary: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
        if (command === "") return false; // ended, and not collected yet
        // A PostgreSQL server writes its title over its environment; its command line names its folder.
        return command.includes(temporary) || readFileSync(`/proc/${name}/environ`, "utf8").split("\0").includes(`TMPDIR=${temporary}`);
      } catch {
        return false; // ended while we looked
      }
    })
    .map(Number);
}

function commandOf(pid: number): string {
  try {
    return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()}`;
  } catch {
    return `${pid} ended`;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended meanwhile
  }
}

function localLeases(repository: string): string[] {
  try {
    return readdirSync(join(repository, "leases"));
  } catch {
    return [];
  }
}

/** Gives what is being ended by itself some time to end. */
async function untilEmpty(look: () => string[]): Promise<string[]> {
  let found = look();
  for (let waits = 0; found.length > 0 && waits < 100; waits++) {
    await sleep(100);
    found = look();
  }
  return found;
}
