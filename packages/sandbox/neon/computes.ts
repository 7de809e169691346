// Computes: one that writes per branch, asleep or awake, reached through a proxy that wakes them.
import { setTimeout as sleep } from "node:timers/promises";
import { type Emulator, type Json, optional, required } from "./emulator.ts";
import { NeonApiError, refused } from "./errors.ts";
import { mintId } from "./ids.ts";
import { DEFAULT_SUSPEND_SECONDS } from "./limits.ts";
import { hasEnded } from "./operations.ts";
import { type Branch, type Endpoint, endpointsOf, type NeonProject } from "./state.ts";

export function endpointView(emulator: Emulator, project: NeonProject, endpoint: Endpoint): object {
  const changing = !hasEnded(emulator, endpoint.pending);
  return {
    id: endpoint.id,
    name: endpoint.name,
    host: endpoint.host,
    proxy_host: endpoint.host,
    project_id: project.id,
    branch_id: endpoint.branchId,
    region_id: project.regionId,
    type: endpoint.type,
    current_state: changing ? endpoint.before : endpoint.state,
    ...(changing ? { pending_state: endpoint.state } : {}),
    autoscaling_limit_min_cu: endpoint.minCu,
    autoscaling_limit_max_cu: endpoint.maxCu,
    settings: endpoint.settings,
    pooler_enabled: false,
    pooler_mode: "transaction",
    disabled: endpoint.disabled,
    passwordless_access: true,
    creation_source: "console",
    provisioner: "k8s-neonvm",
    suspend_timeout_seconds: endpoint.suspendSeconds,
    created_at: endpoint.createdAt,
    updated_at: endpoint.updatedAt,
    last_active: endpoint.lastActive,
    started_at: endpoint.startedAt,
    suspended_at: endpoint.suspendedAt,
  };
}

export const endpointViews = (emulator: Emulator, project: NeonProject, endpoints: readonly Endpoint[]): object[] =>
  endpoints.map((endpoint) => endpointView(emulator, project, endpoint));

/** What a request says about a compute, checked. 412 for a timeout where the plan has a fixed one. */
export function suspendSeconds(emulator: Emulator, wanted: Json): number | undefined {
  const asked = optional(wanted, "suspend_timeout_seconds", "number");
  if (asked === undefined) return undefined;
  const { minSuspendSeconds, alwaysOn } = emulator.store.limits;
  if (minSuspendSeconds === undefined)
    throw new NeonApiError(412, "", `suspend_timeout_seconds cannot be set on the ${emulator.store.plan} plan`);
  const allowed = asked === 0 || (asked === -1 ? alwaysOn : asked >= minSuspendSeconds && asked <= 604800);
  if (!allowed)
    throw new NeonApiError(412, "", `suspend_timeout_seconds must be at least ${minSuspendSeconds} on the ${emulator.store.plan} plan`);
  return asked;
}

/** Refuses a compute that may not be made, before any change. */
export function checkEndpoint(emulator: Emulator, project: NeonProject, branch: Branch | undefined, wanted: Json): void {
  const type = required(wanted, "type", "string");
  if (type !== "read_write" && type !== "read_only") throw refused("type must be read_write or read_only");
  suspendSeconds(emulator, wanted);
  if (type === "read_write" && branch !== undefined && endpointsOf(project, branch).some((each) => each.type === "read_write")) {
    throw refused("read-write endpoint already exists on the branch");
  }
}

/** A compute of a branch, with a proxy of its own. Nothing is started: the first connection does that. */
export async function addEndpoint(emulator: Emulator, project: NeonProject, branch: Branch, wanted: Json): Promise<Endpoint> {
  const now = emulator.time.now();
  const usual = project.endpointSettings;
  const endpoint: Omit<Endpoint, "proxy" | "host"> = {
    id: mintId("ep"),
    branchId: branch.id,
    name: optional(wanted, "name", "string"),
    type: wanted.type === "read_only" ? "read_only" : "read_write",
    state: "active",
    before: "init",
    suspendSeconds: suspendSeconds(emulator, wanted) ?? Number(usual.suspend_timeout_seconds ?? 0),
    minCu: Number(wanted.autoscaling_limit_min_cu ?? usual.autoscaling_limit_min_cu ?? 0.25),
    maxCu: Number(wanted.autoscaling_limit_max_cu ?? usual.autoscaling_limit_max_cu ?? 2),
    settings: { ...optional(wanted, "settings", "object") },
    disabled: optional(wanted, "disabled", "boolean") === true,
    createdAt: now,
    updatedAt: now,
    lastActive: now,
    startedAt: now,
  };
  const proxy = await emulator.fleet.openProxy(() => wake(emulator, project, endpoint.id));
  const host = proxy.port === 5432 ? proxy.host : `${proxy.host}:${proxy.port}`;
  const made: Endpoint = Object.assign(endpoint, { proxy, host });
  project.endpoints.set(made.id, made);
  return made;
}

/** Returns the server behind the compute's present branch for a new connection; starts it when it sleeps. */
async function wake(emulator: Emulator, project: NeonProject, id: string): Promise<{ readonly port: number }> {
  for (;;) {
    const endpoint = emulator.endpoint(project, id);
    const branch = emulator.branch(project, endpoint.branchId);
    if (endpoint.disabled || project.deletedAt !== undefined) throw new Error(`compute ${id} is disabled`);
    if (!emulator.fleet.isRunning(branch.line)) await sleep(emulator.delays.coldStartMs);
    const server = await emulator.fleet.start(branch.line);
    if (project.endpoints.get(id)?.branchId !== branch.id || project.branches.get(branch.id)?.line !== branch.line) continue; // it was moved
    const now = emulator.time.now();
    if (endpoint.state === "idle") Object.assign(endpoint, { state: "active", startedAt: now, pending: undefined });
    endpoint.lastActive = now;
    return server;
  }
}

/** Puts a compute to sleep; its connections end. */
export async function sleepEndpoint(emulator: Emulator, project: NeonProject, endpoint: Endpoint): Promise<void> {
  const branch = emulator.branch(project, endpoint.branchId);
  const now = emulator.time.now();
  Object.assign(endpoint, { before: endpoint.state, state: "idle", suspendedAt: now, updatedAt: now });
  const awake = endpointsOf(project, branch).some((each) => each.state === "active");
  if (!awake) await emulator.fleet.stop(branch.line);
}

export async function dropEndpoint(project: NeonProject, endpoint: Endpoint): Promise<void> {
  project.endpoints.delete(endpoint.id);
  project.gone.add(endpoint.id);
  await endpoint.proxy.close();
}

/** Computes of one branch go to another and are restarted there: connections break once, addresses stay. */
export async function moveEndpoints(emulator: Emulator, project: NeonProject, from: Branch, to: Branch): Promise<Endpoint[]> {
  const moved = endpointsOf(project, from);
  for (const endpoint of moved) Object.assign(endpoint, { branchId: to.id, updatedAt: emulator.time.now(), before: endpoint.state });
  await emulator.fleet.stop(from.line);
  return moved;
}

export const suspendAfterSeconds = (endpoint: Endpoint): number =>
  endpoint.suspendSeconds === 0 ? DEFAULT_SUSPEND_SECONDS : endpoint.suspendSeconds;
