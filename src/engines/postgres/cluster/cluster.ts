// A PostgreSQL cluster of our own: made, used and thrown away. A supervisor process ends and removes it even when we are killed.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { isAbsolute } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { connectionFromParts } from "../connect/url.ts";
import { baseEnvironment } from "../process/environment.ts";
import { layoutOf, PORT, SUPERUSER, writeNote } from "./layout.ts";
import { plainLocale } from "./locale.ts";
import type { SupervisorAnswer, SupervisorOrder } from "./protocol.ts";
import { serverUser } from "./server-user.ts";
import { clusterSettings, type Settings } from "./settings.ts";
import { undoCluster } from "./undo.ts";

export interface ClusterOptions {
  /** Absolute; must not exist, its parent must. Removed with everything in it at the end. */
  readonly directory: string;
  /** Where `initdb` and `postgres` are. */
  readonly bin: string;
  readonly jobId: string;
  /** False: nothing survives a crash of the machine, and everything is faster. */
  readonly durable: boolean;
  /** Added to, or in place of, the settings that `durable` chooses. */
  readonly settings?: Settings | undefined;
  readonly encoding?: string | undefined;
  /** Absent: byte order, with the letters of Unicode where the system knows them. */
  readonly locale?: string | undefined;
  /** Who runs the server when we are root; absent: `postgres`, else `nobody`. */
  readonly user?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly startTimeoutMs?: number | undefined;
}

export interface Cluster {
  /** A superuser's connection to a database of the cluster; `postgres` is there from the start. */
  connection(database: string): Connection;
  readonly directory: string;
  /** Of the server and of the supervisor. */
  readonly pid: number;
  readonly supervisorPid: number;
  readonly socketDirectory: string;
  readonly port: number;
  /** Ends and removes it. Throws SCRATCH_FAILED when something stays behind. Safe to call twice. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** Makes and starts a cluster. Throws SCRATCH_FAILED, or the abort's reason; then nothing is left of it. */
export async function beginCluster(options: ClusterOptions): Promise<Cluster> {
  const { directory, jobId, signal } = options;
  signal?.throwIfAborted();
  if (!isAbsolute(directory)) throw new LifeboatError("SCRATCH_FAILED", `the directory of a cluster must be absolute, not ${directory}`);
  const user = await serverUser(options.user);
  // Others may pass through, to reach the server's own part of it, but not look.
  await mkdir(directory, { mode: user === undefined ? 0o700 : 0o711 }).catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", `the directory ${directory} for a cluster cannot be made: ${cause.message}`, { cause });
  });
  const host = hostname();
  await writeNote(directory, { lifeboat: "cluster", jobId, host });
  const password = randomBytes(24).toString("base64url");
  const supervisor = startSupervisor();
  const closed = new Promise<void>((resolve) => supervisor.once("close", () => resolve()));
  const removeAll = async (): Promise<void> => {
    supervisor.stdin?.destroy();
    // This timer keeps the event loop running: the supervisor itself does not, and we may have nothing else to wait for.
    const waiting = new AbortController();
    await Promise.race([closed, sleep(STOP_TIMEOUT_MS, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
    // Nothing to do when the supervisor did its work; everything when it was killed.
    await undoCluster({ directory, jobId, host });
  };
  try {
    const answer = await Promise.race([
      order(supervisor, {
        directory,
        bin: options.bin,
        jobId,
        host,
        password,
        uid: user?.uid,
        gid: user?.gid,
        encoding: options.encoding ?? "UTF8",
        ...(options.locale === undefined ? await plainLocale() : { locale: options.locale, ctype: options.locale }),
        settings: clusterSettings(options.durable, options.settings),
        startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
      }),
      rejectOnAbort(signal),
    ]);
    if (!answer.ready) throw new LifeboatError("SCRATCH_FAILED", `a throw-away cluster cannot be started: ${answer.message}`);
    const { socket } = layoutOf(directory);
    const port = Number(options.settings?.port ?? PORT);
    let stopping: Promise<void> | undefined;
    return {
      connection: (database) => {
        const parts = { host: socket, port, user: SUPERUSER, password, database, parameters: {} };
        return { ...connectionFromParts(parts), label: `${database} in a throw-away cluster` };
      },
      directory,
      pid: answer.pid,
      supervisorPid: supervisor.pid ?? 0,
      socketDirectory: socket,
      port,
      stop() {
        stopping ??= removeAll();
        return stopping;
      },
    };
  } catch (error) {
    await removeAll();
    throw error;
  }
}

function startSupervisor(): ChildProcess {
  // Runs from source and from the compiled package alike.
  const script = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "./supervisor.ts" : "./supervisor.js", import.meta.url));
  const supervisor = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", script], {
    env: baseEnvironment(),
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
    cwd: "/",
  });
  // It must not keep us alive: when we end, its input ends, and so does the cluster.
  supervisor.unref();
  for (const stream of [supervisor.stdin, supervisor.stdout]) (stream as unknown as { unref(): void }).unref();
  supervisor.stdin.on("error", () => {});
  return supervisor;
}

async function order(supervisor: ChildProcess, message: SupervisorOrder): Promise<SupervisorAnswer> {
  const { stdin, stdout } = supervisor;
  if (!stdin || !stdout) throw new LifeboatError("SCRATCH_FAILED", "the supervisor of a cluster cannot be started");
  const answer = new Promise<SupervisorAnswer>((resolve) => {
    const lines = createInterface({ input: stdout });
    lines.once("line", (line) => resolve(JSON.parse(line) as SupervisorAnswer));
    supervisor.once("error", (error) => resolve({ ready: false, message: error.message }));
    supervisor.once("exit", (status, signal) =>
      resolve({ ready: false, message: `its supervisor ended early (${signal ?? `status ${status}`})` }),
    );
  });
  stdin.write(`${JSON.stringify(message)}\n`);
  // The event loop has nothing else to wait for while the supervisor works (its pipes do not count).
  const awake = setInterval(() => {}, 1_000);
  try {
    return await answer;
  } finally {
    clearInterval(awake);
  }
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
