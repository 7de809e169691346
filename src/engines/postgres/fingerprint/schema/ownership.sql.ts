// Owners, privileges, comments and security labels of objects of every kind: the catalog gives their names.
import { aclText, memberOf, role, USER_SCHEMA_OF } from "./fragments.ts";

interface Owned {
  readonly catalog: string;
  readonly owner: string;
  /** Column of the schema, where it has one. */
  readonly schema?: string;
  readonly acl?: string;
  /** acldefault's letter. */
  readonly letter?: string;
  readonly where?: string;
}

const OWNED: readonly Owned[] = [
  { catalog: "pg_namespace", owner: "nspowner", acl: "nspacl", letter: "n", where: `${USER_SCHEMA_OF("o")} and o.nspname <> 'public'` },
  {
    catalog: "pg_proc",
    owner: "proowner",
    schema: "pronamespace",
    acl: "proacl",
    letter: "f",
    where:
      "not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = o.oid and d.deptype = 'i')",
  },
  {
    catalog: "pg_type",
    owner: "typowner",
    schema: "typnamespace",
    acl: "typacl",
    letter: "T",
    where:
      "o.typtype <> 'm' and not exists (select from pg_catalog.pg_type e where e.typarray = o.oid) and (o.typrelid = 0 or (select c.relkind from pg_catalog.pg_class c where c.oid = o.typrelid) = 'c')",
  },
  { catalog: "pg_collation", owner: "collowner", schema: "collnamespace" },
  { catalog: "pg_conversion", owner: "conowner", schema: "connamespace" },
  { catalog: "pg_operator", owner: "oprowner", schema: "oprnamespace" },
  { catalog: "pg_opclass", owner: "opcowner", schema: "opcnamespace" },
  { catalog: "pg_opfamily", owner: "opfowner", schema: "opfnamespace" },
  { catalog: "pg_ts_config", owner: "cfgowner", schema: "cfgnamespace" },
  { catalog: "pg_ts_dict", owner: "dictowner", schema: "dictnamespace" },
  { catalog: "pg_statistic_ext", owner: "stxowner", schema: "stxnamespace" },
  { catalog: "pg_language", owner: "lanowner", acl: "lanacl", letter: "l", where: "o.oid >= 16384" },
  { catalog: "pg_event_trigger", owner: "evtowner" },
  { catalog: "pg_foreign_data_wrapper", owner: "fdwowner", acl: "fdwacl", letter: "F" },
  { catalog: "pg_foreign_server", owner: "srvowner", acl: "srvacl", letter: "S" },
  { catalog: "pg_publication", owner: "pubowner" },
  { catalog: "pg_largeobject_metadata", owner: "lomowner", acl: "lomacl", letter: "L" },
];

const identity = (classid: string, objid: string, objsubid: string) =>
  `(select i.type || ' ' || i.identity from pg_catalog.pg_identify_object(${classid}, ${objid}, ${objsubid}) i)`;

function ownedQueries(owned: Owned): string[] {
  // Large objects are known to the identifying function by another catalog's name.
  const classid = owned.catalog === "pg_largeobject_metadata" ? "pg_largeobject" : owned.catalog;
  const from = `from pg_catalog.${owned.catalog} o ${owned.schema ? `join pg_catalog.pg_namespace n on n.oid = o.${owned.schema}` : ""}
    where not ${memberOf(owned.catalog, "o.oid")} ${owned.schema ? `and ${USER_SCHEMA_OF("n")}` : ""} ${owned.where ? `and ${owned.where}` : ""}`;
  const key = identity(`'pg_catalog.${classid}'::pg_catalog.regclass`, "o.oid", "0");
  const queries = [`select 'owner ' || ${key} as key, ${role(`o.${owned.owner}`)} as fact, null as code ${from}`];
  if (owned.acl && owned.letter) {
    queries.push(
      `select 'acl ' || ${key} as key, ${aclText(`o.${owned.acl}`, `o.${owned.owner}`, owned.letter)} as fact, null as code ${from}`,
    );
  }
  return queries;
}

/** Whom a server gives the schema `public` to: its first superuser, and since version 15 the owner of each database. */
const FIRST_OWNER = "o.nspowner in (10, 6171)";

/** The owner of `public` is told only where it was given away, and what an owner may do in it not at all. */
const PUBLIC_SCHEMA = [
  `select 'owner schema public' as key, case when ${FIRST_OWNER} then 'the first' else ${role("o.nspowner")} end as fact, null as code
   from pg_catalog.pg_namespace o where o.nspname = 'public'`,
  `select 'acl schema public' as key, ${aclText("a.others", "o.nspowner", null)} as fact, null as code
   from pg_catalog.pg_namespace o cross join lateral (
     select pg_catalog.array_agg(item) as others from pg_catalog.unnest(coalesce(o.nspacl, pg_catalog.acldefault('n', o.nspowner))) item
     where pg_catalog.split_part(item::pg_catalog.text, '=', 1) <> pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(o.nspowner))
   ) a where o.nspname = 'public'`,
];

/** Settings and privileges of the database itself. A value may be a secret: only its digest is kept. */
const DATABASE = [
  `select case s.setrole when 0 then 'database setting ' else 'role setting ' || ${role("s.setrole")} || ' ' end || pg_catalog.split_part(c, '=', 1) as key,
     pg_catalog.md5(pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1)) as fact, null as code
   from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase cross join lateral pg_catalog.unnest(s.setconfig) c
   where d.datname = pg_catalog.current_database() and pg_catalog.pg_get_userbyid(s.setrole) !~ '^lifeboat_load_'`,
  `select 'database privileges' as key, coalesce(pg_catalog.string_agg(e.privilege_type, ',' order by e.privilege_type), 'nobody') as fact, null as code
   from pg_catalog.pg_database d left join lateral pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) e on e.grantee = 0
   where d.datname = pg_catalog.current_database()`,
  `select 'database privileges of ' || ${role("e.grantee")} as key,
     pg_catalog.string_agg(e.privilege_type || case when e.is_grantable then '*' else '' end, ',' order by e.privilege_type) as fact, null as code
   from pg_catalog.pg_database d cross join lateral pg_catalog.aclexplode(d.datacl) e
   where d.datname = pg_catalog.current_database() and e.grantee not in (0, d.datdba) and pg_catalog.pg_get_userbyid(e.grantee) !~ '^lifeboat_load_'
   group by e.grantee`,
];

export const OWNERSHIP_QUERIES: readonly string[] = [...OWNED.flatMap(ownedQueries), ...PUBLIC_SCHEMA, ...DATABASE];

/** `$1` is null, or the OIDs of the chosen relations. Objects of initdb and members of extensions are not dumped with their comments. */
const described = (catalog: string, text: string, word: string) => `
  select '${word} ' || ${identity("d.classoid", "d.objoid", "d.objsubid")} as key, ${text} as fact, null as code
  from pg_catalog.${catalog} d
  left join pg_catalog.pg_class c on d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and c.oid = d.objoid
  where (d.objoid >= 16384 or d.classoid in ('pg_catalog.pg_largeobject'::pg_catalog.regclass) or (d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.objoid = (select oid from pg_catalog.pg_namespace where nspname = 'public')))
    and (c.oid is null or c.relpersistence <> 't')
    and not exists (select from pg_catalog.pg_depend m where m.classid = d.classoid and m.objid = d.objoid and m.deptype = 'e')
    and ($1::bigint[] is null or (c.oid is not null and c.oid = any($1::bigint[]::pg_catalog.oid[])))`;

export const DESCRIPTION_QUERIES: readonly string[] = [
  described("pg_description", "d.description", "comment"),
  described("pg_seclabel", "d.provider || ' ' || d.label", "security label"),
];
