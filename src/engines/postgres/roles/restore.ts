// Creates roles that a server lacks, in two steps. While the archive's own code may run they are bare: no login, no rights, no settings.
// They get what the description says when everything is loaded. A role that exists is never changed.
import type { Omission } from "../../../core/fingerprint.ts";
import type { Client } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { isForCopy, ordinarySettings } from "../load/database-properties.ts";
import type { Roles } from "./description.ts";
import { grantStatement, optionsOf, passwordOption, setClause } from "./statements.ts";

/** On a role that a restore has begun to create: one that a crash left behind is taken up by the next restore. */
const UNFINISHED = "lifeboat: a restore has not finished this role";

/** Names of those that the server has, without what an interrupted restore left behind. */
export async function existingRoles(client: Client, names: readonly string[]): Promise<Set<string>> {
  const rows = await client.query<{ name: string }>(
    `select rolname::pg_catalog.text as name from pg_catalog.pg_roles
     where rolname = any ($1) and pg_catalog.shobj_description(oid, 'pg_authid') is distinct from $2`,
    [names, UNFINISHED],
  );
  return new Set(rows.map(({ name }) => name));
}

export interface CreatedRoles {
  readonly made: readonly string[];
  /** Those of them that this session's user was made a member of, which owning through them requires. */
  readonly joined: readonly string[];
  readonly notRestored: readonly Omission[];
}

/** Creates those that are missing, bare. */
export async function createBareRoles(client: Client, names: readonly string[], superuser: boolean): Promise<CreatedRoles> {
  const existing = await existingRoles(client, names);
  const [made, joined, notRestored]: [string[], string[], Omission[]] = [[], [], []];
  for (const name of names) {
    if (existing.has(name)) continue;
    try {
      // One transaction: a crash leaves no role without the mark by which the next restore takes it up.
      await client.query(`create role ${quote(name)} nologin; comment on role ${quote(name)} is '${UNFINISHED}'`);
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === undefined) throw error;
      // Made by another session meanwhile, it exists, and is not changed.
      if (state !== DUPLICATE) notRestored.push({ kind: "role", object: name, reason: messageOf(error) });
      if (state !== DUPLICATE || !(await isUnfinished(client, name))) continue;
    }
    made.push(name);
    if (superuser) continue;
    await client.query(
      `grant ${quote(name)} to current_user${client.serverVersionNumber >= 160_000 ? " with inherit true, set true" : ""}`,
    );
    joined.push(name);
  }
  return { made, joined, notRestored };
}

const DUPLICATE = "42710";

async function isUnfinished(client: Client, name: string): Promise<boolean> {
  const sql = "select 1 from pg_catalog.pg_roles where rolname = $1 and pg_catalog.shobj_description(oid, 'pg_authid') = $2";
  return (await client.query(sql, [name, UNFINISHED])).length > 0;
}

/** Gives the session's user back what `createBareRoles` gave it. Returns what could not be done. */
export async function leaveRoles(client: Client, joined: readonly string[]): Promise<string[]> {
  const problems: string[] = [];
  for (const role of joined) {
    const problem = await attempt(client, `revoke ${quote(role)} from current_user`);
    if (problem !== undefined) problems.push(`the membership in ${role} could not be revoked: ${problem}`);
  }
  return problems;
}

export interface FinishOptions {
  /** The roles that `createBareRoles` made. */
  readonly made: readonly string[];
  /** Roles that were superusers at the source become superusers. */
  readonly superusers: boolean;
  /** Password hashes of the description are used. */
  readonly passwords: boolean;
}

/** Attributes, settings and memberships of the roles that were made. Returns what was left out, with the reason. */
export async function finishRoles(client: Client, described: Roles | undefined, options: FinishOptions): Promise<Omission[]> {
  const made = new Set(options.made);
  if (made.size === 0) return [];
  const ordinary = await ordinarySettings(client);
  const left: Omission[] = [];
  const run = async (statement: string, kind: string, object: string): Promise<void> => {
    const reason = await attempt(client, statement);
    if (reason !== undefined) left.push({ kind, object, reason });
  };
  const byName = new Map(described?.roles.map((role) => [role.name, role]));
  for (const name of made) {
    const role = byName.get(name);
    if (role === undefined) {
      left.push({ kind: "role attributes", object: name, reason: "the backup does not describe this role: it was created without login" });
      continue;
    }
    if (role.attributes.includes("superuser") && !options.superusers)
      left.push({ kind: "role attributes", object: `${name} SUPERUSER`, reason: "a superuser is created only with --superuser-roles" });
    for (const option of optionsOf(role, options.superusers))
      await run(`alter role ${quote(name)} ${option}`, "role attributes", `${name} ${option}`);
    const password = options.passwords ? passwordOption(role) : undefined;
    if (password !== undefined) await run(`alter role ${quote(name)} ${password}`, "role password", name);
    for (const setting of role.settings) {
      const clause = isForCopy(setting.name, ordinary) ? setClause(setting) : undefined;
      const object = `${name} ${setting.name}`;
      if (clause === undefined)
        left.push({ kind: "role setting", object, reason: "it is not for a copy: set it by hand if it is meant to apply there" });
      else await run(`alter role ${quote(name)} ${clause}`, "role setting", object);
    }
  }
  for (const membership of described?.memberships ?? []) {
    if (!made.has(membership.member)) continue;
    const object = `${membership.member} in ${membership.role}`;
    if (!options.superusers && (await isPowerful(client, membership.role, described)))
      left.push({
        kind: "role membership",
        object,
        reason: `${membership.role} has a superuser's rights: granted only with --superuser-roles`,
      });
    else await run(grantStatement(membership, client.serverVersionNumber >= 160_000), "role membership", object);
  }
  for (const name of made) await client.query(`comment on role ${quote(name)} is null`);
  return left;
}

/** Roles of the server's own through which its operating system is reached. */
const SYSTEM = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"];

/** Whether membership gives the rights of a superuser of this server, directly or through other roles. */
async function isPowerful(client: Client, role: string, described: Roles | undefined): Promise<boolean> {
  if (described?.roles.some(({ name, attributes }) => name === role && attributes.includes("superuser"))) return true;
  const rows = await client.query(
    `with recursive above(oid) as (
       select oid from pg_catalog.pg_roles where rolname = $1
       union select m.roleid from pg_catalog.pg_auth_members m join above on m.member = above.oid
     ) select 1 from above join pg_catalog.pg_roles r on r.oid = above.oid where r.rolsuper or r.rolname = any ($2) limit 1`,
    [role, SYSTEM],
  );
  return rows.length > 0;
}

async function attempt(client: Client, statement: string): Promise<string | undefined> {
  try {
    await client.query(statement);
    return undefined;
  } catch (error) {
    if (sqlStateOf(error) === undefined) throw error;
    return messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
