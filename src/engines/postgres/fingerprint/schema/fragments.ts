// Pieces that several catalog queries share.

/** Whether an object belongs to an extension, which brings its definition itself. */
export const memberOf = (catalog: string, oid: string): string =>
  `exists (select from pg_catalog.pg_depend m where m.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass and m.objid = ${oid} and m.deptype = 'e')`;

export const USER_SCHEMA_OF = (alias: string): string => `${alias}.nspname !~ '^pg_' and ${alias}.nspname <> 'information_schema'`;

/** A role's name, quoted where needed; PUBLIC for 0. */
export const role = (oid: string): string =>
  `case ${oid} when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(${oid})) end`;

/**
 * Privileges as sorted text, defaults spelled out; the grantor only where it is not the owner. Those of a role that loads go with it. `type` is acldefault's
 * letter, or null where no defaults apply. MAINTAIN, which an older server does not have, is a fact of its own (`maintainers`).
 */
export function aclText(acl: string, owner: string, type: string | null): string {
  const items = type === null ? acl : `coalesce(${acl}, pg_catalog.acldefault('${type}'::pg_catalog."char", ${owner}))`;
  return `coalesce((select pg_catalog.string_agg(item, ',' order by item collate pg_catalog."C") from (
    select ${role("e.grantee")} || '=' || e.privilege_type || case when e.is_grantable then '*' else '' end
      || case when e.grantor <> ${owner} then ' by ' || ${role("e.grantor")} else '' end as item
    from pg_catalog.aclexplode(${items}) e where (e.grantee = 0 or pg_catalog.pg_get_userbyid(e.grantee) !~ '^lifeboat_load_') and e.privilege_type <> 'MAINTAIN') items), 'nobody')`;
}

/** Who has MAINTAIN (PostgreSQL 17) beside the owner; null for no other role, and on older servers. */
export const maintainers = (acl: string, owner: string): string =>
  `(select pg_catalog.string_agg(${role("e.grantee")}, ',' order by ${role("e.grantee")} collate pg_catalog."C") from pg_catalog.aclexplode(${acl}) e
    where e.privilege_type = 'MAINTAIN' and e.grantee <> ${owner} and (e.grantee = 0 or pg_catalog.pg_get_userbyid(e.grantee) !~ '^lifeboat_load_'))`;

/** Options of foreign objects, sorted; of an option that may be a secret, only its presence is shown. */
export const foreignOptions = (options: string): string =>
  `(select 'options ' || pg_catalog.string_agg(case when o ~* '^[^=]*(pass|secret|token|key|user|cred|auth)[^=]*=' then pg_catalog.split_part(o, '=', 1) || ' set' else o end, ',' order by o collate pg_catalog."C")
    from pg_catalog.unnest(${options}) o)`;
