// A process of its own that starts a temporary server, and ends and removes it when its standard input ends: on request, or because
// the starter died. Killed itself, it takes the server along (Linux); what then stays on disk is found by the note.
import { chown, mkdir, open, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { changeNote, layoutOf, removeNoted } from "../../../engines/postgres/cluster/layout.ts";
import { type Child, startChild } from "../../../process/child.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { markProcess } from "../../../process/marks.ts";
import { reasonIn } from "./log.ts";
import { type ServerOrder, SOCKET } from "./protocol.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => {});
// The reader of the answer may be gone; the end of our input says so.
process.stdout.on("error", () => {});

const lines = createInterface({ input: process.stdin });
const parentGone = new AbortController();
const gone = new Promise<undefined>((resolve) => parentGone.signal.addEventListener("abort", () => resolve(undefined)));
lines.once("close", () => parentGone.abort());
const order = await new Promise<ServerOrder | undefined>((resolve) => {
  lines.once("line", (line) => resolve(JSON.parse(line) as ServerOrder));
  lines.once("close", () => resolve(undefined));
});
if (order) process.exitCode = await supervise(order);
process.stdin.destroy();

async function supervise(order: ServerOrder): Promise<number> {
  const { directory } = order;
  const { data, socket } = layoutOf(directory);
  let server: Child | undefined;
  try {
    await changeNote(directory, { supervisor: await markProcess(process.pid) });
    for (const path of [data, socket]) {
      // Not recursive: something already in that place must not be taken over.
      await mkdir(path, { mode: 0o700 });
      if (order.uid !== undefined && order.gid !== undefined) await chown(path, order.uid, order.gid);
    }
    server = await start(order);
    answer({ ready: true, pid: server.pid });
    return (await Promise.race([server.closed, gone])) === undefined ? 0 : 1;
  } catch (error) {
    if (!parentGone.signal.aborted) answer({ ready: false, message: error instanceof Error ? error.message : String(error) });
    return 1;
  } finally {
    // Its data is thrown away: it need not write out what is in memory.
    await server?.kill();
    await rm(socket, { recursive: true, force: true, maxRetries: 5 });
    await removeNoted(directory);
  }
}

/**
 * Listens on a socket alone, in a directory that no other user may enter: restored data may be secret, and a server without
 * users lets everybody in who reaches it. Documents that are due stay, so that they can be compared.
 */
function argumentsFor(order: ServerOrder): string[] {
  const { data, socket } = layoutOf(order.directory);
  return [
    ...["--dbpath", data, "--bind_ip", join(socket, SOCKET), "--unixSocketPrefix", socket],
    // What is restored runs no JavaScript: a view of the source's could.
    ...["--noscripting", "--wiredTigerCacheSizeGB", "0.25"],
    ...["--setParameter", "ttlMonitorEnabled=false", "--setParameter", "diagnosticDataCollectionEnabled=false"],
  ];
}

async function start(order: ServerOrder): Promise<Child> {
  const { data, log, socket } = layoutOf(order.directory);
  const file = await open(log, "a", 0o600);
  let server: Child;
  try {
    server = await startChild(order.program, argumentsFor(order), {
      ...(order.uid === undefined || order.gid === undefined ? {} : { uid: order.uid, gid: order.gid }),
      cwd: data,
      env: baseEnvironment(),
      stdout: file.fd,
      graceMs: 0,
      parentDeathSignal: "KILL",
    });
  } finally {
    await file.close();
  }
  try {
    const beganMs = performance.now();
    while (!(await answers(join(socket, SOCKET)))) {
      parentGone.signal.throwIfAborted();
      const ended = await Promise.race([server.closed, sleep(50)]);
      const why = async () => reasonIn(await readFile(log, "utf8")) || server.stderrTail();
      if (ended) throw new Error(`it ended at once: ${(await why()) || `status ${ended.status ?? ended.signal}`}`);
      if (performance.now() - beganMs > order.startTimeoutMs) throw new Error(`it was not ready after ${order.startTimeoutMs / 1000} s`);
    }
    return server;
  } catch (error) {
    await server.kill();
    throw error;
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function answer(message: { readonly ready: boolean; readonly pid?: number; readonly message?: string }): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
