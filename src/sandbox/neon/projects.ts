// Projects: made, listed, changed, deleted for a while, recovered.
import { branchView, connectionViews } from "./branch-view.ts";
import { checkName } from "./branches.ts";
import { databaseView, firstCatalog, firstSql, roleView } from "./catalog.ts";
import { addEndpoint, checkEndpoint, endpointViews } from "./computes.ts";
import { invalid, limitReached, NeonFault, notFound } from "./errors.ts";
import { mintId, mintProjectId } from "./ids.ts";
import { mutate, operationViews, queue } from "./operations.ts";
import { page } from "./paging.ts";
import { commonView, projectView } from "./project-view.ts";
import { type Answer, type Call, type Json, optional, part, type Realm } from "./realm.ts";
import { type Branch, databasesOf, endpointsOf, type Project, rolesOf } from "./state.ts";

const RECOVERABLE_MS = 7 * 24 * 3600 * 1000;

export interface ProjectWishes {
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
export async function addProject(realm: Realm, wishes: ProjectWishes): Promise<Project> {
  const { limits, projects } = realm.world;
  if (projects.size >= limits.projects) throw limitReached("PROJECTS_LIMIT_EXCEEDED", `projects limit exceeded, limit: ${limits.projects}`);
  const historySeconds = wishes.historySeconds ?? limits.defaultHistorySeconds;
  checkHistory(realm, historySeconds);
  const now = realm.time.now();
  const id = mintProjectId();
  const project: Project = {
    id,
    name: wishes.name ?? id,
    regionId: wishes.regionId ?? "us-east-2",
    pgVersion: wishes.pgVersion ?? 17,
    historySeconds,
    settings: { ...wishes.settings },
    endpointSettings: { ...wishes.endpointSettings },
    createdAt: now,
    updatedAt: now,
    branches: new Map(),
    endpoints: new Map(),
    snapshots: new Map(),
    operations: [],
    gone: new Set(),
    busy: false,
  };
  const catalog = firstCatalog(realm, wishes.roleName ?? "neondb_owner", wishes.databaseName ?? "neondb");
  const line = await realm.fleet.createLine({ sql: firstSql(catalog) });
  const branch: Branch = {
    id: mintId("br"),
    name: wishes.branchName ?? "main",
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
  await addEndpoint(realm, project, branch, { type: "read_write" });
  projects.set(id, project);
  return project;
}

function checkHistory(realm: Realm, seconds: number): void {
  const max = realm.world.limits.maxHistorySeconds;
  if (!Number.isInteger(seconds) || seconds < 0) throw invalid("history_retention_seconds must be a whole number of seconds");
  if (seconds <= max) return;
  throw invalid(
    `requested history retention seconds exceeds allowed maximum; requested_history_retention_seconds:"${seconds}", max:"${max}"`,
  );
}

export function listProjects(realm: Realm, call: Call): Answer {
  const search = call.query.get("search") ?? "";
  const recoverable = call.query.get("recoverable") === "true";
  const org = call.query.get("org_id");
  const all = [...realm.world.projects.values()].filter(
    (project) =>
      (project.deletedAt !== undefined) === recoverable &&
      (project.name.includes(search) || project.id.includes(search)) &&
      (org === null || org === realm.world.account.orgId) &&
      (call.key.projectId === undefined || call.key.projectId === project.id),
  );
  const { items, cursor } = page(call.query, all, (project) => project.id, { usual: 10, most: 400 });
  const projects = items.map((project) => ({
    ...commonView(realm, project),
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

export async function getProject(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  for (const branch of project.branches.values()) {
    // One whose server sleeps has the size it had.
    if (realm.fleet.isRunning(branch.line)) branch.sizeBytes = (await realm.fleet.facts(branch.line)).sizeBytes ?? branch.sizeBytes;
  }
  return { status: 200, body: { project: projectView(realm, project) } };
}

export async function createProject(realm: Realm, call: Call): Promise<Answer> {
  if (call.key.projectId !== undefined) throw new NeonFault(403, "", "the key is for one project only");
  const wanted = part(call.body, "project");
  const first = optional(wanted, "branch", "object") ?? {};
  const endpointSettings = optional(wanted, "default_endpoint_settings", "object");
  if (endpointSettings !== undefined) checkEndpoint(realm, {} as Project, undefined, { ...endpointSettings, type: "read_write" });
  const project = await addProject(realm, {
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
  return mutate(realm, project, () => {
    const branch = [...project.branches.values()][0] as Branch;
    const endpoints = endpointsOf(project, branch);
    const operations = queue(
      realm,
      project,
      [
        { action: "create_timeline", branchId: branch.id },
        { action: "start_compute", branchId: branch.id, endpointId: endpoints[0]?.id },
      ],
      call.stuck,
    );
    return {
      status: 201,
      body: {
        project: projectView(realm, project),
        connection_uris: endpoints.flatMap((endpoint) => connectionViews(branch, endpoint)),
        roles: rolesOf(branch).map((role) => roleView(branch, role, true)),
        databases: databasesOf(branch).map((database) => databaseView(branch, database)),
        operations: operationViews(realm, project, operations),
        branch: branchView(realm, project, branch),
        endpoints: endpointViews(realm, project, endpoints),
      },
    };
  });
}

export function updateProject(realm: Realm, call: Call): Answer {
  const project = realm.project(call);
  const wanted = part(call.body, "project");
  const historySeconds = optional(wanted, "history_retention_seconds", "number") ?? project.historySeconds;
  checkHistory(realm, historySeconds);
  const endpointSettings = optional(wanted, "default_endpoint_settings", "object");
  if (endpointSettings !== undefined) checkEndpoint(realm, project, undefined, { ...endpointSettings, type: "read_write" });
  Object.assign(project, {
    name: optional(wanted, "name", "string") ?? project.name,
    historySeconds,
    settings: { ...project.settings, ...optional(wanted, "settings", "object") },
    endpointSettings: { ...project.endpointSettings, ...endpointSettings },
    updatedAt: realm.time.now(),
  });
  const [branch] = project.branches.values();
  const operations = queue(realm, project, [{ action: "apply_config", branchId: branch?.id }], call.stuck);
  return { status: 200, body: { project: projectView(realm, project), operations: operationViews(realm, project, operations) } };
}

export async function deleteProject(realm: Realm, call: Call): Promise<Answer> {
  if (call.key.projectId !== undefined) throw new NeonFault(403, "", "the key cannot delete the project");
  const project = realm.project(call);
  project.deletedAt = realm.time.now();
  for (const branch of project.branches.values()) await realm.fleet.stop(branch.line);
  return { status: 200, body: { project: projectView(realm, project) } };
}

export function recoverProject(realm: Realm, call: Call): Answer {
  const project = realm.world.projects.get(call.params.project ?? "");
  if (project?.deletedAt === undefined) throw notFound("project");
  project.deletedAt = undefined;
  return {
    status: 200,
    body: {
      project: projectView(realm, project),
      branches: [...project.branches.values()].map((branch) => branchView(realm, project, branch)),
    },
  };
}
