// The Neon sandbox for tests: over a fleet of nothing, for what concerns the API alone, or over real clusters.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fleet } from "../../packages/sandbox/neon/fleet/fleet-types.ts";
import { type NeonSandbox, type NeonSandboxOptions, startNeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";
import { postgresBin } from "./postgres.ts";

/** No waiting. */
export const AT_ONCE = { schedulingMs: 0, runningMs: 0, coldStartMs: 0 };

type Options = Omit<NeonSandboxOptions, "fleet">;

/** Lines without data, for the API alone. What was done to them is written down. */
export interface FakeFleet extends Fleet {
  /** As `fork line-1 time`, `stop line-2`, `remove line-3`. */
  readonly done: readonly string[];
  readonly lines: ReadonlySet<string>;
}

export function fakeFleet(): FakeFleet {
  const lines = new Map<string, { readonly fromMs: number; running: boolean; readonly forkLsn: number | undefined }>();
  const done: string[] = [];
  let count = 0;
  let lsn = 0x1000000;
  const text = (position: number): string => `0/${position.toString(16).toUpperCase()}`;
  const line = (id: string): { readonly fromMs: number; running: boolean; readonly forkLsn: number | undefined } => {
    const found = lines.get(id);
    if (found === undefined) throw new Error(`there is no line ${id}`);
    return found;
  };
  return {
    done,
    get lines() {
      return new Set(lines.keys());
    },
    async createLine() {
      const id = `line-${++count}`;
      lines.set(id, { fromMs: Date.now(), running: false, forkLsn: undefined });
      return id;
    },
    async fork(parent, at) {
      const from = line(parent);
      const id = `line-${++count}`;
      done.push(`fork ${parent} ${at.kind}`);
      if (at.kind === "time" && at.at.getTime() < from.fromMs - 1) throw new RangeError("before the beginning");
      if (at.kind !== "lsn") lsn += 256;
      const position = at.kind === "lsn" ? Number.parseInt(at.lsn.split("/")[1] ?? "", 16) : lsn;
      if (position > lsn || position < (from.forkLsn ?? 0)) throw new RangeError("outside");
      lines.set(id, { fromMs: Date.now(), running: false, forkLsn: position });
      return { line: id, forkLsn: text(position) };
    },
    async headLsn() {
      return text(lsn);
    },
    async facts() {
      return { sizeBytes: 8_000_000 };
    },
    async start(id) {
      line(id).running = true;
      return { port: 1 };
    },
    async stop(id) {
      if (line(id).running) done.push(`stop ${id}`);
      line(id).running = false;
    },
    isRunning: (id) => line(id).running,
    async execute(id, _database, sql) {
      line(id).running = true;
      done.push(`execute ${id} ${sql.slice(0, 40)}`);
      return [];
    },
    async setPassword(id, role) {
      line(id);
      done.push(`password ${id} ${role}`);
    },
    async remove(id) {
      line(id);
      lines.delete(id);
      done.push(`remove ${id}`);
    },
    async openProxy() {
      return { host: "127.0.0.1", port: 1, connections: 0, close: async () => undefined };
    },
    async end() {
      lines.clear();
    },
  };
}

export interface SandboxedNeon extends AsyncDisposable {
  readonly sandbox: NeonSandbox;
  /** One request of the API, with the sandbox's key unless headers say otherwise. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Heard>;
  /** As `call`, below the sandbox's own project; fails unless the status is the one expected. */
  expect(status: number, method: string, path: string, body?: unknown): Promise<Heard["body"]>;
}

export interface Heard {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
  readonly body: any;
}

/** Without data and without delays. */
export async function startFakeNeon(options: Options & { readonly fleet?: Fleet } = {}): Promise<SandboxedNeon> {
  return callersOf(await startNeonSandbox({ fleet: fakeFleet(), delays: AT_ONCE, ...options }));
}

/** With real clusters; needs PostgreSQL's server programs. */
export async function startRealNeon(options: Options = {}): Promise<SandboxedNeon> {
  const directory = join(tmpdir(), `lifeboat-neon-${randomBytes(5).toString("hex")}`);
  return callersOf(await startNeonSandbox({ fleet: { directory, bin: postgresBin() }, delays: AT_ONCE, ...options }));
}

/** Requests to a sandbox; disposing of it closes the sandbox. */
export function callersOf(sandbox: NeonSandbox): SandboxedNeon {
  const call: SandboxedNeon["call"] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${sandbox.apiHost}${path}`, {
      method,
      headers: { authorization: `Bearer ${sandbox.apiKey}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  return {
    sandbox,
    call,
    async expect(status, method, path, body) {
      const heard = await call(method, `/projects/${sandbox.projectId}${path}`, body);
      if (heard.status !== status)
        throw new Error(`${method} ${path}: ${heard.status} instead of ${status}: ${JSON.stringify(heard.body)}`);
      return heard.body;
    },
    [Symbol.asyncDispose]: () => sandbox.close(),
  };
}
