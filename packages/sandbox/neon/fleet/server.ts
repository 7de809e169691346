// The PostgreSQL server of one line: started small, ended quickly, noticed when it is killed from outside.

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { type Child, startChild } from "../../../../src/process/child.ts";
import { baseEnvironment } from "../../../../src/process/environment.ts";
import type { Host } from "./host.ts";
import { endOrphans, serverName } from "./orphans.ts";

export interface Server {
  readonly port: number;
  readonly pid: number;
  /** Resolves when it has ended, however that happened. */
  readonly closed: Promise<unknown>;
  /** Fast: open sessions are cut off, memory is written out. `at once`: the data will not be read again. */
  stop(how: "fast" | "at once"): Promise<{ readonly inPeace: boolean }>;
}

/** Small, because many run side by side. WAL is never deleted, because any past instant may be requested. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_permissions: "0700",
  ssl: "on",
  max_connections: "30",
  shared_buffers: "16MB",
  huge_pages: "off",
  wal_level: "replica",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  max_worker_processes: "4",
  // A killed server loses no data that it gave to the system; only a crash of the machine would.
  fsync: "off",
  wal_keep_size: "2147483647MB",
  wal_recycle: "off",
  wal_init_zero: "off",
  min_wal_size: "2MB",
  max_wal_size: "128MB",
  checkpoint_timeout: "30min",
  autovacuum_naptime: "5min",
  autovacuum_max_workers: "1",
  // A server counts as ready when replay is over, not before.
  hot_standby: "off",
  log_min_messages: "warning",
  // A statement that failed is not logged: it may hold a password.
  log_min_error_statement: "panic",
  log_timezone: "UTC",
  timezone: "UTC",
};

const STOP_FAST: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 20_000],
  ["SIGQUIT", 5_000],
  ["SIGKILL", 5_000],
];
const ORPHANS_POLL_MS = 200;
const READY_POLL_MS = 10;
const START_TIMEOUT_MS = 120_000;
/** Below the ports that systems give to outgoing connections. */
const PORTS = [20_000, 32_000] as const;
/** What a killed server's last processes still hold, for a moment; or a port that another process took first. */
const PASSES = /shared memory block .* is still in use|lock file .* already exists|could not bind|could not create any TCP/;

/** Starts a server over data and waits until it takes connections, replay included. SCRATCH_FAILED, or the abort's reason. */
export async function startServer(host: Host, data: string, extra: Readonly<Record<string, string>> = {}): Promise<Server> {
  const beganMs = performance.now();
  for (;;) {
    try {
      return await startOnce(host, data, extra);
    } catch (error) {
      if (host.signal.aborted || !PASSES.test(String(error)) || performance.now() - beganMs > 15_000) throw error;
      await sleep(200);
    }
  }
}

async function startOnce(host: Host, data: string, extra: Readonly<Record<string, string>>): Promise<Server> {
  const { place, bin, user, signal } = host;
  const port = await freePort();
  const settings = {
    ...SETTINGS,
    port: String(port),
    cluster_name: serverName(data),
    unix_socket_directories: place.sockets,
    hba_file: `${place.access}/pg_hba.conf`,
    ssl_cert_file: `${place.access}/server.crt`,
    ssl_key_file: `${place.access}/server.key`,
    ...extra,
  };
  const child = await startChild(
    `${bin}/postgres`,
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    {
      ...(user ?? {}),
      cwd: data,
      env: baseEnvironment(),
      stdout: "ignore",
      parentDeathSignal: "QUIT",
    },
  );
  try {
    await untilReady(child, data, signal);
  } catch (error) {
    await end(child, STOP_FAST.slice(1));
    throw error;
  }
  endOrphansOf(child, data);
  return { port, pid: child.pid, closed: child.closed, stop: (how) => end(child, how === "fast" ? STOP_FAST : STOP_FAST.slice(1)) };
}

/** A server counts as ended when all of its processes have. When the first one is killed, that needs help. */
function endOrphansOf(child: Child, data: string): void {
  const watch = setInterval(() => {
    try {
      process.kill(child.pid, 0);
    } catch {
      // Again at the next turn, should one have been missed: `closed` says when all are gone.
      void endOrphans(serverName(data)).catch(() => {});
    }
  }, ORPHANS_POLL_MS);
  watch.unref();
  void child.closed.then(() => clearInterval(watch));
}

async function untilReady(child: Child, data: string, signal: AbortSignal): Promise<void> {
  const beganMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const ended = await Promise.race([child.closed, sleep(READY_POLL_MS).then(() => undefined)]);
    if (ended) {
      const why = child.stderrTail() || `status ${ended.status ?? ended.signal}`;
      throw new LifeboatError("SCRATCH_FAILED", `a server of the sandbox did not start: ${why}`);
    }
    const [pid, , , , , , , state] = (await readFile(`${data}/postmaster.pid`, "utf8").catch(() => "")).split("\n");
    // A file that a killed server left says `ready` too, with another number.
    if (state?.trim() === "ready" && Number(pid) === child.pid) return;
    if (performance.now() - beganMs > START_TIMEOUT_MS) {
      throw new LifeboatError("SCRATCH_FAILED", `a server of the sandbox was not ready in time: ${child.stderrTail()}`);
    }
  }
}

/** `inPeace`: it wrote out everything, as far as its own status says. */
async function end(child: Child, signals: readonly (readonly [NodeJS.Signals, number])[]): Promise<{ readonly inPeace: boolean }> {
  for (const [signal, waitMs] of signals) {
    try {
      process.kill(child.pid, signal);
    } catch {
      // Gone already.
    }
    const waiting = new AbortController();
    const late = sleep(waitMs, undefined, { signal: waiting.signal }).catch(() => undefined);
    const gone = await Promise.race([child.closed, late]);
    waiting.abort();
    if (gone) return { inPeace: signal === "SIGINT" && gone.status === 0 };
  }
  return { inPeace: false };
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS);
    const probe = createServer();
    try {
      probe.listen({ host: "127.0.0.1", port, exclusive: true });
      await once(probe, "listening");
    } catch {
      continue;
    }
    probe.close();
    await once(probe, "close");
    return port;
  }
}
