// Roles and databases of a branch, and their passwords.
import { invalid, NeonFault, notFound } from "./errors.ts";
import { mintPassword } from "./ids.ts";
import { operationViews, queue } from "./operations.ts";
import { type Answer, type Call, optional, part, type Realm, required } from "./realm.ts";
import { type Branch, type Catalog, type Database, databasesOf, type Project, type Role, rolesOf } from "./state.ts";

/** What the first role may do, as the provider's: much, but no superuser. */
const GRANTED = "pg_read_all_data, pg_write_all_data, pg_monitor";

export function firstCatalog(realm: Realm, role: string, database: string): Catalog {
  const now = realm.time.now();
  return {
    roles: [{ name: role, password: mintPassword(), createdAt: now, from: now }],
    databases: [{ id: realm.world.nextNumber++, name: database, owner: role, createdAt: now, from: now }],
  };
}

/** The statements that make a first line's cluster what the catalog says. */
export function firstSql(catalog: Catalog): string[] {
  return [
    `CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION;`,
    `GRANT ${GRANTED} TO neon_superuser WITH ADMIN OPTION;`,
    ...catalog.roles.map((role) => roleSql(role)),
    ...catalog.databases.map((database) => `CREATE DATABASE ${name(database.name)} OWNER ${name(database.owner)};`),
  ];
}

function roleSql(role: Role): string {
  const login = role.password === undefined ? "NOLOGIN" : `LOGIN PASSWORD ${literal(role.password)}`;
  return `CREATE ROLE ${name(role.name)} ${login} CREATEDB CREATEROLE BYPASSRLS REPLICATION IN ROLE neon_superuser;`;
}

const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

export function roleView(branch: Branch, role: Role, withPassword = false): object {
  return {
    branch_id: branch.id,
    name: role.name,
    ...(withPassword ? { password: role.password } : {}),
    protected: false,
    created_at: role.createdAt,
    updated_at: role.from,
  };
}

export function databaseView(branch: Branch, database: Database): object {
  return {
    id: database.id,
    branch_id: branch.id,
    name: database.name,
    owner_name: database.owner,
    created_at: database.createdAt,
    updated_at: database.from,
  };
}

export function roleOf(branch: Branch, wanted: string | undefined): Role {
  const found = rolesOf(branch).find((role) => role.name === wanted);
  if (found === undefined) throw notFound("role");
  return found;
}

export function databaseOf(branch: Branch, wanted: string | undefined): Database {
  const found = databasesOf(branch).find((database) => database.name === wanted);
  if (found === undefined) throw notFound("database");
  return found;
}

function found(realm: Realm, call: Call): { project: Project; branch: Branch } {
  const project = realm.project(call);
  return { project, branch: realm.branch(project, call.params.branch) };
}

/** Ends an entry now and puts others in its place. */
function replaceRole(realm: Realm, branch: Branch, old: Role | undefined, added: Role | undefined): void {
  const now = realm.time.now();
  const roles = branch.catalog.roles.map((role) => (role === old ? { ...role, until: now } : role));
  branch.catalog = { ...branch.catalog, roles: added === undefined ? roles : [...roles, added] };
}

function replaceDatabase(realm: Realm, branch: Branch, old: Database | undefined, added: Database | undefined): void {
  const now = realm.time.now();
  const databases = branch.catalog.databases.map((each) => (each === old ? { ...each, until: now } : each));
  branch.catalog = { ...branch.catalog, databases: added === undefined ? databases : [...databases, added] };
}

/** Gives roles of a line other passwords than its data has; returns the catalog that says so. */
export async function repassword(
  realm: Realm,
  line: string,
  catalog: Catalog,
  passwordOf: (role: Role) => string | undefined,
): Promise<Catalog> {
  const now = realm.time.now();
  const roles: Role[] = [];
  for (const role of catalog.roles) {
    const password = role.until === undefined && role.password !== undefined ? passwordOf(role) : undefined;
    if (password === undefined || password === role.password) roles.push(role);
    else {
      await realm.fleet.setPassword(line, role.name, password);
      roles.push({ ...role, password, from: now });
    }
  }
  return { ...catalog, roles };
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
  await realm.fleet.execute(branch.line, "postgres", `DROP ROLE ${name(role.name)}`);
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

export function listDatabases(realm: Realm, call: Call): Answer {
  const { branch } = found(realm, call);
  return { status: 200, body: { databases: databasesOf(branch).map((database) => databaseView(branch, database)) } };
}

export function getDatabase(realm: Realm, call: Call): Answer {
  const { branch } = found(realm, call);
  return { status: 200, body: { database: databaseView(branch, databaseOf(branch, call.params.database)) } };
}

export async function createDatabase(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const wanted = part(call.body, "database");
  const databaseName = required(wanted, "name", "string");
  const owner = roleOf(branch, required(wanted, "owner_name", "string"));
  if (databasesOf(branch).some((each) => each.name === databaseName)) {
    throw new NeonFault(409, "", `database ${databaseName} already exists`);
  }
  await realm.fleet.execute(branch.line, "postgres", `CREATE DATABASE ${name(databaseName)} OWNER ${name(owner.name)}`);
  const now = realm.time.now();
  const database: Database = { id: realm.world.nextNumber++, name: databaseName, owner: owner.name, createdAt: now, from: now };
  replaceDatabase(realm, branch, undefined, database);
  return configured(realm, call, project, branch, 201, { database: databaseView(branch, database) });
}

export async function updateDatabase(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const old = databaseOf(branch, call.params.database);
  const wanted = part(call.body, "database");
  const renamed = optional(wanted, "name", "string") ?? old.name;
  const owner = roleOf(branch, optional(wanted, "owner_name", "string") ?? old.owner);
  if (renamed !== old.name) {
    await realm.fleet.execute(branch.line, "postgres", `ALTER DATABASE ${name(old.name)} RENAME TO ${name(renamed)}`);
  }
  await realm.fleet.execute(branch.line, "postgres", `ALTER DATABASE ${name(renamed)} OWNER TO ${name(owner.name)}`);
  const database: Database = { ...old, name: renamed, owner: owner.name, from: realm.time.now() };
  replaceDatabase(realm, branch, old, database);
  return configured(realm, call, project, branch, 200, { database: databaseView(branch, database) });
}

export async function deleteDatabase(realm: Realm, call: Call): Promise<Answer> {
  const { project, branch } = found(realm, call);
  const database = databaseOf(branch, call.params.database);
  await realm.fleet.execute(branch.line, "postgres", `DROP DATABASE ${name(database.name)} WITH (FORCE)`);
  replaceDatabase(realm, branch, database, undefined);
  return configured(realm, call, project, branch, 200, { database: databaseView(branch, database) });
}

function configured(realm: Realm, call: Call, project: Project, branch: Branch, status: number, body: object): Answer {
  const operations = queue(realm, project, [{ action: "apply_config", branchId: branch.id }], call.stuck);
  return { status, body: { ...body, operations: operationViews(realm, project, operations) } };
}
