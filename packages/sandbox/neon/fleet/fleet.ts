// Real PostgreSQL clusters for the Neon sandbox. Branches and computes are words of the API in front of it; here are lines of data,
// servers over them, and proxies.
import { rm } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError, LifeboatError } from "../../../../src/core/errors.ts";
import { formatLsn } from "../../../../src/core/lsn.ts";
import { serverUser } from "../../../../src/process/server-user.ts";
import { applyPasswords, runSql, writeOut } from "./admin.ts";
import { addBase, deservesBase, keepOnlyLog } from "./bases.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { openProxy } from "./compute-proxy.ts";
import type { ComputeProxy, Fleet, FleetOptions, ForkPoint, RunningServer } from "./fleet-types.ts";
import { headOf, originAt } from "./fork.ts";
import { type Host, makeTemplate, writeAccess } from "./host.ts";
import { historyOf, inTurn, type Line, type Origin } from "./line.ts";
import { materialise } from "./materialise.ts";
import { dataOf, makePlace, removePlace, removeStaleFleets, sizeOf } from "./place.ts";
import { type Reaper, startReaper } from "./reaper.ts";
import { type Server, startServer } from "./server.ts";

const RECENT_MS = 2_000;
const RECOVERS_MS = 30_000;

/**
 * Makes the directory and everything in it; removes what killed sandboxes left beside it. SCRATCH_FAILED when that cannot be, or
 * the abort's reason; then nothing is left. An abort later ends the fleet.
 */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const { directory } = options;
  options.signal?.throwIfAborted();
  if (!isAbsolute(directory)) throw new LifeboatError("SCRATCH_FAILED", `the sandbox's directory must be absolute, not ${directory}`);
  const over = new AbortController();
  await removeStaleFleets(dirname(directory));
  const user = await serverUser();
  const place = await makePlace(directory, user);
  const host: Host = {
    place,
    bin: options.bin,
    user,
    certificate: selfSignedCertificate("localhost", new Date()),
    signal: options.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal]),
  };
  try {
    await writeAccess(host);
    const reaper = await startReaper(directory);
    try {
      await makeTemplate(host);
    } catch (error) {
      await reaper.end();
      throw error;
    }
    const fleet = new RealFleet(host, over, reaper);
    options.signal?.addEventListener("abort", () => void fleet.end().catch(() => {}), { once: true });
    return fleet;
  } catch (error) {
    await removePlace(directory);
    throw error;
  }
}

class RealFleet implements Fleet {
  readonly #host: Host;
  readonly #lines = new Map<string, Line>();
  readonly #proxies = new Set<ComputeProxy>();
  readonly #over: AbortController;
  readonly #reaper: Reaper;
  #count = 0;
  #ending: Promise<void> | undefined;

  constructor(host: Host, over: AbortController, reaper: Reaper) {
    this.#host = host;
    this.#over = over;
    this.#reaper = reaper;
  }

  async createLine(options: { readonly sql?: string | readonly string[] | undefined } = {}): Promise<string> {
    const { sql = [] } = options;
    return this.#add(undefined, typeof sql === "string" ? [sql] : sql).id;
  }

  async fork(id: string, at: ForkPoint): Promise<{ readonly line: string; readonly forkLsn: string }> {
    const parent = this.#line(id);
    return await inTurn(parent, async () => {
      // Between taking its time and entering the log, a commit needs much less than this, unless the machine stands still.
      const recent = at.kind === "time" && Date.now() - at.at.getTime() < RECENT_MS;
      await this.#ready(parent, recent ? "stamped" : "committed");
      const origin = await originAt(parent, at);
      const line = this.#add(origin);
      // What its newest state will hold at the next reading.
      if (at.kind === "head") for (const [role, password] of parent.passwords) line.passwords.set(role, password);
      return { line: line.id, forkLsn: formatLsn(origin.position) };
    });
  }

  async headLsn(id: string): Promise<string> {
    const line = this.#line(id);
    return await inTurn(line, async () => {
      await this.#ready(line, "committed");
      return formatLsn((await headOf(line)).position);
    });
  }

  async facts(id: string): Promise<{ readonly forkLsn?: string | undefined; readonly sizeBytes?: number | undefined }> {
    const line = this.#line(id);
    const withData = historyOf(line).findLast((part) => part.line.own !== undefined)?.line;
    return {
      forkLsn: line.origin && formatLsn(line.origin.position),
      sizeBytes: withData && (withData.own?.removedSizeBytes ?? (await sizeOf(join(this.#data(withData), "base")))),
    };
  }

  async start(id: string): Promise<RunningServer> {
    const line = this.#line(id);
    const { port } = await inTurn(line, () => this.#start(line));
    return { port };
  }

  async stop(id: string): Promise<void> {
    const line = this.#line(id);
    await inTurn(line, () => this.#stop(line));
  }

  isRunning(id: string): boolean {
    return this.#line(id).server !== undefined;
  }

  async execute(id: string, database: string, sql: string): Promise<readonly Record<string, unknown>[]> {
    const line = this.#line(id);
    const server = await inTurn(line, () => this.#start(line));
    return await runSql(this.#host, server, database, sql);
  }

  async setPassword(id: string, role: string, password: string): Promise<void> {
    const line = this.#line(id);
    await inTurn(line, async () => {
      if (line.server) await applyPasswords(this.#host, line.server, new Map([[role, password]]));
      else line.passwords.set(role, password);
    });
  }

  async remove(id: string): Promise<void> {
    const line = this.#line(id);
    await inTurn(line, async () => {
      await this.#stop(line);
      this.#lines.delete(id);
      await this.#discard(line);
    });
  }

  async openProxy(wake: () => Promise<RunningServer>): Promise<ComputeProxy> {
    const proxy = await openProxy(wake, this.#host.certificate);
    this.#proxies.add(proxy);
    return {
      ...{ host: proxy.host, port: proxy.port },
      get connections() {
        return proxy.connections;
      },
      close: async () => {
        this.#proxies.delete(proxy);
        await proxy.close();
      },
    };
  }

  end(): Promise<void> {
    this.#ending ??= (async () => {
      this.#over.abort(new LifeboatError("CANCELLED", "the sandbox has ended"));
      await Promise.all([...this.#proxies].map((proxy) => proxy.close()));
      // No file may be made in a directory that is about to be deleted.
      await Promise.all([...this.#lines.values()].map((line) => inTurn(line, async () => void (await line.server?.stop("at once")))));
      await this.#reaper.end();
    })();
    return this.#ending;
  }

  #line(id: string): Line {
    const line = this.#lines.get(id);
    if (line === undefined) throw new RangeError(`there is no line ${id}`);
    return line;
  }

  #add(origin: Origin | undefined, sql: readonly string[] = []): Line {
    this.#host.signal.throwIfAborted();
    const line: Line = {
      id: `line-${++this.#count}`,
      ...{ origin, sql, createdMs: Date.now() },
      ...{ own: undefined, server: undefined, passwords: new Map(), busy: Promise.resolve() },
    };
    this.#lines.set(line.id, line);
    return line;
  }

  /** Has the log say all that was committed: a first line must have been made, and what a server holds back be written out. */
  async #ready(line: Line, what: "committed" | "stamped"): Promise<void> {
    if (line.own === undefined && line.origin === undefined) {
      await this.#start(line);
      await this.#stop(line);
    }
    const beganMs = performance.now();
    while (line.server) {
      try {
        return await writeOut(this.#host, line.server, what);
      } catch (error) {
        // It is being killed from outside: it either ends now, and its WAL stays as it is, or it recovers by itself.
        if (!isLifeboatError(error, "SOURCE_UNREACHABLE") || performance.now() - beganMs > RECOVERS_MS) throw error;
        await sleep(50);
      }
    }
  }

  async #start(line: Line): Promise<Server> {
    this.#host.signal.throwIfAborted();
    if (line.server) return line.server;
    const server = await (line.own === undefined ? this.#make(line) : startServer(this.#host, this.#data(line)));
    line.server = server;
    void server.closed.then(() => {
      // Killed from outside: the next start recovers it.
      if (line.server === server) line.server = undefined;
    });
    await applyPasswords(this.#host, server, line.passwords);
    line.passwords.clear();
    return server;
  }

  /** Makes the data. A fork that had much to replay is a base for those that are forked from it. */
  async #make(line: Line): Promise<Server> {
    const server = await materialise(this.#host, line);
    if (!(await deservesBase(line))) return server;
    await server.stop("fast");
    await addBase(this.#host, line);
    return await startServer(this.#host, this.#data(line));
  }

  async #stop(line: Line): Promise<void> {
    const { server } = line;
    if (server === undefined) return;
    line.server = undefined;
    const { inPeace } = await server.stop("fast");
    if (inPeace && (await deservesBase(line))) await addBase(this.#host, line);
  }

  /** Removes the data of a line that no branch names; its WAL only when no fork needs it, and likewise for its ancestors. */
  async #discard(line: Line): Promise<void> {
    for (const { line: part } of historyOf(line).reverse()) {
      const needed = [...this.#lines.values()].some((other) => historyOf(other).some((one) => one.line === part));
      if (needed && part === line) await keepOnlyLog(this.#host, part);
      if (needed) return;
      await rm(join(this.#host.place.lines, part.id), { recursive: true, force: true, maxRetries: 5 });
    }
  }

  #data(line: Line): string {
    return dataOf(this.#host.place, line.id);
  }
}
