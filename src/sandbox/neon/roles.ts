// Roles of a branch, and their passwords.
import { quoted, roleOf, roleSql, roleView } from "./catalog.ts";
import { invalid, NeonFault } from "./errors.ts";
import { mintPassword } from "./ids.ts";
import { operationViews, queue } from "./operations.ts";
import { type Answer, type Call, optional, part, type Realm, required } from "./realm.ts";
import { type Branch, databasesOf, type Project, type Role, rolesOf } from "./state.ts";

export function found(realm: Realm, call: Call): { project: Project; branch: Branch } {
  const project = realm.project(call);
  return { project, branch: realm.branch(project, call.params.branch) };
}

/** Ends an entry now and puts others in its place. */
function replaceRole(realm: Realm, branch: Branch, old: Role | undefined, added: Role | undefined): void {
  const now = realm.time.now();
  const roles = branch.catalog.roles.map((role) => (role === old ? { ...role, until: now } : role));
  branch.catalog = { ...branch.catalog, roles: added === undefined ? roles : [...roles, added] };
}

export function listRoles(realm: Realm, call: Call): Answer {
  const { branch } = found(realm, call);
  return { status: 200, body: { roles: rolesOf(branch).map((role) => roleView(branch, role)) } };
}

export function getRole(realm: Realm, call: Call): Answer {
  const { branch } = found(realm, call);
  return { status: 200, body: { role: roleView(branch, roleOf(branch, call.params.role)) } };
}

export function revealPassword(realm: Realm, call: Call): Answer {
  const { branch } = found(realm, call);
  const { password } = roleOf(branch, call.params.role);
  if (password === undefined) throw new NeonFault(412, "", "the role has no password");
  return { status: 200, body: { password } };
}

export async function createRole(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const wanted = part(call.body, "role");
  const roleName = required(wanted, "name", "string");
  if (rolesOf(branch).some((role) => role.name === roleName)) throw new NeonFault(409, "", `role ${roleName} already exists`);
  const now = realm.time.now();
  const password = optional(wanted, "no_login", "boolean") === true ? undefined : mintPassword();
  const role: Role = { name: roleName, password, createdAt: now, from: now };
  await realm.fleet.execute(branch.line, "postgres", roleSql(role));
  replaceRole(realm, branch, undefined, role);
  return configured(realm, call, project, branch, 201, { role: roleView(branch, role, true) });
}

export async function deleteRole(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const role = roleOf(branch, call.params.role);
  if (databasesOf(branch).some((database) => database.owner === role.name)) throw invalid(`role ${role.name} owns a database`);
  await realm.fleet.execute(branch.line, "postgres", `DROP ROLE ${quoted(role.name)}`);
  replaceRole(realm, branch, role, undefined);
  return configured(realm, call, project, branch, 200, { role: roleView(branch, role) });
}

export async function resetPassword(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const role = roleOf(branch, call.params.role);
  const changed: Role = { ...role, password: mintPassword(), from: realm.time.now() };
  await realm.fleet.setPassword(branch.line, role.name, changed.password as string);
  replaceRole(realm, branch, role, changed);
  return configured(realm, call, project, branch, 200, { role: roleView(branch, changed, true) });
}

export function configured(realm: Realm, call: Call, project: Project, branch: Branch, status: number, body: object): Answer {
  const operations = queue(realm, project, [{ action: "apply_config", branchId: branch.id }], call.stuck);
  return { status, body: { ...body, operations: operationViews(realm, project, operations) } };
}
