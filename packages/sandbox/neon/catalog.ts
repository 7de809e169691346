// What a line's cluster holds besides data: roles with passwords, and databases.

import type { Emulator } from "./emulator.ts";
import { notFound } from "./errors.ts";
import { mintPassword } from "./ids.ts";
import { type Branch, type Catalog, databasesOf, type NeonDatabase, type Role, rolesOf } from "./state.ts";

/** What the first role may do, as the provider's: much, but no superuser. */
const GRANTED = "pg_read_all_data, pg_write_all_data, pg_monitor";

export function firstCatalog(emulator: Emulator, role: string, database: string): Catalog {
  const now = emulator.time.now();
  return {
    roles: [{ name: role, password: mintPassword(), createdAt: now, from: now }],
    databases: [{ id: emulator.store.nextNumber++, name: database, owner: role, createdAt: now, from: now }],
  };
}

/** The statements that make a first line's cluster what the catalog says. */
export function firstSql(catalog: Catalog): string[] {
  return [
    `CREATE ROLE neon_superuser NOLOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION;`,
    `GRANT ${GRANTED} TO neon_superuser WITH ADMIN OPTION;`,
    ...catalog.roles.map((role) => roleSql(role)),
    ...catalog.databases.map((database) => `CREATE DATABASE ${quoted(database.name)} OWNER ${quoted(database.owner)};`),
  ];
}

export function roleSql(role: Role): string {
  const login = role.password === undefined ? "NOLOGIN" : `LOGIN PASSWORD ${literal(role.password)}`;
  return `CREATE ROLE ${quoted(role.name)} ${login} CREATEDB CREATEROLE BYPASSRLS REPLICATION IN ROLE neon_superuser;`;
}

export const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
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

export function databaseView(branch: Branch, database: NeonDatabase): object {
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

export function databaseOf(branch: Branch, wanted: string | undefined): NeonDatabase {
  const found = databasesOf(branch).find((database) => database.name === wanted);
  if (found === undefined) throw notFound("database");
  return found;
}

/** Gives roles of a line other passwords than its data has; returns the catalog that says so. */
export async function repassword(
  emulator: Emulator,
  line: string,
  catalog: Catalog,
  passwordOf: (role: Role) => string | undefined,
): Promise<Catalog> {
  const now = emulator.time.now();
  const roles: Role[] = [];
  for (const role of catalog.roles) {
    const password = role.until === undefined && role.password !== undefined ? passwordOf(role) : undefined;
    if (password === undefined || password === role.password) roles.push(role);
    else {
      await emulator.fleet.setPassword(line, role.name, password);
      roles.push({ ...role, password, from: now });
    }
  }
  return { ...catalog, roles };
}
