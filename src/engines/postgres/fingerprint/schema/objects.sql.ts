// Objects that belong to no table, as catalog queries with `key`, `fact` (text as it is), `code` (expressions, to be normalised).
import { foreignOptions, memberOf, role, USER_SCHEMA_OF } from "./fragments.ts";

const name = (alias: string, column: string) => `pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(${alias}.${column})`;
const inSchema = (catalog: string, alias: string, column: string) =>
  `from pg_catalog.${catalog} ${alias} join pg_catalog.pg_namespace n on n.oid = ${alias}.${column}
   where ${USER_SCHEMA_OF("n")} and not ${memberOf(catalog, `${alias}.oid`)}`;
/** Outside of schemas; what initdb made has a low OID. */
const global = (catalog: string, alias: string) =>
  `from pg_catalog.${catalog} ${alias} where ${alias}.oid >= 16384 and not ${memberOf(catalog, `${alias}.oid`)}`;
/** A column that some server versions lack. */
const ifAny = (alias: string, column: string) => `pg_catalog.to_jsonb(${alias})->>'${column}'`;
const proc = (oid: string) => `nullif(${oid}::pg_catalog.oid, 0)::pg_catalog.regprocedure::pg_catalog.text`;

export const OBJECT_QUERIES: readonly string[] = [
  `select 'schema ' || pg_catalog.quote_ident(n.nspname) as key, 'exists' as fact, null as code
   from pg_catalog.pg_namespace n where ${USER_SCHEMA_OF("n")} and not ${memberOf("pg_namespace", "n.oid")}`,
  `select 'extension ' || pg_catalog.quote_ident(x.extname) as key, 'in ' || pg_catalog.quote_ident(n.nspname) as fact, null as code
   from pg_catalog.pg_extension x join pg_catalog.pg_namespace n on n.oid = x.extnamespace`,
  `select 'extension version ' || pg_catalog.quote_ident(extname) as key, extversion as fact, null as code from pg_catalog.pg_extension`,
  // Functions and procedures: the facts and the body's bytes; a body in standard SQL is an expression.
  `select case p.prokind when 'p' then 'procedure ' when 'a' then 'aggregate ' else 'function ' end || p.oid::pg_catalog.regprocedure::pg_catalog.text as key,
    pg_catalog.concat_ws(' ', p.prokind, pg_catalog.pg_get_function_result(p.oid), 'language', l.lanname, p.provolatile, p.proparallel,
      case when p.proisstrict then 'strict' end, case when p.prosecdef then 'definer' end, case when p.proleakproof then 'leakproof' end,
      'cost', p.procost, 'rows', p.prorows, ${proc("p.prosupport")}, p.proconfig::pg_catalog.text, p.probin,
      (select pg_catalog.string_agg(pg_catalog.format_type(t, null), ',') from pg_catalog.unnest(p.protrftypes) t),
      case when ${ifAny("p", "prosqlbody")} is null then p.prosrc end) as fact,
    pg_catalog.concat_ws(' ', pg_catalog.pg_get_function_arguments(p.oid),
      case when ${ifAny("p", "prosqlbody")} is not null then pg_catalog.pg_get_functiondef(p.oid) end) as code
   from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_language l on l.oid = p.prolang
   where ${USER_SCHEMA_OF("n")} and not ${memberOf("pg_proc", "p.oid")}
     and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'i')`,
  `select 'aggregate definition ' || a.aggfnoid::pg_catalog.regprocedure::pg_catalog.text as key,
    pg_catalog.concat_ws(' ', a.aggkind, a.aggnumdirectargs, ${["aggtransfn", "aggfinalfn", "aggcombinefn", "aggserialfn", "aggdeserialfn", "aggmtransfn", "aggminvtransfn", "aggmfinalfn"].map((f) => `coalesce(${proc(`a.${f}`)}, '-')`).join(", ")},
      a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify, a.aggmfinalmodify, nullif(a.aggsortop, 0)::pg_catalog.regoperator,
      pg_catalog.format_type(a.aggtranstype, null), a.aggtransspace, pg_catalog.format_type(nullif(a.aggmtranstype, 0), null), a.aggmtransspace,
      'init', a.agginitval, 'minit', a.aggminitval) as fact, null as code
   from pg_catalog.pg_aggregate a join pg_catalog.pg_proc p on p.oid = a.aggfnoid join pg_catalog.pg_namespace n on n.oid = p.pronamespace
   where ${USER_SCHEMA_OF("n")} and not ${memberOf("pg_proc", "p.oid")}`,
  // Types: composite ones are relations with columns; array, row and multirange types come with their parents.
  `select case t.typtype when 'd' then 'domain ' else 'type ' end || ${name("t", "typname")} as key,
    pg_catalog.concat_ws(' ', t.typtype, case when not t.typisdefined then 'shell' end,
      case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end, case when t.typnotnull then 'not null' end,
      case when t.typtype = 'd' and t.typcollation <> (select b.typcollation from pg_catalog.pg_type b where b.oid = t.typbasetype)
        then 'collate ' || t.typcollation::pg_catalog.regcollation::pg_catalog.text end,
      (select 'labels ' || pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ',' order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
      (select pg_catalog.concat_ws(' ', 'range of', pg_catalog.format_type(r.rngsubtype, null), c.opcname, nullif(r.rngcollation, 0)::pg_catalog.regcollation,
        nullif(r.rngcanonical::pg_catalog.oid, 0)::pg_catalog.regproc, nullif(r.rngsubdiff::pg_catalog.oid, 0)::pg_catalog.regproc, (pg_catalog.to_jsonb(r)->>'rngmultitypid')::pg_catalog.oid::pg_catalog.regtype)
        from pg_catalog.pg_range r join pg_catalog.pg_opclass c on c.oid = r.rngsubopc where r.rngtypid = t.oid),
      case when t.typtype = 'b' then pg_catalog.concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typlen,
        t.typbyval, t.typalign, t.typstorage, t.typcategory, t.typispreferred, t.typdelim, pg_catalog.format_type(nullif(t.typelem, 0), null), t.typdefault) end) as fact,
    pg_catalog.concat_ws(' ', case when t.typtype = 'd' then t.typdefault end, (select pg_catalog.string_agg(pg_catalog.quote_ident(k.conname) || ' '
      || pg_catalog.pg_get_constraintdef(k.oid), ' ; ' order by k.conname collate pg_catalog."C") from pg_catalog.pg_constraint k where k.contypid = t.oid and k.contype <> 'n')) as code
   ${inSchema("pg_type", "t", "typnamespace")} and t.typtype in ('b', 'd', 'e', 'r', 'p')
     and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)`,
  // One that was copied from "C" is of every encoding, and comes back as one of its own. Before version 15, ICU's locale stood with the others.
  `select 'collation ' || ${name("c", "collname")} as key, pg_catalog.concat_ws(' ', c.collprovider, c.collisdeterministic,
      case when c.collcollate not in ('C', 'POSIX') and c.collprovider <> 'i' then c.collencoding end,
      case c.collprovider when 'i' then null else pg_catalog.concat_ws(' ', c.collcollate, c.collctype) end,
      coalesce(${ifAny("c", "colliculocale")}, ${ifAny("c", "colllocale")}, case c.collprovider when 'i' then c.collcollate::pg_catalog.text end),
      ${ifAny("c", "collicurules")}) as fact, null as code
   ${inSchema("pg_collation", "c", "collnamespace")}`,
  `select 'conversion ' || ${name("c", "conname")} as key, pg_catalog.concat_ws(' ', pg_catalog.pg_encoding_to_char(c.conforencoding),
      pg_catalog.pg_encoding_to_char(c.contoencoding), c.conproc, c.condefault) as fact, null as code ${inSchema("pg_conversion", "c", "connamespace")}`,
  `select 'operator ' || o.oid::pg_catalog.regoperator::pg_catalog.text as key, pg_catalog.concat_ws(' ', pg_catalog.format_type(o.oprresult, null),
      nullif(o.oprcode::pg_catalog.oid, 0)::pg_catalog.regproc, nullif(o.oprcom, 0)::pg_catalog.regoperator, nullif(o.oprnegate, 0)::pg_catalog.regoperator,
      nullif(o.oprrest::pg_catalog.oid, 0)::pg_catalog.regproc, nullif(o.oprjoin::pg_catalog.oid, 0)::pg_catalog.regproc, o.oprcanmerge, o.oprcanhash) as fact, null as code
   ${inSchema("pg_operator", "o", "oprnamespace")}`,
  `select 'operator class ' || ${name("c", "opcname")} || ' using ' || am.amname as key, pg_catalog.concat_ws(' ', pg_catalog.format_type(c.opcintype, null),
      'family', f.opfname, case when c.opcdefault then 'default' end, pg_catalog.format_type(nullif(c.opckeytype, 0), null)) as fact, null as code
   from pg_catalog.pg_opclass c join pg_catalog.pg_namespace n on n.oid = c.opcnamespace join pg_catalog.pg_am am on am.oid = c.opcmethod
   join pg_catalog.pg_opfamily f on f.oid = c.opcfamily where ${USER_SCHEMA_OF("n")} and not ${memberOf("pg_opclass", "c.oid")}`,
  `select 'operator family ' || ${name("f", "opfname")} || ' using ' || am.amname as key, pg_catalog.concat_ws(' ',
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', o.amopstrategy, o.amopopr::pg_catalog.regoperator::pg_catalog.text, o.amoppurpose), ',' order by o.amopstrategy, o.amopopr::pg_catalog.regoperator::pg_catalog.text collate pg_catalog."C")
        from pg_catalog.pg_amop o where o.amopfamily = f.oid),
      (select pg_catalog.string_agg(pg_catalog.concat_ws(' ', s.amprocnum, s.amproc::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text), ',' order by s.amprocnum, s.amproc::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text collate pg_catalog."C")
        from pg_catalog.pg_amproc s where s.amprocfamily = f.oid)) as fact, null as code
   from pg_catalog.pg_opfamily f join pg_catalog.pg_namespace n on n.oid = f.opfnamespace join pg_catalog.pg_am am on am.oid = f.opfmethod
   where ${USER_SCHEMA_OF("n")} and not ${memberOf("pg_opfamily", "f.oid")}`,
  `select 'cast ' || pg_catalog.format_type(c.castsource, null) || ' as ' || pg_catalog.format_type(c.casttarget, null) as key,
    pg_catalog.concat_ws(' ', c.castcontext, c.castmethod, ${proc("c.castfunc")}) as fact, null as code ${global("pg_cast", "c")}`,
  `select 'transform ' || pg_catalog.format_type(t.trftype, null) || ' for ' || l.lanname as key,
    pg_catalog.concat_ws(' ', t.trffromsql, t.trftosql) as fact, null as code
   from pg_catalog.pg_transform t join pg_catalog.pg_language l on l.oid = t.trflang where t.oid >= 16384 and not ${memberOf("pg_transform", "t.oid")}`,
  `select 'language ' || pg_catalog.quote_ident(l.lanname) as key, pg_catalog.concat_ws(' ', l.lanpltrusted, ${proc("l.lanplcallfoid")}, ${proc("l.laninline")}, ${proc("l.lanvalidator")}) as fact,
    null as code ${global("pg_language", "l")}`,
  `select 'access method ' || pg_catalog.quote_ident(a.amname) as key, pg_catalog.concat_ws(' ', a.amtype, a.amhandler) as fact, null as code ${global("pg_am", "a")}`,
  `select 'text search configuration ' || ${name("c", "cfgname")} as key, pg_catalog.concat_ws(' ', c.cfgparser::pg_catalog.text::int < 16384,
      (select pg_catalog.string_agg(pg_catalog.concat_ws(':', m.maptokentype, m.mapdict::pg_catalog.regdictionary), ',' order by m.maptokentype, m.mapseqno)
        from pg_catalog.pg_ts_config_map m where m.mapcfg = c.oid)) as fact, null as code ${inSchema("pg_ts_config", "c", "cfgnamespace")}`,
  `select 'text search dictionary ' || ${name("d", "dictname")} as key, pg_catalog.concat_ws(' ', (select t.tmplname from pg_catalog.pg_ts_template t where t.oid = d.dicttemplate), d.dictinitoption) as fact,
    null as code ${inSchema("pg_ts_dict", "d", "dictnamespace")}`,
  `select 'text search parser ' || ${name("p", "prsname")} as key, pg_catalog.concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype) as fact,
    null as code ${inSchema("pg_ts_parser", "p", "prsnamespace")}`,
  `select 'text search template ' || ${name("t", "tmplname")} as key, pg_catalog.concat_ws(' ', t.tmplinit, t.tmpllexize) as fact, null as code ${inSchema("pg_ts_template", "t", "tmplnamespace")}`,
  `select 'event trigger ' || pg_catalog.quote_ident(e.evtname) as key, pg_catalog.concat_ws(' ', e.evtevent, e.evtenabled, ${proc("e.evtfoid")},
      (select pg_catalog.string_agg(t, ',' order by t collate pg_catalog."C") from pg_catalog.unnest(e.evttags) t)) as fact, null as code ${global("pg_event_trigger", "e")}`,
  `select 'foreign data wrapper ' || pg_catalog.quote_ident(w.fdwname) as key, pg_catalog.concat_ws(' ', ${proc("w.fdwhandler")}, ${proc("w.fdwvalidator")}, ${foreignOptions("w.fdwoptions")}) as fact,
    null as code ${global("pg_foreign_data_wrapper", "w")}`,
  `select 'server ' || pg_catalog.quote_ident(s.srvname) as key, pg_catalog.concat_ws(' ', w.fdwname, s.srvtype, s.srvversion, ${foreignOptions("s.srvoptions")}) as fact, null as code
   from pg_catalog.pg_foreign_server s join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw where not ${memberOf("pg_foreign_server", "s.oid")}`,
  `select 'user mapping for ' || ${role("m.umuser")} || ' on ' || pg_catalog.quote_ident(m.srvname) as key, ${foreignOptions("m.umoptions")} as fact, null as code
   from pg_catalog.pg_user_mappings m`,
  `select 'publication ' || pg_catalog.quote_ident(p.pubname) as key, pg_catalog.concat_ws(' ', 'all', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, ${ifAny("p", "pubviaroot")}) as fact,
    null as code ${global("pg_publication", "p")}`,
  `select 'publication ' || pg_catalog.quote_ident(p.pubname) || ' table ' || r.prrelid::pg_catalog.regclass::pg_catalog.text as key,
    (select 'columns ' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ',' order by a.attname collate pg_catalog."C") from pg_catalog.pg_attribute a
      where a.attrelid = r.prrelid and a.attnum::pg_catalog.text = any (pg_catalog.string_to_array(${ifAny("r", "prattrs")}, ' '))) as fact,
    pg_catalog.pg_get_expr((${ifAny("r", "prqual")})::pg_catalog.pg_node_tree, r.prrelid) as code
   from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid`.replace(
    "pg_catalog.pg_get_expr((pg_catalog.to_jsonb(r)->>'prqual')::pg_catalog.pg_node_tree, r.prrelid)",
    "null",
  ),
  `select 'default privileges of ' || ${role("d.defaclrole")} || coalesce(' in ' || pg_catalog.quote_ident(n.nspname), '') || ' on ' || d.defaclobjtype::pg_catalog.text as key,
    (select pg_catalog.string_agg(${role("e.grantee")} || '=' || e.privilege_type || case when e.is_grantable then '*' else '' end, ',' order by e.grantee = 0, pg_catalog.pg_get_userbyid(e.grantee), e.privilege_type)
      from pg_catalog.aclexplode(d.defaclacl) e) as fact, null as code
   from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace`,
];

/** Asked only where the server has them, or the user may read them: `needs` is a query that gives true. */
export const OPTIONAL_QUERIES: readonly { readonly needs: string; readonly sql: string }[] = [
  {
    needs: "select pg_catalog.to_regclass('pg_catalog.pg_publication_namespace') is not null as ok",
    sql: `select 'publication ' || pg_catalog.quote_ident(p.pubname) || ' schema ' || pg_catalog.quote_ident(n.nspname) as key, 'member' as fact, null as code
     from pg_catalog.pg_publication_namespace s join pg_catalog.pg_publication p on p.oid = s.pnpubid join pg_catalog.pg_namespace n on n.oid = s.pnnspid`,
  },
  {
    needs: "select pg_catalog.current_setting('server_version_num')::int >= 150000 as ok",
    sql: `select 'publication filter ' || pg_catalog.quote_ident(p.pubname) || ' table ' || r.prrelid::pg_catalog.regclass::pg_catalog.text as key, null as fact,
      pg_catalog.pg_get_expr(r.prqual, r.prrelid) as code
     from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid where r.prqual is not null`,
  },
  {
    // A dump made by an ordinary user has no subscriptions.
    needs: "select rolsuper as ok from pg_catalog.pg_roles where rolname = current_user",
    sql: `select 'subscription ' || pg_catalog.quote_ident(s.subname) as key, pg_catalog.concat_ws(' ', s.subslotname, s.subsynccommit, s.subpublications::pg_catalog.text) as fact, null as code
     from pg_catalog.pg_subscription s where s.subdbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())`,
  },
];
