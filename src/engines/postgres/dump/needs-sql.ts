// The statements that find what chosen tables need: see needs.ts. `need` is the closure, which each is given as parameters.
import { USER_SCHEMA } from "../fingerprint/relations.ts";

const catalog = (name: string): string => `'pg_catalog.${name}'::pg_catalog.regclass`;
const catalogs = (...names: readonly string[]): string => names.map(catalog).join(", ");
const isRelation = (oid: string, kinds: string): string =>
  `exists (select from pg_catalog.pg_class c where c.oid = ${oid} and c.relkind in (${kinds}))`;

/** The first OID that initdb does not give: objects before it are the server's own. */
const FIRST_OWN_OID = 16_384;

// Down: what an object depends on; of a foreign key not the table that it refers to, because a restore can leave the key out.
// Up: what belongs to a table or type, such as constraints, indexes, triggers, owned sequences; and casts, which nothing depends on.
export const CLOSURE = `
with recursive roots(oid) as (
  select pg_catalog.unnest($1::bigint[]::pg_catalog.oid[])
  union
  select i.inhrelid from pg_catalog.pg_inherits i join roots on roots.oid = i.inhparent
  join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition
), casts as materialized (
  select k.oid, k.castfunc, k.castsource, k.casttarget from pg_catalog.pg_cast k where k.oid >= ${FIRST_OWN_OID}
    and not exists (select from pg_catalog.pg_depend m where m.classid = ${catalog("pg_cast")} and m.objid = k.oid and m.deptype = 'e')
), need(classid, objid) as (
  (select ${catalog("pg_class")}::pg_catalog.oid, oid from roots
   union all
   select ${catalog("pg_proc")}::pg_catalog.oid, pg_catalog.unnest($2::bigint[]::pg_catalog.oid[])
   union all
   select ${catalog("pg_type")}::pg_catalog.oid, pg_catalog.unnest($3::bigint[]::pg_catalog.oid[]))
  union
  select step.classid, step.objid from need n cross join lateral (
    select d.refclassid as classid, d.refobjid as objid from pg_catalog.pg_depend d
    where d.classid = n.classid and d.objid = n.objid and d.deptype <> 'p'
      and not (d.classid = ${catalog("pg_constraint")} and d.refclassid = ${catalog("pg_class")}
        and exists (select from pg_catalog.pg_constraint k where k.oid = d.objid and k.contype = 'f' and k.conrelid <> d.refobjid))
    union all
    select d.classid, d.objid from pg_catalog.pg_depend d
    where n.objid >= ${FIRST_OWN_OID} and n.classid in (${catalogs("pg_class", "pg_constraint", "pg_type", "pg_opclass", "pg_opfamily")})
      and d.refclassid = n.classid and d.refobjid = n.objid and d.deptype in ('a', 'i', 'P', 'S')
      and case
        when n.classid = ${catalog("pg_class")} then ${isRelation("n.objid", "'r', 'p', 'f', 'v', 'm'")}
          and (d.classid in (${catalogs("pg_type", "pg_attrdef", "pg_constraint", "pg_rewrite", "pg_policy", "pg_statistic_ext")})
            or (d.classid = ${catalog("pg_trigger")} and exists (select from pg_catalog.pg_trigger t where t.oid = d.objid and not t.tgisinternal))
            or (d.classid = ${catalog("pg_class")} and ${isRelation("d.objid", "'i', 'I', 'S'")}))
        when n.classid = ${catalog("pg_constraint")} then d.classid = ${catalog("pg_class")} and d.deptype = 'i' and ${isRelation("d.objid", "'i', 'I'")}
        when n.classid = ${catalog("pg_type")} then d.classid in (${catalogs("pg_type", "pg_constraint")})
          or (d.classid = ${catalog("pg_class")} and ${isRelation("d.objid", "'c'")})
        when n.classid in (${catalogs("pg_opclass", "pg_opfamily")}) then d.classid in (${catalogs("pg_amop", "pg_amproc")})
        else false
      end
    union all
    select ${catalog("pg_cast")}::pg_catalog.oid, k.oid from casts k
    where n.objid >= ${FIRST_OWN_OID} and n.classid in (${catalogs("pg_proc", "pg_type")})
      and (case when n.classid = ${catalog("pg_proc")} then k.castfunc = n.objid else n.objid in (k.castsource, k.casttarget) end)
  ) step
)
select classid::bigint::pg_catalog.text as class, classid::pg_catalog.regclass::pg_catalog.text as catalog, objid::bigint::pg_catalog.text as oid,
  classid = ${catalog("pg_class")} and objid in (select oid from roots) as root
from need`;

/** `$1` and `$2`: the part of the closure that a query looks at, as OIDs of catalogs and objects. */
const NEED = `
with need as materialized (
  select * from rows from (pg_catalog.unnest($1::bigint[]::pg_catalog.oid[]), pg_catalog.unnest($2::bigint[]::pg_catalog.oid[])) as n(classid, objid)
), bodies as materialized (
  select p.oid, p.prosrc from need join pg_catalog.pg_proc p on need.classid = ${catalog("pg_proc")} and p.oid = need.objid
  join pg_catalog.pg_language l on l.oid = p.prolang and l.lanname not in ('c', 'internal') and p.oid >= ${FIRST_OWN_OID}
)`;
const isNeeded = (name: string, oid: string): string =>
  `exists (select from need where need.classid = ${catalog(name)} and need.objid = ${oid})`;

/** The OIDs of the chosen tables. */
const CHOSEN = (parameter: number): string =>
  `roots as materialized (select oid from pg_catalog.unnest($${parameter}::bigint[]::pg_catalog.oid[]) as given(oid))`;
const ROOTS = `with ${CHOSEN(1)}`;
const isRoot = (oid: string): string => `exists (select from roots where roots.oid = ${oid})`;

/** `$3`: words before a parenthesis, which may be calls. `$4`: words, which may be types. */
export const MENTIONED = `${NEED}, called as (
  select distinct pg_catalog.btrim(w.found[1], '"') as word from bodies cross join lateral pg_catalog.regexp_matches(prosrc, $3, 'g') as w(found)
), words as (
  select distinct pg_catalog.lower(w.found[1]) as word from bodies cross join lateral pg_catalog.regexp_matches(prosrc, $4, 'g') as w(found)
)
select 'routine' as what, p.oid::bigint::pg_catalog.text as oid from called
join pg_catalog.pg_proc p on p.proname in (called.word, pg_catalog.lower(called.word)) join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where ${USER_SCHEMA} and not ${isNeeded("pg_proc", "p.oid")}
union all
select 'type', t.oid::bigint::pg_catalog.text from words join pg_catalog.pg_type t on t.typname = words.word
join pg_catalog.pg_namespace n on n.oid = t.typnamespace left join pg_catalog.pg_class c on c.oid = t.typrelid
where ${USER_SCHEMA} and t.typtype in ('e', 'd', 'r', 'c') and coalesce(c.relkind, 'c') = 'c' and not ${isNeeded("pg_type", "t.oid")}`;

export const CALL = '([[:alpha:]_][[:alnum:]_$]*|"[^"]+")\\s*\\(';
export const WORD = "([[:alpha:]_][[:alnum:]_$]*)";

export const COMES_ALONG = ["pg_type", "pg_proc", "pg_extension", "pg_collation", "pg_operator", "pg_cast"];
export const ALONG = `${NEED}
select i.type as kind, i.identity as name from need
cross join lateral pg_catalog.pg_identify_object(need.classid, need.objid, 0) i
where need.objid >= ${FIRST_OWN_OID} and need.classid in (${catalogs(...COMES_ALONG)})
  and not exists (select from pg_catalog.pg_depend m where m.classid = need.classid and m.objid = need.objid and m.deptype in ('e', 'i'))
order by i.type, i.identity`;

/** Called while rows are loaded or indexes built: by checks, generated columns and index expressions. */
const CALLED_AT_LOAD = `exists (select from pg_catalog.pg_depend d join need on need.classid = d.classid and need.objid = d.objid
  left join pg_catalog.pg_attrdef f on d.classid = ${catalog("pg_attrdef")} and f.oid = d.objid
  left join pg_catalog.pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum
  where d.refclassid = ${catalog("pg_proc")} and d.refobjid = bodies.oid
    and (d.classid = ${catalog("pg_constraint")} or a.attgenerated <> '' or (d.classid = ${catalog("pg_class")} and ${isRelation("d.objid", "'i', 'I'")})))`;

/** `$3`: OIDs of the chosen tables. `$4`: words. */
export const RELATIONS = `${NEED}, ${CHOSEN(3)}, mentions as (
  select pg_catalog.lower(w.found[1]) as word, pg_catalog.min(bodies.oid::pg_catalog.regprocedure::pg_catalog.text) as by,
    pg_catalog.bool_or(${CALLED_AT_LOAD}) as at_load
  from bodies cross join lateral pg_catalog.regexp_matches(prosrc, $4, 'g') as w(found) group by 1
)
select c.oid::bigint::pg_catalog.text as oid, n.nspname::pg_catalog.text as schema, c.relname::pg_catalog.text as "table", c.relkind::pg_catalog.text as kind,
  pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name,
  ${isRoot("c.oid")} as chosen, ${isNeeded("pg_class", "c.oid")} as needed, ${isNeeded("pg_namespace", "n.oid")} as near,
  case when c.relkind <> 'S' then mentions.by end as by, mentions.at_load as "atLoad",
  c.relkind = 'S' and exists (select from pg_catalog.pg_depend d where d.classid = ${catalog("pg_class")} and d.objid = c.oid
    and d.refclassid = ${catalog("pg_class")} and d.deptype in ('a', 'i')) as owned
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace left join mentions on mentions.word = c.relname
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relpersistence <> 't' and ${USER_SCHEMA}
order by n.nspname collate pg_catalog."C", c.relname collate pg_catalog."C"`;

export const SCHEMAS = `${NEED}
select n.nspname::pg_catalog.text as schema from pg_catalog.pg_namespace n where ${USER_SCHEMA} and not ${isNeeded("pg_namespace", "n.oid")}
order by n.nspname collate pg_catalog."C"`;

/** `$3`: OIDs of the chosen tables. A key of a partitioned table is its partitions' as well. */
export const KEYS = `${NEED}, ${CHOSEN(3)}
select need.classid::bigint::pg_catalog.text as class, k.oid::bigint::pg_catalog.text as oid,
  k.conrelid::pg_catalog.regclass::pg_catalog.text || ' ' || pg_catalog.quote_ident(k.conname) as name,
  k.confrelid::pg_catalog.regclass::pg_catalog.text as refers, ${isNeeded("pg_class", "k.confrelid")} as impossible
from need join pg_catalog.pg_constraint k on need.classid = ${catalog("pg_constraint")} and k.oid = need.objid and k.contype = 'f'
join pg_catalog.pg_class c on c.oid = k.conrelid
where (c.relkind = 'p' or ${isRoot("c.oid")}) and not ${isRoot("k.confrelid")} and k.conparentid = 0
order by 3`;

/** Names of roles and schemas are not among them: a restore makes those. */
export const NAMES = `${ROOTS}
select a.attrelid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) as column, pg_catalog.format_type(a.atttypid, null) as type
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
where ${isRoot("a.attrelid")} and a.attnum > 0 and not a.attisdropped
  and a.atttypid::pg_catalog.regtype::pg_catalog.text in ('regclass', 'regproc', 'regprocedure', 'regoper', 'regoperator', 'regtype', 'regconfig', 'regdictionary', 'regcollation')
order by 1`;

export const HEIRS = `${ROOTS}
select i.inhrelid::pg_catalog.regclass::pg_catalog.text as name, i.inhparent::pg_catalog.regclass::pg_catalog.text as parent
from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid and not c.relispartition and c.relkind in ('r', 'p', 'f')
where ${isRoot("i.inhparent")} and not ${isRoot("i.inhrelid")}
order by 1`;

export const NUMBERS = `${ROOTS}
select a.attrelid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) as column
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
join pg_catalog.pg_type t on t.oid = a.atttypid
where ${isRoot("a.attrelid")} and a.attnum > 0 and not a.attisdropped
  and 'pg_catalog.oid'::pg_catalog.regtype in (t.oid, t.typbasetype) and exists (select from pg_catalog.pg_largeobject_metadata)
order by 1`;
