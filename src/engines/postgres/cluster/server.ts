// The server of a cluster, as its supervisor starts and ends it.
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Child, startChild } from "../../../process/child.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { IN_PEACE } from "../../../process/marks.ts";
import { layoutOf, PORT } from "./layout.ts";
import type { SupervisorOrder } from "./protocol.ts";

/** Starts it and waits until it takes connections; in recovery, that is when replay is over. */
export async function startServer(order: SupervisorOrder, given: AbortSignal): Promise<Child> {
  const { socket, log, configuration } = layoutOf(order.directory);
  const { data } = order;
  const files = { config_file: "postgresql.conf", hba_file: "pg_hba.conf", ident_file: "pg_ident.conf" };
  const settings: Record<string, string> = {
    ...(order.hba === undefined ? {} : Object.fromEntries(Object.entries(files).map(([name, file]) => [name, `${configuration}/${file}`]))),
    port: String(PORT),
    ...order.settings,
    unix_socket_directories: socket,
  };
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  const logFile = createWriteStream(log, { flags: "a", mode: 0o600 });
  const server = await startChild(`${order.bin}/postgres`, args, {
    ...(order.uid === undefined || order.gid === undefined ? {} : { uid: order.uid, gid: order.gid }),
    cwd: data,
    env: baseEnvironment(),
    stdout: "ignore",
    onStderr: (chunk) => void logFile.write(chunk),
    // The server's quickest ending, where it leaves nothing in memory that outlives it; a fast shutdown where the data stays.
    parentDeathSignal: order.keep ? "INT" : "QUIT",
  });
  void server.closed.then(() => logFile.end());
  try {
    await untilReady(server, order, given);
    return server;
  } catch (error) {
    await endServer(server, order.keep);
    throw error;
  }
}

async function untilReady(server: Child, order: SupervisorOrder, given: AbortSignal): Promise<void> {
  const beganMs = performance.now();
  for (;;) {
    given.throwIfAborted();
    const ended = await Promise.race([server.closed, sleep(20).then(() => undefined)]);
    if (ended) throw new Error(`the server did not start: ${server.stderrTail() || `status ${ended.status ?? ended.signal}`}`);
    // The 8th line is what `pg_ctl --wait` waits for as well.
    const state = (await readFile(`${order.data}/postmaster.pid`, "utf8").catch(() => "")).split("\n")[7]?.trim();
    if (state === "ready") return;
    if (performance.now() - beganMs > order.startTimeoutMs) {
      throw new Error(`the server was not ready after ${order.startTimeoutMs / 1000} s: ${server.stderrTail()}`);
    }
  }
}

/** Immediate shutdown, for data that is thrown away: the server answers SIGQUIT by ending all of its processes. Else in peace. */
export async function endServer(server: Child, inPeace: boolean): Promise<void> {
  for (const [signal, waitMs] of inPeace ? IN_PEACE : IN_PEACE.slice(1)) {
    try {
      process.kill(server.pid, signal);
    } catch {
      // Gone already.
    }
    if (await Promise.race([server.closed.then(() => true), sleep(waitMs, false, { ref: false })])) return;
  }
}
