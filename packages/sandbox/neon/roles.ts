// Roles of a branch, and their passwords.
import { quoted, roleOf, roleSql, roleView } from "./catalog.ts";
import { type Answer, type ApiRequest, type Emulator, optional, part, required } from "./emulator.ts";
import { invalid, NeonApiError } from "./errors.ts";
import { mintPassword } from "./ids.ts";
import { operationViews, queue } from "./operations.ts";
import { type Branch, databasesOf, type NeonProject, type Role, rolesOf } from "./state.ts";

export function found(emulator: Emulator, request: ApiRequest): { project: NeonProject; branch: Branch } {
  const project = emulator.project(request);
  return { project, branch: emulator.branch(project, request.params.branch) };
}

/** Ends an entry now and puts others in its place. */
function replaceRole(emulator: Emulator, branch: Branch, old: Role | undefined, added: Role | undefined): void {
  const now = emulator.time.now();
  const roles = branch.catalog.roles.map((role) => (role === old ? { ...role, until: now } : role));
  branch.catalog = { ...branch.catalog, roles: added === undefined ? roles : [...roles, added] };
}

export function listRoles(emulator: Emulator, request: ApiRequest): Answer {
  const { branch } = found(emulator, request);
  return { status: 200, body: { roles: rolesOf(branch).map((role) => roleView(branch, role)) } };
}

export function getRole(emulator: Emulator, request: ApiRequest): Answer {
  const { branch } = found(emulator, request);
  return { status: 200, body: { role: roleView(branch, roleOf(branch, request.params.role)) } };
}

export function revealPassword(emulator: Emulator, request: ApiRequest): Answer {
  const { branch } = found(emulator, request);
  const { password } = roleOf(branch, request.params.role);
  if (password === undefined) throw new NeonApiError(412, "", "the role has no password");
  return { status: 200, body: { password } };
}

export async function createRole(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const wanted = part(request.body, "role");
  const roleName = required(wanted, "name", "string");
  if (rolesOf(branch).some((role) => role.name === roleName)) throw new NeonApiError(409, "", `role ${roleName} already exists`);
  const now = emulator.time.now();
  const password = optional(wanted, "no_login", "boolean") === true ? undefined : mintPassword();
  const role: Role = { name: roleName, password, createdAt: now, from: now };
  await emulator.fleet.execute(branch.line, "postgres", roleSql(role));
  replaceRole(emulator, branch, undefined, role);
  return configured(emulator, request, project, branch, 201, { role: roleView(branch, role, true) });
}

export async function deleteRole(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const role = roleOf(branch, request.params.role);
  if (databasesOf(branch).some((database) => database.owner === role.name)) throw invalid(`role ${role.name} owns a database`);
  await emulator.fleet.execute(branch.line, "postgres", `DROP ROLE ${quoted(role.name)}`);
  replaceRole(emulator, branch, role, undefined);
  return configured(emulator, request, project, branch, 200, { role: roleView(branch, role) });
}

export async function resetPassword(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const role = roleOf(branch, request.params.role);
  const changed: Role = { ...role, password: mintPassword(), from: emulator.time.now() };
  await emulator.fleet.setPassword(branch.line, role.name, changed.password as string);
  replaceRole(emulator, branch, role, changed);
  return configured(emulator, request, project, branch, 200, { role: roleView(branch, changed, true) });
}

export function configured(
  emulator: Emulator,
  request: ApiRequest,
  project: NeonProject,
  branch: Branch,
  status: number,
  body: object,
): Answer {
  const operations = queue(emulator, project, [{ action: "apply_config", branchId: branch.id }], request.stuck);
  return { status, body: { ...body, operations: operationViews(emulator, project, operations) } };
}
