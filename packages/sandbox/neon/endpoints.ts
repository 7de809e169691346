// What can be asked of computes.
import { addEndpoint, checkEndpoint, dropEndpoint, endpointView, endpointViews, sleepEndpoint, suspendSeconds } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, optional, part, required } from "./emulator.ts";
import { refused } from "./errors.ts";
import { operationViews, queue } from "./operations.ts";
import { type Action, type Endpoint, endpointsOf, type NeonProject } from "./state.ts";

export function listEndpoints(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const all =
    request.params.branch === undefined
      ? [...project.endpoints.values()]
      : endpointsOf(project, emulator.branch(project, request.params.branch));
  return { status: 200, body: { endpoints: endpointViews(emulator, project, all) } };
}

export function getEndpoint(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  return { status: 200, body: { endpoint: endpointView(emulator, project, emulator.endpoint(project, request.params.endpoint)) } };
}

export async function createEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const wanted = part(request.body, "endpoint");
  const branch = emulator.branch(project, required(wanted, "branch_id", "string"));
  checkEndpoint(emulator, project, branch, wanted);
  const endpoint = await addEndpoint(emulator, project, branch, wanted);
  return changed(emulator, request, project, endpoint, "start_compute", 201);
}

export async function updateEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const endpoint = emulator.endpoint(project, request.params.endpoint);
  const wanted = part(request.body, "endpoint");
  const timeout = suspendSeconds(emulator, wanted);
  const target = optional(wanted, "branch_id", "string");
  if (target !== undefined && target !== endpoint.branchId) {
    const to = emulator.branch(project, target);
    checkEndpoint(emulator, project, to, { type: endpoint.type });
    const from = emulator.branch(project, endpoint.branchId);
    endpoint.branchId = to.id;
    if (endpointsOf(project, from).length === 0) await emulator.fleet.stop(from.line);
  }
  endpoint.name = optional(wanted, "name", "string") ?? endpoint.name;
  endpoint.suspendSeconds = timeout ?? endpoint.suspendSeconds;
  endpoint.minCu = optional(wanted, "autoscaling_limit_min_cu", "number") ?? endpoint.minCu;
  endpoint.maxCu = optional(wanted, "autoscaling_limit_max_cu", "number") ?? endpoint.maxCu;
  endpoint.settings = optional(wanted, "settings", "object") ?? endpoint.settings;
  endpoint.disabled = optional(wanted, "disabled", "boolean") ?? endpoint.disabled;
  endpoint.updatedAt = emulator.time.now();
  return changed(emulator, request, project, endpoint, "apply_config");
}

export async function startEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const endpoint = emulator.endpoint(project, request.params.endpoint);
  if (endpoint.disabled) throw refused("endpoint is disabled");
  const now = emulator.time.now();
  Object.assign(endpoint, { before: endpoint.state, state: "active", startedAt: now, lastActive: now, updatedAt: now });
  return changed(emulator, request, project, endpoint, "start_compute");
}

export async function suspendEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const endpoint = emulator.endpoint(project, request.params.endpoint);
  await sleepEndpoint(emulator, project, endpoint);
  return changed(emulator, request, project, endpoint, "suspend_compute");
}

export async function restartEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const endpoint = emulator.endpoint(project, request.params.endpoint);
  await emulator.fleet.stop(emulator.branch(project, endpoint.branchId).line);
  const now = emulator.time.now();
  Object.assign(endpoint, { before: endpoint.state, state: "active", startedAt: now, lastActive: now, updatedAt: now });
  return changed(emulator, request, project, endpoint, "start_compute");
}

export async function deleteEndpoint(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  if (project.gone.has(request.params.endpoint ?? "")) return { status: 204 };
  const endpoint = emulator.endpoint(project, request.params.endpoint);
  await sleepEndpoint(emulator, project, endpoint);
  await dropEndpoint(project, endpoint);
  return changed(emulator, request, project, endpoint, "suspend_compute");
}

function changed(emulator: Emulator, request: ApiRequest, project: NeonProject, endpoint: Endpoint, action: Action, status = 200): Answer {
  const operations = queue(emulator, project, [{ action, branchId: endpoint.branchId, endpointId: endpoint.id }], request.stuck);
  endpoint.pending = operations.at(-1);
  return {
    status,
    body: { endpoint: endpointView(emulator, project, endpoint), operations: operationViews(emulator, project, operations) },
  };
}
