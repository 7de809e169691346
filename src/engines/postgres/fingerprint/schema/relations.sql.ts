// Tables and the objects that belong to them, as catalog queries. Each gives `key`, `fact` (text as it is), `code` (expressions, to be normalised).
// `$1` is null, or the OIDs of the chosen relations.
import { aclText, foreignOptions, maintainers, memberOf, role, USER_SCHEMA_OF } from "./fragments.ts";

const CHOSEN = "($1::bigint[] is null or c.oid = any($1::bigint[]::pg_catalog.oid[]))";

/** User relations with their names; the kinds as words. */
const REL = `
with rel as materialized (
  select c.*, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as full_name,
    case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view'
      when 'S' then 'sequence' when 'f' then 'foreign table' when 'c' then 'type' else 'index' end as word
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c') and c.relpersistence <> 't' and ${USER_SCHEMA_OF("n")} and ${CHOSEN}
    and not ${memberOf("pg_class", "c.oid")} and (c.relkind <> 'c' or not ${memberOf("pg_type", "c.reltype")})
)`;

/** Options, sorted. Since November 2026 (15.20) servers number the versions of every column in `pg_attver`, which no dump holds. */
const options = (column: string) =>
  `(select ' options ' || pg_catalog.string_agg(o, ',' order by o collate pg_catalog."C") from pg_catalog.unnest(${column}) o where o !~ '^pg_attver=')`;

export const RELATION_QUERIES: readonly string[] = [
  // Relations.
  `${REL} select word || ' ' || full_name as key,
    pg_catalog.concat_ws(' ', case relkind when 'p' then 'partitioned' end, case relpersistence when 'u' then 'unlogged' end,
      case when relkind = 'm' and not relispopulated then 'without data' end,
      (select 'using ' || am.amname from pg_catalog.pg_am am where am.oid = c.relam and am.amname <> 'heap'),
      case when relrowsecurity then 'row security' end, case when relforcerowsecurity then 'forced' end,
      case when relreplident <> 'd' then 'replica identity ' || relreplident::pg_catalog.text end,
      case when reloftype <> 0 then 'of ' || pg_catalog.format_type(reloftype, null) end,
      (select 'parents ' || pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::pg_catalog.text, ',' order by i.inhseqno)
        from pg_catalog.pg_inherits i where i.inhrelid = c.oid and ($1::bigint[] is null or i.inhparent = any($1::bigint[]::pg_catalog.oid[]))),
      (select 'on ' || pg_catalog.quote_ident(s.srvname) || coalesce(' ' || ${foreignOptions("t.ftoptions")}, '')
        from pg_catalog.pg_foreign_table t join pg_catalog.pg_foreign_server s on s.oid = t.ftserver where t.ftrelid = c.oid),
      ${options("reloptions")},
      (select 'toast' || ${options("t.reloptions")} from pg_catalog.pg_class t where t.oid = c.reltoastrelid)) as fact,
    pg_catalog.concat_ws(' ', case relkind when 'p' then pg_catalog.pg_get_partkeydef(oid) end, pg_catalog.pg_get_expr(relpartbound, oid),
      case when relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(oid) end) as code
  from rel c where relkind <> 'S'`,
  // Columns. An inherited column's place changes with the first restore: there only the facts count.
  `${REL} select 'column ' || c.full_name || '.' || pg_catalog.quote_ident(a.attname) as key,
    pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
      case a.attidentity when 'a' then 'identity always' when 'd' then 'identity by default' end,
      case a.attgenerated when 's' then 'generated' when 'v' then 'generated virtual' end,
      case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::pg_catalog.regcollation::pg_catalog.text end,
      case when a.attstorage <> t.typstorage and c.relkind in ('r', 'p', 'm', 'f') then 'storage ' || a.attstorage::pg_catalog.text end,
      case when pg_catalog.to_jsonb(a)->>'attcompression' <> '' then 'compression ' || (pg_catalog.to_jsonb(a)->>'attcompression') end,
      case when coalesce(a.attstattarget, -1) >= 0 then 'statistics ' || a.attstattarget end,
      ${options("a.attoptions")}, ${foreignOptions("a.attfdwoptions")},
      case when c.relkind <> 'v' and (c.relispartition or not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid))
        then '#' || pg_catalog.row_number() over (partition by a.attrelid order by a.attnum) end) as fact,
    pg_catalog.pg_get_expr(d.adbin, d.adrelid) as code
  from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where c.relkind <> 'S'`,
  // Constraints. Those that a partition has only through its parent are made with new names; not-null is a fact of the column.
  `${REL} select 'constraint ' || pg_catalog.quote_ident(k.conname) || ' on ' || c.full_name as key, null as fact,
    pg_catalog.pg_get_constraintdef(k.oid) as code
  from rel c join pg_catalog.pg_constraint k on k.conrelid = c.oid
  where k.contype not in ('t', 'n') and not (k.contype = 'f' and k.conparentid <> 0)
    and not (k.contype = 'f' and $1::bigint[] is not null and not k.confrelid = any($1::bigint[]::pg_catalog.oid[]))`,
  // Indexes. A dump leaves out an index that is not valid (a CREATE INDEX CONCURRENTLY that failed).
  `${REL} select 'index ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname) as key,
    pg_catalog.concat_ws(' ', case when not i.indisvalid then 'incomplete' end, case when i.indisclustered then 'clustered' end,
      case when i.indisreplident then 'replica identity' end,
      (select 'part of ' || h.inhparent::pg_catalog.regclass::pg_catalog.text from pg_catalog.pg_inherits h where h.inhrelid = x.oid),
      (select 'statistics ' || pg_catalog.string_agg(a.attnum || ':' || a.attstattarget, ',' order by a.attnum)
        from pg_catalog.pg_attribute a where a.attrelid = x.oid and a.attstattarget >= 0)) as fact,
    pg_catalog.pg_get_indexdef(x.oid) as code
  from rel c join pg_catalog.pg_index i on i.indrelid = c.oid join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_namespace n on n.oid = x.relnamespace where i.indisvalid or x.relkind = 'I'`,
  `${REL} select 'trigger ' || pg_catalog.quote_ident(t.tgname) || ' on ' || c.full_name as key, 'enabled ' || t.tgenabled::pg_catalog.text as fact,
    pg_catalog.pg_get_triggerdef(t.oid) as code
  from rel c join pg_catalog.pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal`,
  `${REL} select 'rule ' || pg_catalog.quote_ident(r.rulename) || ' on ' || c.full_name as key, 'enabled ' || r.ev_enabled::pg_catalog.text as fact,
    pg_catalog.pg_get_ruledef(r.oid) as code
  from rel c join pg_catalog.pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'`,
  `${REL} select 'policy ' || pg_catalog.quote_ident(p.polname) || ' on ' || c.full_name as key,
    pg_catalog.concat_ws(' ', 'for', p.polcmd::pg_catalog.text, case when p.polpermissive then 'permissive' else 'restrictive' end, 'to',
      (select pg_catalog.string_agg(name, ',' order by name collate pg_catalog."C") from (
        select case r when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r)) end as name from pg_catalog.unnest(p.polroles) r) names)) as fact,
    pg_catalog.concat('(', pg_catalog.pg_get_expr(p.polqual, p.polrelid), ') check (', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), ')') as code
  from rel c join pg_catalog.pg_policy p on p.polrelid = c.oid`,
  `${REL} select 'sequence ' || c.full_name as key, pg_catalog.concat_ws(' ', pg_catalog.format_type(s.seqtypid, null), 'start', s.seqstart, 'by', s.seqincrement,
      'from', s.seqmin, 'to', s.seqmax, 'cache', s.seqcache, case when s.seqcycle then 'cycle' end, case c.relpersistence when 'u' then 'unlogged' end,
      (select 'owned by ' || d.refobjid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) from pg_catalog.pg_depend d
        join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype in ('a', 'i')
          and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass)) as fact, null as code
  from rel c join pg_catalog.pg_sequence s on s.seqrelid = c.oid`,
  `${REL} select 'statistics ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname) as key,
    case when coalesce(s.stxstattarget, -1) >= 0 then 'target ' || s.stxstattarget end as fact, pg_catalog.pg_get_statisticsobjdef(s.oid) as code
  from rel c join pg_catalog.pg_statistic_ext s on s.stxrelid = c.oid join pg_catalog.pg_namespace n on n.oid = s.stxnamespace`,
  // Owners and privileges. A null ACL means the defaults; after a grant and its revocation the same stands spelled out.
  `${REL} select 'owner ' || c.word || ' ' || c.full_name as key, ${role("c.relowner")} as fact, null as code from rel c`,
  `${REL} select 'acl ' || c.word || ' ' || c.full_name as key,
    case c.relkind when 'S' then ${aclText("c.relacl", "c.relowner", "s")} else ${aclText("c.relacl", "c.relowner", "r")} end as fact, null as code
  from rel c where c.relkind <> 'c'`,
  `${REL} select 'maintain ' || c.word || ' ' || c.full_name as key, m.who as fact, null as code
  from rel c cross join lateral (select ${maintainers("c.relacl", "c.relowner")} as who) m where m.who is not null`,
  `${REL} select 'acl column ' || c.full_name || '.' || pg_catalog.quote_ident(a.attname) as key, ${aclText("a.attacl", "c.relowner", null)} as fact, null as code
  from rel c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where pg_catalog.cardinality(a.attacl) > 0`,
];
