// The roles that a database needs, with their settings and memberships, and the settings of the database itself: read from the catalogs for
// a backup, stored as JSON beside the data, and checked when they are read again. Names and values in it are the source's.
import * as z from "zod/mini";
import { LifeboatError } from "../../../core/errors.ts";

/** Anything that answers a statement: a session of the fingerprint, or a client. */
export type Ask = (sql: string, values?: unknown[]) => Promise<readonly Record<string, unknown>[]>;

/** PostgreSQL allows 63 bytes; a server may be built with longer names. */
const name = z.string().check(z.minLength(1), z.maxLength(1024));
const text = z.string().check(z.maxLength(1_000_000));
const many = <T extends z.ZodMiniType>(item: T) => z.array(item).check(z.maxLength(100_000));
const setting = z.looseObject({ name, value: text });

export const ATTRIBUTES = ["superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls"] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

const roleSchema = z.looseObject({
  name,
  attributes: many(z.enum(ATTRIBUTES)),
  connectionLimit: z.number().check(z.int(), z.minimum(-1)),
  /** As the server writes an instant, in UTC. */
  validUntil: z.optional(text),
  /** What the server stores of the password; only where it was asked for. */
  passwordHash: z.optional(text),
  settings: many(setting),
  settingsInDatabase: many(setting),
});
export type Role = z.infer<typeof roleSchema>;

const membershipSchema = z.looseObject({
  role: name,
  member: name,
  admin: z.boolean(),
  /** Of PostgreSQL 16 and newer. */
  inherit: z.optional(z.boolean()),
  set: z.optional(z.boolean()),
});
export type Membership = z.infer<typeof membershipSchema>;

const databaseSchema = z.looseObject({
  name,
  owner: name,
  encoding: text,
  collate: text,
  ctype: text,
  provider: z.optional(text),
  locale: z.optional(text),
  connectionLimit: z.number(),
  settings: many(setting),
  /** Grantee `public` is everyone; privileges that were given on are named again under `grantable`. */
  privileges: many(
    z.looseObject({ grantee: name, everyone: z.boolean(), privilege: z.string().check(z.regex(/^[A-Z]+$/)), grantable: z.boolean() }),
  ),
});

const rolesSchema = z.looseObject({
  format: z.literal(1),
  type: z.literal("postgres-roles"),
  serverVersion: z.number(),
  roles: many(roleSchema),
  memberships: many(membershipSchema),
  database: databaseSchema,
});
export type Roles = z.infer<typeof rolesSchema>;

/** INTEGRITY: the bytes are not a description of roles. */
export function readRoles(bytes: Uint8Array): Roles {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new LifeboatError("INTEGRITY", "the roles of the backup are not valid JSON", { cause });
  }
  const read = rolesSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new LifeboatError("INTEGRITY", `the roles of the backup are damaged: ${issue?.path.join(".")}: ${issue?.message}`);
}

const HERE = "(select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())";
const AUTHID = "'pg_catalog.pg_authid'::pg_catalog.regclass";

/**
 * Owners, grantees, roles of policies and of settings, all from the catalog of dependencies; that catalog does not record what the first
 * superuser owns. Members of these roles come too (an application logs in as one), and the roles that any of them is a member of.
 */
const REQUIRED = `
with recursive direct(oid) as (
  select s.refobjid from pg_catalog.pg_shdepend s where s.refclassid = ${AUTHID}
    and (s.dbid = ${HERE} or (s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and s.objid = ${HERE}))
  union select d.datdba from pg_catalog.pg_database d where d.oid = ${HERE}
  union select s.setrole from pg_catalog.pg_db_role_setting s where s.setdatabase = ${HERE} and s.setrole <> 0
  union select 10::pg_catalog.oid where exists (select from pg_catalog.pg_class c where c.oid >= 16384 and c.relowner = 10)
    or exists (select from pg_catalog.pg_proc p where p.oid >= 16384 and p.proowner = 10)
    or exists (select from pg_catalog.pg_namespace n where n.oid >= 16384 and n.nspowner = 10 and n.nspname !~ '^pg_')
), below(oid) as (
  select oid from direct
  union select m.member from pg_catalog.pg_auth_members m join below on m.roleid = below.oid
    join pg_catalog.pg_roles r on r.oid = m.roleid where r.rolname !~ '^pg_'
), required(oid) as (
  select oid from below union select m.roleid from pg_catalog.pg_auth_members m join required on m.member = required.oid
)
select r.oid::bigint::pg_catalog.text as oid from pg_catalog.pg_roles r join required on required.oid = r.oid
where r.rolname !~ '^(pg_|lifeboat_load_)'`;

const ROLES = `
select r.oid::bigint::pg_catalog.text as oid, r.rolname::pg_catalog.text as name, r.rolsuper as superuser, r.rolinherit as inherit, r.rolcreaterole as createrole,
  r.rolcreatedb as createdb, r.rolcanlogin as login, r.rolreplication as replication, r.rolbypassrls as bypassrls,
  r.rolconnlimit as "limit", (r.rolvaliduntil at time zone 'UTC')::pg_catalog.text || case when pg_catalog.isfinite(r.rolvaliduntil) then '+00' else '' end as until
from pg_catalog.pg_roles r where r.oid = any ($1::bigint[]::pg_catalog.oid[]) order by r.rolname collate pg_catalog."C"`;

const SETTINGS = `
select s.setrole::bigint::pg_catalog.text as role, s.setdatabase <> 0 as here, pg_catalog.split_part(c, '=', 1) as name,
  pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1) as value
from pg_catalog.pg_db_role_setting s cross join lateral pg_catalog.unnest(s.setconfig) with ordinality as u(c, place)
where (s.setrole = any ($1::bigint[]::pg_catalog.oid[]) and s.setdatabase in (0, ${HERE})) or (s.setrole = 0 and s.setdatabase = ${HERE})
order by place`;

// Columns that only newer servers have are taken from the row as JSON. One membership may have been granted several times.
const MEMBERSHIPS = `
select g.rolname::pg_catalog.text as role, u.rolname::pg_catalog.text as member, pg_catalog.bool_or(m.admin_option) as admin,
  pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'inherit_option')::boolean) as inherit, pg_catalog.bool_or((pg_catalog.to_jsonb(m) ->> 'set_option')::boolean) as set
from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
where m.member = any ($1::bigint[]::pg_catalog.oid[]) and g.rolname !~ '^lifeboat_load_'
group by g.rolname, u.rolname order by g.rolname collate pg_catalog."C", u.rolname collate pg_catalog."C"`;

const DATABASE = `
select d.datname::pg_catalog.text as name, pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text as owner, pg_catalog.pg_encoding_to_char(d.encoding)::pg_catalog.text as encoding,
  j ->> 'datcollate' as sorting, j ->> 'datctype' as ctype, j ->> 'datlocprovider' as provider, coalesce(j ->> 'datlocale', j ->> 'daticulocale') as locale, d.datconnlimit as "limit"
from pg_catalog.pg_database d cross join lateral pg_catalog.to_jsonb(d) j where d.oid = ${HERE}`;

const PRIVILEGES = `
select e.grantee = 0 as everyone, case when e.grantee = 0 then 'public' else pg_catalog.pg_get_userbyid(e.grantee)::pg_catalog.text end as grantee,
  e.privilege_type as privilege, e.is_grantable as grantable
from pg_catalog.pg_database d cross join lateral pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) e
where d.oid = ${HERE} and (e.grantee = 0 or pg_catalog.pg_get_userbyid(e.grantee) !~ '^lifeboat_load_') order by e.grantee = 0 desc, pg_catalog.pg_get_userbyid(e.grantee) collate pg_catalog."C", e.privilege_type`;

const MAY_READ_HASHES = "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as yes";
const HASHES =
  "select oid::bigint::pg_catalog.text as oid, rolpassword as hash from pg_catalog.pg_authid where oid = any ($1::bigint[]::pg_catalog.oid[])";

export interface Described {
  readonly roles: Roles;
  /** Password hashes were asked for, and this user cannot read them. */
  readonly hashesRefused: boolean;
}

/** Every role that the connected database needs. An ordinary user may read all of it but the password hashes. */
export async function describeRoles(ask: Ask, options: { readonly hashes: boolean }): Promise<Described> {
  const oids = (await ask(REQUIRED)).map(({ oid }) => String(oid));
  const readable = options.hashes && (await ask(MAY_READ_HASHES))[0]?.yes === true;
  const hashes = readable ? await ask(HASHES, [oids]) : [];
  return {
    roles: await describe(ask, oids, new Map(hashes.map(({ oid, hash }) => [oid, hash]))),
    hashesRefused: options.hashes && !readable,
  };
}

/** The same of the roles with these names, as far as the server has them: what a description is compared with. */
export async function describeNamed(ask: Ask, names: readonly string[]): Promise<Roles> {
  const rows = await ask("select oid::bigint::pg_catalog.text as oid from pg_catalog.pg_roles where rolname = any ($1)", [names]);
  return await describe(
    ask,
    rows.map(({ oid }) => String(oid)),
    new Map(),
  );
}

async function describe(ask: Ask, oids: readonly string[], hashes: ReadonlyMap<unknown, unknown>): Promise<Roles> {
  const [version] = await ask("select pg_catalog.current_setting('server_version_num')::int as n");
  const settings = await ask(SETTINGS, [oids]);
  const settingsOf = (role: unknown, here: boolean) =>
    settings
      .filter((one) => one.role === role && one.here === here)
      .map(({ name, value }) => ({ name: String(name), value: String(value) }));
  const optional = (value: unknown): string | undefined => (value === null || value === undefined ? undefined : String(value));
  const flag = (value: unknown): boolean | undefined => (value === null || value === undefined ? undefined : value === true);
  const roles = (await ask(ROLES, [oids])).map(
    (row): Role => ({
      name: String(row.name),
      attributes: ATTRIBUTES.filter((attribute) => row[attribute] === true),
      connectionLimit: Number(row.limit),
      validUntil: optional(row.until),
      passwordHash: optional(hashes.get(row.oid)),
      settings: settingsOf(row.oid, false),
      settingsInDatabase: settingsOf(row.oid, true),
    }),
  );
  const memberships = (await ask(MEMBERSHIPS, [oids])).map(
    (row): Membership => ({
      role: String(row.role),
      member: String(row.member),
      admin: row.admin === true,
      inherit: flag(row.inherit),
      set: flag(row.set),
    }),
  );
  const [database = {}] = await ask(DATABASE);
  const privileges = (await ask(PRIVILEGES)).map(({ grantee, everyone, privilege, grantable }) => ({
    grantee: String(grantee),
    everyone: everyone === true,
    privilege: String(privilege),
    grantable: grantable === true,
  }));
  return {
    format: 1,
    type: "postgres-roles",
    serverVersion: Number(version?.n),
    roles,
    memberships,
    database: {
      name: String(database.name),
      owner: String(database.owner),
      encoding: String(database.encoding),
      collate: String(database.sorting),
      ctype: String(database.ctype),
      provider: optional(database.provider),
      locale: optional(database.locale),
      connectionLimit: Number(database.limit),
      settings: settingsOf("0", true),
      privileges,
    },
  };
}
