// A process of its own that makes a cluster, keeps it, and ends and removes it when its standard input ends: on request, or
// because the starter died. It lives in a session of its own, so a terminal's Ctrl-C does not reach it.
// Killed itself, it takes the server along (Linux); what then stays on disk is found by the note (see undo.ts).
import { chown, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, startChild } from "../process/child.ts";
import { baseEnvironment } from "../process/environment.ts";
import { runProgram } from "../process/run.ts";
import { layoutOf, PORT, SUPERUSER, writeNote } from "./layout.ts";
import { markProcess } from "./processes.ts";
import type { SupervisorAnswer, SupervisorOrder } from "./protocol.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});

// Nobody may be there to read the answer; the end of our input says so.
process.stdout.on("error", () => {});

const lines = createInterface({ input: process.stdin });
const parentGone = new AbortController();
lines.once("close", () => parentGone.abort());
const order = await new Promise<SupervisorOrder | undefined>((resolve) => {
  lines.once("line", (line) => resolve(JSON.parse(line) as SupervisorOrder));
  lines.once("close", () => resolve(undefined));
});
if (order) process.exitCode = await supervise(order);
process.stdin.destroy();

async function supervise(order: SupervisorOrder): Promise<number> {
  let server: Child | undefined;
  try {
    const self = await markProcess(process.pid);
    await writeNote(order.directory, { lifeboat: "cluster", jobId: order.jobId, host: order.host, supervisor: self });
    await createCluster(order);
    server = await startServer(order);
    answer({ ready: true, pid: server.pid });
    const ended = await Promise.race([server.closed, aborted(parentGone.signal)]);
    return ended === undefined ? 0 : 1;
  } catch (error) {
    if (!parentGone.signal.aborted) answer({ ready: false, message: error instanceof Error ? error.message : String(error) });
    return 1;
  } finally {
    if (server) await endServer(server);
    await remove(order.directory);
  }
}

async function createCluster(order: SupervisorOrder): Promise<void> {
  const { data, socket, password } = layoutOf(order.directory);
  for (const path of [data, socket]) {
    // Not recursive: something already in that place must not be taken over.
    await mkdir(path, { mode: 0o700 });
    await own(order, path);
  }
  await writeFile(password, `${order.password}\n`, { mode: 0o600, flag: "wx" });
  await own(order, password);
  const args = [
    ...["--pgdata", data, "--username", SUPERUSER, "--pwfile", password, "--auth", "scram-sha-256"],
    ...["--encoding", order.encoding, "--locale", order.locale, "--lc-ctype", order.ctype, "--no-sync"],
  ];
  const made = await runProgram(`${order.bin}/initdb`, args, {
    ...as(order),
    cwd: data,
    env: baseEnvironment(),
    timeoutMs: order.startTimeoutMs,
    signal: parentGone.signal,
    secrets: [order.password],
    parentDeathSignal: "KILL",
  });
  await rm(password);
  if (made.status !== 0) throw new Error(made.end);
}

async function startServer(order: SupervisorOrder): Promise<Child> {
  const { data, socket, log } = layoutOf(order.directory);
  const settings: Record<string, string> = { port: String(PORT), ...order.settings, unix_socket_directories: socket };
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const logFile = await open(log, "a", 0o600);
  const server = await startChild(`${order.bin}/postgres`, args, {
    ...as(order),
    cwd: data,
    env: baseEnvironment(),
    stdout: logFile.fd,
    // The server's quickest ending; it leaves nothing in memory that outlives it.
    parentDeathSignal: "QUIT",
  });
  await logFile.close();
  for (let waitedMs = 0; ; waitedMs += 20) {
    parentGone.signal.throwIfAborted();
    const ended = await Promise.race([server.closed, sleep(20).then(() => undefined)]);
    if (ended) throw new Error(`the server did not start: ${server.stderrTail() || `status ${ended.status ?? ended.signal}`}`);
    // The 8th line is what `pg_ctl --wait` waits for as well.
    const state = (await readFile(`${data}/postmaster.pid`, "utf8").catch(() => "")).split("\n")[7]?.trim();
    if (state === "ready") return server;
    if (waitedMs > order.startTimeoutMs) {
      await endServer(server);
      throw new Error(`the server was not ready after ${order.startTimeoutMs / 1000} s: ${server.stderrTail()}`);
    }
  }
}

/** Immediate shutdown: its data is thrown away. The server answers SIGQUIT by ending all of its processes. */
async function endServer(server: Child): Promise<void> {
  for (const [signal, waitMs] of [["SIGQUIT", 5_000] as const, ["SIGKILL", 5_000] as const]) {
    try {
      process.kill(server.pid, signal);
    } catch {
      // Gone already.
    }
    if (await Promise.race([server.closed.then(() => true), sleep(waitMs, false, { ref: false })])) return;
  }
}

async function remove(directory: string): Promise<void> {
  const { socket } = layoutOf(directory);
  await rm(socket, { recursive: true, force: true, maxRetries: 5 });
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function own(order: SupervisorOrder, path: string): Promise<void> {
  if (order.uid !== undefined && order.gid !== undefined) await chown(path, order.uid, order.gid);
}

function as(order: SupervisorOrder): { uid?: number; gid?: number } {
  return order.uid === undefined || order.gid === undefined ? {} : { uid: order.uid, gid: order.gid };
}

function answer(message: SupervisorAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}
