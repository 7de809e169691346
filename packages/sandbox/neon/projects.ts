// Projects: create, list, change, delete, recover.
import { branchView, connectionViews } from "./branch-view.ts";
import { checkName } from "./branches.ts";
import { databaseView, firstCatalog, firstSql, roleView } from "./catalog.ts";
import { addEndpoint, checkEndpoint, endpointViews } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, type Json, optional, part } from "./emulator.ts";
import { invalid, limitReached, NeonApiError, notFound } from "./errors.ts";
import { mintId, mintProjectId } from "./ids.ts";
import { mutate, operationViews, queue } from "./operations.ts";
import { page } from "./paging.ts";
import { type Branch, databasesOf, endpointsOf, type NeonProject, rolesOf } from "./state.ts";

const RECOVERABLE_MS = 7 * 24 * 3600 * 1000;

export interface ProjectRequest {
  readonly name?: string | undefined;
  readonly branchName?: string | undefined;
  readonly roleName?: string | undefined;
  readonly databaseName?: string | undefined;
  readonly historySeconds?: number | undefined;
  readonly pgVersion?: number | undefined;
  readonly regionId?: string | undefined;
  readonly settings?: Json | undefined;
  readonly endpointSettings?: Json | undefined;
}

/** A project with one branch, one role, one database and one compute. No server is started. */
export async function addProject(emulator: Emulator, requested: ProjectRequest): Promise<NeonProject> {
  const { limits, projects } = emulator.store;
  if (projects.size >= limits.projects) throw limitReached("PROJECTS_LIMIT_EXCEEDED", `projects limit exceeded, limit: ${limits.projects}`);
  const historySeconds = requested.historySeconds ?? limits.defaultHistorySeconds;
  checkHistory(emulator, historySeconds);
  const now = emulator.time.now();
  const id = mintProjectId();
  const project: NeonProject = {
    id,
    name: requested.name ?? id,
    regionId: requested.regionId ?? "us-east-2",
    pgVersion: requested.pgVersion ?? 17,
    historySeconds,
    settings: { ...requested.settings },
    endpointSettings: { ...requested.endpointSettings },
    createdAt: now,
    updatedAt: now,
    branches: new Map(),
    endpoints: new Map(),
    snapshots: new Map(),
    operations: [],
    gone: new Set(),
    busy: false,
  };
  const catalog = firstCatalog(emulator, requested.roleName ?? "neondb_owner", requested.databaseName ?? "neondb");
  const line = await emulator.fleet.createLine({ sql: firstSql(catalog) });
  const branch: Branch = {
    id: mintId("br"),
    name: requested.branchName ?? "main",
    parentId: undefined,
    line,
    default: true,
    protected: false,
    original: true,
    createdAt: now,
    updatedAt: now,
    initSource: "parent-data",
    catalog,
    schedule: [],
    scheduledUpTo: now,
    sizeBytes: 0,
  };
  checkName(project, branch.name);
  project.branches.set(branch.id, branch);
  await addEndpoint(emulator, project, branch, { type: "read_write" });
  projects.set(id, project);
  return project;
}

function checkHistory(emulator: Emulator, seconds: number): void {
  const max = emulator.store.limits.maxHistorySeconds;
  if (!Number.isInteger(seconds) || seconds < 0) throw invalid("history_retention_seconds must be a whole number of seconds");
  if (seconds <= max) return;
  throw invalid(
    `requested history retention seconds exceeds allowed maximum; requested_history_retention_seconds:"${seconds}", max:"${max}"`,
  );
}

export function listProjects(emulator: Emulator, request: ApiRequest): Answer {
  const search = request.query.get("search") ?? "";
  const recoverable = request.query.get("recoverable") === "true";
  const org = request.query.get("org_id");
  const all = [...emulator.store.projects.values()].filter(
    (project) =>
      (project.deletedAt !== undefined) === recoverable &&
      (project.name.includes(search) || project.id.includes(search)) &&
      (org === null || org === emulator.store.account.orgId) &&
      (request.key.projectId === undefined || request.key.projectId === project.id),
  );
  const { items, cursor } = page(request.query, all, (project) => project.id, { usual: 10, most: 400 });
  const projects = items.map((project) => ({
    ...commonView(emulator, project),
    active_time: 0,
    ...(project.deletedAt === undefined
      ? {}
      : { deleted_at: project.deletedAt, recoverable_until: new Date(project.deletedAt.getTime() + RECOVERABLE_MS) }),
  }));
  return {
    status: 200,
    body: { projects, applications: {}, integrations: {}, ...(cursor === undefined ? {} : { pagination: { cursor } }) },
  };
}

export const listShared = (): Answer => ({ status: 200, body: { projects: [] } });

export async function getProject(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  for (const branch of project.branches.values()) {
    // A server that sleeps keeps its size.
    if (emulator.fleet.isRunning(branch.line)) branch.sizeBytes = (await emulator.fleet.facts(branch.line)).sizeBytes ?? branch.sizeBytes;
  }
  return { status: 200, body: { project: projectView(emulator, project) } };
}

export async function createProject(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  if (request.key.projectId !== undefined) throw new NeonApiError(403, "", "the key is for one project only");
  const wanted = part(request.body, "project");
  const first = optional(wanted, "branch", "object") ?? {};
  const endpointSettings = optional(wanted, "default_endpoint_settings", "object");
  if (endpointSettings !== undefined) checkEndpoint(emulator, {} as NeonProject, undefined, { ...endpointSettings, type: "read_write" });
  const project = await addProject(emulator, {
    name: optional(wanted, "name", "string"),
    branchName: optional(first, "name", "string"),
    roleName: optional(first, "role_name", "string"),
    databaseName: optional(first, "database_name", "string"),
    historySeconds: optional(wanted, "history_retention_seconds", "number"),
    pgVersion: optional(wanted, "pg_version", "number"),
    regionId: optional(wanted, "region_id", "string"),
    settings: optional(wanted, "settings", "object"),
    endpointSettings,
  });
  return mutate(emulator, project, () => {
    const branch = [...project.branches.values()][0] as Branch;
    const endpoints = endpointsOf(project, branch);
    const operations = queue(
      emulator,
      project,
      [
        { action: "create_timeline", branchId: branch.id },
        { action: "start_compute", branchId: branch.id, endpointId: endpoints[0]?.id },
      ],
      request.stuck,
    );
    return {
      status: 201,
      body: {
        project: projectView(emulator, project),
        connection_uris: endpoints.flatMap((endpoint) => connectionViews(branch, endpoint)),
        roles: rolesOf(branch).map((role) => roleView(branch, role, true)),
        databases: databasesOf(branch).map((database) => databaseView(branch, database)),
        operations: operationViews(emulator, project, operations),
        branch: branchView(emulator, project, branch),
        endpoints: endpointViews(emulator, project, endpoints),
      },
    };
  });
}

export function updateProject(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const wanted = part(request.body, "project");
  const historySeconds = optional(wanted, "history_retention_seconds", "number") ?? project.historySeconds;
  checkHistory(emulator, historySeconds);
  const endpointSettings = optional(wanted, "default_endpoint_settings", "object");
  if (endpointSettings !== undefined) checkEndpoint(emulator, project, undefined, { ...endpointSettings, type: "read_write" });
  Object.assign(project, {
    name: optional(wanted, "name", "string") ?? project.name,
    historySeconds,
    settings: { ...project.settings, ...optional(wanted, "settings", "object") },
    endpointSettings: { ...project.endpointSettings, ...endpointSettings },
    updatedAt: emulator.time.now(),
  });
  const [branch] = project.branches.values();
  const operations = queue(emulator, project, [{ action: "apply_config", branchId: branch?.id }], request.stuck);
  return { status: 200, body: { project: projectView(emulator, project), operations: operationViews(emulator, project, operations) } };
}

export async function deleteProject(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  if (request.key.projectId !== undefined) throw new NeonApiError(403, "", "the key cannot delete the project");
  const project = emulator.project(request);
  project.deletedAt = emulator.time.now();
  for (const branch of project.branches.values()) await emulator.fleet.stop(branch.line);
  return { status: 200, body: { project: projectView(emulator, project) } };
}

export function recoverProject(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.store.projects.get(request.params.project ?? "");
  if (project?.deletedAt === undefined) throw notFound("project");
  project.deletedAt = undefined;
  return {
    status: 200,
    body: {
      project: projectView(emulator, project),
      branches: [...project.branches.values()].map((branch) => branchView(emulator, project, branch)),
    },
  };
}

/** The part of a project that the list shows too. */
export function commonView(emulator: Emulator, project: NeonProject): object {
  return {
    id: project.id,
    platform_id: "aws",
    region_id: project.regionId,
    name: project.name,
    provisioner: "k8s-neonvm",
    default_endpoint_settings: {
      autoscaling_limit_min_cu: 0.25,
      autoscaling_limit_max_cu: 2,
      suspend_timeout_seconds: 0,
      ...project.endpointSettings,
    },
    settings: project.settings,
    pg_version: project.pgVersion,
    proxy_host: `${project.regionId}.aws.neon.tech`,
    branch_logical_size_limit: Math.floor((emulator.store.limits.storageBytes ?? 16 * 1024 ** 4) / 1024 ** 2),
    branch_logical_size_limit_bytes: emulator.store.limits.storageBytes ?? 16 * 1024 ** 4,
    store_passwords: true,
    cpu_used_sec: 0,
    creation_source: "console",
    history_retention_seconds: project.historySeconds,
    created_at: project.createdAt,
    updated_at: project.updatedAt,
    synthetic_storage_size: storageOf(project),
    owner_id: emulator.store.account.orgId,
    org_id: emulator.store.account.orgId,
  };
}

/** The real service bills other sizes than those of databases; the emulator takes one for the other. */
const storageOf = (project: NeonProject): number => [...project.branches.values()].reduce((sum, branch) => sum + branch.sizeBytes, 0);

const SUBSCRIPTIONS = { free: "free_v3", launch: "launch_v3", scale: "scale_v3" } as const;

export function projectView(emulator: Emulator, project: NeonProject): object {
  const now = emulator.time.now();
  return {
    ...commonView(emulator, project),
    data_storage_bytes_hour: 0,
    data_transfer_bytes: 0,
    written_data_bytes: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    consumption_period_start: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)),
    consumption_period_end: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)),
    owner: {
      email: "sandbox@example.com",
      name: "sandbox",
      branches_limit: emulator.store.limits.branches,
      subscription_type: SUBSCRIPTIONS[emulator.store.plan],
    },
  };
}
