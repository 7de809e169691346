// The server of a cluster, as its supervisor starts and ends it: in a cell where foreign code may be in its data, else as a plain child.
import { createWriteStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { placesOfProgram, startInCell } from "../../../process/cell.ts";
import { type Child, startChild } from "../../../process/child.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { IN_PEACE, SIGNAL_AGAIN_MS } from "../../../process/marks.ts";
import { layoutOf, PORT } from "./layout.ts";
import { postmasterFile } from "./postmaster-file.ts";
import type { SupervisorOrder } from "./protocol.ts";

export interface Server {
  /** What signals go to: the server, or the first process of its cell, which passes them on. */
  readonly pid: number;
  readonly closed: Child["closed"];
  stderrTail(): string;
}

type Started = Server & { readonly sealed?: Promise<void> };

/** Code in the data can make the server write as much as it likes. */
const LONGEST_LOG_BYTES = 64 * 1024 * 1024;

/** Starts it and waits until it takes connections; in recovery, that is when replay is over. `onStart` hears its number before. */
export async function startServer(order: SupervisorOrder, given: AbortSignal, onStart: (pid: number) => Promise<void>): Promise<Server> {
  const { log } = layoutOf(order.directory);
  const logFile = createWriteStream(log, { flags: "a", mode: 0o600 });
  let logBytes = 0;
  const server = await start(order, (chunk) => {
    logBytes += chunk.length;
    if (logBytes <= LONGEST_LOG_BYTES) logFile.write(chunk);
  });
  void server.closed.then(() => logFile.end());
  try {
    await onStart(server.pid);
    await untilReady(server, order, given);
    return server;
  } catch (error) {
    await endServer(server, order.keep);
    throw error;
  }
}

/** Enough to connect. The server makes its socket with 700 and then sets this: a cell tells the two apart. */
const SOCKET_MODE = "600";

async function start(order: SupervisorOrder, onStderr: (chunk: Uint8Array) => void): Promise<Started> {
  const { data, bin, cell, keep, uid = process.getuid?.() ?? 0, gid = process.getgid?.() ?? 0 } = order;
  const { socket, configuration, cell: mountPoint } = layoutOf(order.directory);
  const files = { config_file: "postgresql.conf", hba_file: "pg_hba.conf", ident_file: "pg_ident.conf" };
  const settings: Record<string, string> = {
    ...(order.hba === undefined ? {} : Object.fromEntries(Object.entries(files).map(([name, file]) => [name, `${configuration}/${file}`]))),
    port: String(PORT),
    ...order.settings,
    unix_socket_directories: socket,
    unix_socket_permissions: `0${SOCKET_MODE}`,
  };
  const program = `${bin}/postgres`;
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
  if (cell === undefined) {
    const child = await startChild(program, args, {
      ...(order.uid === undefined || order.gid === undefined ? {} : { uid, gid }),
      cwd: data,
      env: baseEnvironment(),
      stdout: "ignore",
      onStderr,
      // The server's quickest ending, where it leaves nothing in memory that outlives it; a fast shutdown where the data stays.
      parentDeathSignal: keep ? "INT" : "QUIT",
    });
    return { pid: child.pid, closed: child.closed, stderrTail: child.stderrTail };
  }
  const plan = {
    support: cell.support,
    user: { uid, gid },
    mountPoint,
    readOnly: [...(await placesOfProgram(bin)), ...(order.hba === undefined ? [] : [configuration])],
    writable: [data, ...cell.writable],
    socket: { path: `${socket}/.s.PGSQL.${settings.port}`, mode: SOCKET_MODE },
    // The kernel takes everything of a cell along, also what is in memory.
    onParentDeath: keep ? ("INT" as const) : ("KILL" as const),
  };
  const { child, pid, sealed } = await startInCell(plan, program, args, onStderr);
  return { pid, closed: child.closed, stderrTail: child.stderrTail, sealed };
}

async function untilReady(server: Started, order: SupervisorOrder, given: AbortSignal): Promise<void> {
  const beganMs = performance.now();
  let sealed = server.sealed === undefined;
  void server.sealed?.then(() => {
    sealed = true;
  });
  for (;;) {
    given.throwIfAborted();
    const ended = await Promise.race([server.closed, sleep(20).then(() => undefined)]);
    if (ended) throw new Error(`the server did not start: ${server.stderrTail() || `status ${ended.status ?? ended.signal}`}`);
    // The 8th line is what `pg_ctl --wait` waits for as well.
    if (sealed && (await postmasterFile(order.data))[7]?.trim() === "ready") return;
    if (performance.now() - beganMs > order.startTimeoutMs) {
      throw new Error(`the server was not ready after ${order.startTimeoutMs / 1000} s: ${server.stderrTail()}`);
    }
  }
}

/** Immediate shutdown, for data that is thrown away: the server answers SIGQUIT by ending all of its processes. Else in peace. */
export async function endServer(server: Server, inPeace: boolean): Promise<void> {
  const closed = server.closed.then(() => true);
  for (const [signal, waitMs] of inPeace ? IN_PEACE : IN_PEACE.slice(1)) {
    for (let waitedMs = 0; waitedMs < waitMs; waitedMs += SIGNAL_AGAIN_MS) {
      try {
        process.kill(server.pid, signal);
      } catch {
        // Gone already.
      }
      if (await Promise.race([closed, sleep(SIGNAL_AGAIN_MS, false, { ref: false })])) return;
    }
  }
}
