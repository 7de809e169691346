// Neon's API on loopback in front of real PostgreSQL clusters: for tests, the demonstration, and trying things out.
//
// It knows one account. What it assumes of undocumented behaviour is in assumptions.ts.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { majorOf } from "../postgres/programs.ts";
import { addKey } from "./account.ts";
import { connectionUri } from "./branch-view.ts";
import { ClockMap } from "./clock-map.ts";
import { runDue } from "./due-work.ts";
import { type Delays, Emulator } from "./emulator.ts";
import { FaultList, type Faults } from "./faults.ts";
import { openFleet } from "./fleet/fleet.ts";
import type { Fleet, FleetOptions } from "./fleet/fleet-types.ts";
import { LIMITS, type Limits, type PlanName } from "./limits.ts";
import { addProject, type ProjectRequest } from "./projects.ts";
import { BASE, serve } from "./server.ts";
import { databasesOf, endpointsOf, rolesOf, type Store } from "./state.ts";

export interface NeonSandboxOptions {
  readonly plan?: PlanName | undefined;
  /** Limits that replace the plan's. */
  readonly limits?: Partial<Limits> | undefined;
  /** The clusters: a fleet that the caller ends, or the options to open one. */
  readonly fleet: Fleet | FleetOptions;
  /** PostgreSQL's programs, when a fleet is given: for schemas as text. */
  readonly bin?: string | undefined;
  /** The clock of the API. Default: the machine's. After a jump call `tick`, or use `advance`. */
  readonly clock?: { now(): Date } | undefined;
  readonly delays?: Partial<Delays> | undefined;
  readonly project?: ProjectRequest | undefined;
  readonly defaultBranchName?: string | undefined;
  readonly port?: number | undefined;
}

export interface NeonSandbox {
  readonly apiHost: string;
  readonly apiKey: string;
  readonly projectId: string;
  /** Name of the production branch. */
  readonly branch: string;
  /** Connection string of the production branch. */
  readonly url: string;
  readonly faults: Faults;
  /** The emulator's state, for tests. */
  readonly store: Store;
  /** The driven present. */
  now(): Date;
  /** Puts the clock forward and does all work that became due, in order. */
  advance(ms: number): Promise<void>;
  /** Does due work, after the test's own clock has jumped. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

const DELAYS: Delays = { schedulingMs: 20, runningMs: 80, coldStartMs: 200 };
const TICK_MS = 500;

export async function startNeonSandbox(options: NeonSandboxOptions): Promise<NeonSandbox> {
  const plan = options.plan ?? "launch";
  const given = "openProxy" in options.fleet;
  const fleet = "openProxy" in options.fleet ? options.fleet : await openFleet(options.fleet);
  const clock = options.clock;
  const store: Store = {
    plan,
    limits: { ...LIMITS[plan], ...options.limits },
    projects: new Map(),
    keys: new Map(),
    account: { id: randomUUID(), orgId: "org-sandbox-00000001" },
    nextNumber: 1,
  };
  const bin = "openProxy" in options.fleet ? options.bin : options.fleet.bin;
  const emulator = new Emulator({
    store,
    time: new ClockMap(clock && (() => clock.now().getTime())),
    fleet,
    delays: { ...DELAYS, ...options.delays },
    bin,
  });
  const faults = new FaultList();
  const http = createServer((request, response) => {
    request.on("error", () => response.destroy()); // the client went away
    void serve(emulator, faults, request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  http.requestTimeout = 0;
  const stop = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => http.close(() => resolve()));
    http.closeAllConnections();
    await closed;
    for (const project of store.projects.values()) for (const endpoint of project.endpoints.values()) await endpoint.proxy.close();
    if (!given) await fleet.end();
  };
  try {
    const project = await addProject(emulator, {
      name: "sandbox",
      branchName: options.defaultBranchName ?? "production",
      pgVersion: bin === undefined ? undefined : await majorOf(bin),
      ...options.project,
    });
    await new Promise<void>((resolve, reject) => http.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve));
    const ticking = beginTicking(emulator);
    const [branch] = project.branches.values();
    if (branch === undefined) throw new Error("a new project has a branch");
    const [endpoint] = endpointsOf(project, branch);
    const [role] = rolesOf(branch);
    const [database] = databasesOf(branch);
    if (endpoint === undefined || role?.password === undefined || database === undefined) throw new Error("a new branch has a compute");
    return {
      apiHost: `http://127.0.0.1:${(http.address() as AddressInfo).port}${BASE}`,
      apiKey: addKey(store, "sandbox", emulator.time.now()).key,
      projectId: project.id,
      branch: branch.name,
      url: connectionUri(endpoint, role.name, role.password, database.name),
      faults,
      store,
      now: () => emulator.time.now(),
      advance: (ms) => ticking.tick(() => emulator.time.advance(ms)),
      tick: () => ticking.tick(),
      async close() {
        await ticking.end();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Does due work twice a second, and when asked, one piece at a time. */
function beginTicking(emulator: Emulator): { tick(first?: () => void): Promise<void>; end(): Promise<void> } {
  let last: Promise<void> = Promise.resolve();
  let failure: { readonly error: unknown } | undefined;
  const tick = (first?: () => void): Promise<void> => {
    first?.();
    emulator.time.read();
    const done = last.then(() => runDue(emulator));
    last = done.catch(() => undefined); // the caller gets it from `done`
    return done;
  };
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    tick()
      .catch((error: unknown) => {
        failure ??= { error }; // told at the end
      })
      .finally(() => {
        waiting = false;
      });
  }, TICK_MS);
  timer.unref();
  return {
    tick,
    async end() {
      clearInterval(timer);
      await last;
      if (failure !== undefined) throw failure.error;
    },
  };
}
