// Databases of a branch.
import { databaseOf, databaseView, quoted, roleOf } from "./catalog.ts";
import { type Answer, type ApiRequest, type Emulator, optional, part, required } from "./emulator.ts";
import { NeonApiError } from "./errors.ts";
import { configured, found } from "./roles.ts";
import { type Branch, databasesOf, type NeonDatabase } from "./state.ts";

function replaceDatabase(emulator: Emulator, branch: Branch, old: NeonDatabase | undefined, added: NeonDatabase | undefined): void {
  const now = emulator.time.now();
  const databases = branch.catalog.databases.map((each) => (each === old ? { ...each, until: now } : each));
  branch.catalog = { ...branch.catalog, databases: added === undefined ? databases : [...databases, added] };
}

export function listDatabases(emulator: Emulator, request: ApiRequest): Answer {
  const { branch } = found(emulator, request);
  return { status: 200, body: { databases: databasesOf(branch).map((database) => databaseView(branch, database)) } };
}

export function getDatabase(emulator: Emulator, request: ApiRequest): Answer {
  const { branch } = found(emulator, request);
  return { status: 200, body: { database: databaseView(branch, databaseOf(branch, request.params.database)) } };
}

export async function createDatabase(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const wanted = part(request.body, "database");
  const databaseName = required(wanted, "name", "string");
  const owner = roleOf(branch, required(wanted, "owner_name", "string"));
  if (databasesOf(branch).some((each) => each.name === databaseName)) {
    throw new NeonApiError(409, "", `database ${databaseName} already exists`);
  }
  await emulator.fleet.execute(branch.line, "postgres", `CREATE DATABASE ${quoted(databaseName)} OWNER ${quoted(owner.name)}`);
  const now = emulator.time.now();
  const database: NeonDatabase = { id: emulator.store.nextNumber++, name: databaseName, owner: owner.name, createdAt: now, from: now };
  replaceDatabase(emulator, branch, undefined, database);
  return configured(emulator, request, project, branch, 201, { database: databaseView(branch, database) });
}

export async function updateDatabase(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const old = databaseOf(branch, request.params.database);
  const wanted = part(request.body, "database");
  const renamed = optional(wanted, "name", "string") ?? old.name;
  const owner = roleOf(branch, optional(wanted, "owner_name", "string") ?? old.owner);
  if (renamed !== old.name) {
    await emulator.fleet.execute(branch.line, "postgres", `ALTER DATABASE ${quoted(old.name)} RENAME TO ${quoted(renamed)}`);
  }
  await emulator.fleet.execute(branch.line, "postgres", `ALTER DATABASE ${quoted(renamed)} OWNER TO ${quoted(owner.name)}`);
  const database: NeonDatabase = { ...old, name: renamed, owner: owner.name, from: emulator.time.now() };
  replaceDatabase(emulator, branch, old, database);
  return configured(emulator, request, project, branch, 200, { database: databaseView(branch, database) });
}

export async function deleteDatabase(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { project, branch } = found(emulator, request);
  const database = databaseOf(branch, request.params.database);
  await emulator.fleet.execute(branch.line, "postgres", `DROP DATABASE ${quoted(database.name)} WITH (FORCE)`);
  replaceDatabase(emulator, branch, database, undefined);
  return configured(emulator, request, project, branch, 200, { database: databaseView(branch, database) });
}
