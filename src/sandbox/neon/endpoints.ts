// What can be asked of computes.
import { addEndpoint, checkEndpoint, dropEndpoint, endpointView, endpointViews, sleepEndpoint, suspendSeconds } from "./computes.ts";
import { refused } from "./errors.ts";
import { operationViews, queue } from "./operations.ts";
import { type Answer, type Call, optional, part, type Realm, required } from "./realm.ts";
import { type Action, type Endpoint, endpointsOf, type Project } from "./state.ts";

export function listEndpoints(realm: Realm, call: Call): Answer {
  const project = realm.project(call);
  const all =
    call.params.branch === undefined ? [...project.endpoints.values()] : endpointsOf(project, realm.branch(project, call.params.branch));
  return { status: 200, body: { endpoints: endpointViews(realm, project, all) } };
}

export function getEndpoint(realm: Realm, call: Call): Answer {
  const project = realm.project(call);
  return { status: 200, body: { endpoint: endpointView(realm, project, realm.endpoint(project, call.params.endpoint)) } };
}

export async function createEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const wanted = part(call.body, "endpoint");
  const branch = realm.branch(project, required(wanted, "branch_id", "string"));
  checkEndpoint(realm, project, branch, wanted);
  const endpoint = await addEndpoint(realm, project, branch, wanted);
  return changed(realm, call, project, endpoint, "start_compute", 201);
}

export async function updateEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const endpoint = realm.endpoint(project, call.params.endpoint);
  const wanted = part(call.body, "endpoint");
  const timeout = suspendSeconds(realm, wanted);
  const target = optional(wanted, "branch_id", "string");
  if (target !== undefined && target !== endpoint.branchId) {
    const to = realm.branch(project, target);
    checkEndpoint(realm, project, to, { type: endpoint.type });
    const from = realm.branch(project, endpoint.branchId);
    endpoint.branchId = to.id;
    if (endpointsOf(project, from).length === 0) await realm.fleet.stop(from.line);
  }
  endpoint.name = optional(wanted, "name", "string") ?? endpoint.name;
  endpoint.suspendSeconds = timeout ?? endpoint.suspendSeconds;
  endpoint.minCu = optional(wanted, "autoscaling_limit_min_cu", "number") ?? endpoint.minCu;
  endpoint.maxCu = optional(wanted, "autoscaling_limit_max_cu", "number") ?? endpoint.maxCu;
  endpoint.settings = optional(wanted, "settings", "object") ?? endpoint.settings;
  endpoint.disabled = optional(wanted, "disabled", "boolean") ?? endpoint.disabled;
  endpoint.updatedAt = realm.time.now();
  return changed(realm, call, project, endpoint, "apply_config");
}

export async function startEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const endpoint = realm.endpoint(project, call.params.endpoint);
  if (endpoint.disabled) throw refused("endpoint is disabled");
  const now = realm.time.now();
  Object.assign(endpoint, { before: endpoint.state, state: "active", startedAt: now, lastActive: now, updatedAt: now });
  return changed(realm, call, project, endpoint, "start_compute");
}

export async function suspendEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const endpoint = realm.endpoint(project, call.params.endpoint);
  await sleepEndpoint(realm, project, endpoint);
  return changed(realm, call, project, endpoint, "suspend_compute");
}

export async function restartEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const endpoint = realm.endpoint(project, call.params.endpoint);
  await realm.fleet.stop(realm.branch(project, endpoint.branchId).line);
  const now = realm.time.now();
  Object.assign(endpoint, { before: endpoint.state, state: "active", startedAt: now, lastActive: now, updatedAt: now });
  return changed(realm, call, project, endpoint, "start_compute");
}

export async function deleteEndpoint(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  if (project.gone.has(call.params.endpoint ?? "")) return { status: 204 };
  const endpoint = realm.endpoint(project, call.params.endpoint);
  await sleepEndpoint(realm, project, endpoint);
  await dropEndpoint(project, endpoint);
  return changed(realm, call, project, endpoint, "suspend_compute");
}

function changed(realm: Realm, call: Call, project: Project, endpoint: Endpoint, action: Action, status = 200): Answer {
  const operations = queue(realm, project, [{ action, branchId: endpoint.branchId, endpointId: endpoint.id }], call.stuck);
  endpoint.pending = operations.at(-1);
  return {
    status,
    body: { endpoint: endpointView(realm, project, endpoint), operations: operationViews(realm, project, operations) },
  };
}
