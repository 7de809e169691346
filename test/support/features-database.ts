// A database that holds every feature a backup has to carry, as SQL for an empty database, run by a superuser.
// Statements must run one by one where a transaction is forbidden; `featuresSql` is safe as one script.

/** Roles that the objects below belong to. They live in the cluster, not in the database: idempotent, dropped with the cluster. */
export const featureRolesSql = `
do $$ declare r text; begin
  foreach r in array array['lb_owner', 'lb_reader', 'lb "odd" rôle', 'lb_team'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = r) then execute format('create role %I', r); end if;
  end loop;
end $$;
grant lb_team to lb_reader;
`;

/** Extensions of Debian's own server package; the caller may leave out what is not installed. */
export const FEATURE_EXTENSIONS = [
  "citext",
  "hstore",
  "ltree",
  "pg_trgm",
  "btree_gist",
  "intarray",
  "isn",
  "cube",
  "seg",
  "lo",
  "file_fdw",
  "postgres_fdw",
] as const;

const extensions = `
create schema ext;
${FEATURE_EXTENSIONS.map((name) => `create extension ${name} with schema ext;`).join("\n")}
comment on extension hstore is 'pairs, said differently';
`;

const types = `
create schema "Odd Schema";
create schema "sch.with.dots" authorization lb_owner;
create type public.mood as enum ('sad', 'ok');
alter type public.mood add value 'happy';
alter type public.mood add value 'meh' before 'ok';
create type public.address as (street text, "zip code" varchar(10), geo point);
create type "Odd Schema"."Ran ge" as range (subtype = numeric, multirange_type_name = "Odd Schema"."Multi Ran ge");
create type public.shell_only;
create domain public.email as ext.citext constraint "looks like one" check (value ~ '@') not null default 'no@where';
create domain public.percent as numeric(5, 2) check (value between 0 and 100);
create domain public.percents as public.percent[];
comment on type public.mood is 'how it goes';
comment on column public.address."zip code" is 'five or nine';
comment on constraint "looks like one" on domain public.email is 'a crude test';
create collation public.numbers (provider = icu, locale = 'en-u-kn-true');
create collation "Odd Schema".ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create text search dictionary public.plain_dict (template = pg_catalog.simple, stopwords = 'english');
create text search configuration public.plain_config (copy = pg_catalog.english);
alter text search configuration public.plain_config alter mapping for asciiword with public.plain_dict, english_stem;
comment on text search configuration public.plain_config is 'plain';
`;

const routines = `
create function public.add_one(integer) returns integer language sql immutable strict parallel safe cost 7 as 'select $1 + 1';
create function public.add_one(n bigint, by bigint default 1, variadic rest int[] default '{}') returns bigint language sql as $f$ select n + by $f$;
create function "Odd Schema"."F (x)"(out a int, inout b text) returns setof record language plpgsql security definer
  set search_path to 'public', "Odd Schema" set work_mem to '5MB' rows 12
  as $f$ begin a := 1; return next; end $f$;
create procedure public.do_it(inout n int) language plpgsql as $p$ begin n := n + 1; end $p$;
create function public.atomic(p text) returns boolean language sql begin atomic
  select (p::varchar in ('a', 'b')) and 1 between 0 and 2 and p is not null; end;
create aggregate public.product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1', combinefunc = numeric_mul, parallel = safe);
create aggregate public.pctl(float8 order by anyelement) (sfunc = ordered_set_transition, stype = internal, finalfunc = percentile_disc_final, finalfunc_extra);
create function public.mood_to_int(public.mood) returns integer language sql immutable as $f$ select array_position(enum_range(null::public.mood), $1) $f$;
create cast (public.mood as integer) with function public.mood_to_int(public.mood) as assignment;
comment on cast (public.mood as integer) is 'place in the list';
create function public.near(point, point) returns boolean language sql immutable as 'select ($1 <-> $2) < 1';
create operator public.~~~ (leftarg = point, rightarg = point, function = public.near, commutator = operator(public.~~~), restrict = contsel, join = contjoinsel);
comment on operator public.~~~ (point, point) is 'near';
create function public.mood_cmp(integer, integer) returns integer language sql immutable as 'select case when $1 % 10 < $2 % 10 then -1 when $1 % 10 = $2 % 10 then 0 else 1 end';
create operator family public.last_digit using btree;
create operator class public.last_digit_ops for type integer using btree family public.last_digit as
  operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 public.mood_cmp(integer, integer);
create function public.trigger_fn() returns trigger language plpgsql as $f$ begin return new; end $f$;
create function public.event_fn() returns event_trigger language plpgsql as $f$ begin null; end $f$;
create conversion public.my_conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
create access method heap_two type table handler heap_tableam_handler;
create transform for hstore_less language plpgsql (from sql with function pg_catalog.pg_typeof("any"));
`.replace(/create transform[^\n]*\n/, "");

const tables = `
create sequence public.counter as bigint increment -2 minvalue -1000 maxvalue 10 start 10 cache 5 cycle;
create sequence "Odd Schema"."Seq. ""x""" start 7;
create sequence public.untouched start 42;
create unlogged sequence public.unlogged_seq;
create table public.users (
  id serial primary key,
  mail public.email unique deferrable initially deferred,
  name varchar(40) collate "C" default 'nobody',
  feeling public.mood not null default 'ok',
  home public.address,
  tags text[] default '{}',
  share public.percent,
  born date check (born between date '1900-01-01' and '2100-01-01' and born <> '1950-05-05'),
  status varchar(10) default 'new' check (status in ('new', 'old', 'gone')),
  kind varchar not null default 'x' check (kind not in ('bad', 'worse') and (kind <> '' or id > -1)),
  upper_name text generated always as (upper((name)::text)) stored,
  dropped_one int,
  "Spaces ""and"" quotes ü." text,
  constraint "odd check" check (share > 1.5 or share is null) no inherit
);
alter table public.users drop column dropped_one;
alter table public.users alter column name set statistics 321, alter column "Spaces ""and"" quotes ü." set storage external;
alter table public.users alter column tags set (n_distinct = -0.5), alter column "Spaces ""and"" quotes ü." set compression pglz;
alter table public.users add constraint later check (id < 1000000) not valid;
create unique index "users odd idx" on public.users (lower((mail)::text) desc nulls last, (id + 1)) include (name) where (status in ('new', 'old') and id between 0 and 100000 and name is not null);
alter index public."users odd idx" alter column 1 set statistics 99;
create index users_gin on public.users using gin (tags) with (fastupdate = off);
create index users_trgm on public.users using gist ("Spaces ""and"" quotes ü." ext.gist_trgm_ops (siglen = 32));
cluster public.users using users_pkey;
create table "Odd Schema"."T.a ""b"" ü" (
  "Id" bigint generated always as identity (sequence name "Odd Schema"."Ident Seq" start 100 increment 5) primary key,
  other int generated by default as identity,
  user_id int references public.users on delete cascade on update set null deferrable,
  exclude using gist (user_id with =, other with <>) where (other > 5)
);
create table public.typed of public.address (street with options not null default 'x');
create table public.no_columns ();
create table public.empty_one (a int, b text);
create table public.only_dropped (a int);
alter table public.only_dropped drop column a;
create unlogged table public.unlogged_one (id int primary key, body text) with (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
create table public.parent (id int, note text check (note <> 'x'));
create table public.child (extra int) inherits (public.parent);
create table public.grandchild (more text) inherits (public.child);
alter table public.parent add column added int default 3;
create table public.logs (id bigint not null, at timestamptz not null, level int not null default 0, body text, primary key (id, at, level)) partition by range (at);
create table public.logs_2024 partition of public.logs for values from ('2024-01-01') to ('2025-01-01');
create table public.logs_2025 partition of public.logs for values from ('2025-01-01') to ('2026-01-01') partition by list (level);
create table "Odd Schema"."logs 2025 low" partition of public.logs_2025 for values in (0, 1);
create table public.logs_2025_rest partition of public.logs_2025 default;
create table public.logs_attached (body text, level int not null default 5, at timestamptz not null, id bigint not null);
alter table public.logs attach partition public.logs_attached for values from ('2026-01-01') to (maxvalue);
create table public.logs_default partition of public.logs default;
create index logs_body on public.logs (body);
create index logs_only on only public.logs (level);
create table public.hashed (k text primary key, ref int references public.users) partition by hash (k);
create table public.hashed_0 partition of public.hashed for values with (modulus 2, remainder 0);
create table public.hashed_1 partition of public.hashed for values with (modulus 2, remainder 1);
create table public.refs_parts (k text references public.hashed);
create table public.every_type (
  id int primary key, c_bool bool, c_bytea bytea, c_char "char", c_name name, c_int8 int8, c_int2 int2, c_text text, c_oid oid,
  c_json json, c_jsonb jsonb, c_xml xml, c_point point, c_line line, c_lseg lseg, c_box box, c_path path, c_poly polygon, c_circle circle,
  c_f4 float4, c_f8 float8, c_money money, c_mac macaddr, c_mac8 macaddr8, c_inet inet, c_cidr cidr, c_bpchar char(6), c_varchar varchar(9),
  c_date date, c_time time, c_timetz timetz, c_ts timestamp, c_tstz timestamptz, c_interval interval, c_numeric numeric, c_uuid uuid,
  c_bit bit(5), c_varbit varbit, c_tsv tsvector, c_tsq tsquery, c_regclass regclass, c_regproc regprocedure, c_regtype regtype, c_regrole regrole,
  c_enum public.mood, c_comp public.address, c_dom public.email default 'a@b', c_domarr public.percents, c_r4 int4range, c_mr datemultirange,
  c_own "Odd Schema"."Ran ge", c_citext ext.citext, c_hstore ext.hstore, c_ltree ext.ltree, c_nondet text collate "Odd Schema".ignore_case,
  c_numarr numeric[], c_enumarr public.mood[], c_textarr text[][], c_comparr public.address[], c_ivarr interval[], c_f8arr float8[],
  c_lsn pg_lsn, c_snap pg_snapshot, c_jsonpath jsonpath, c_isbn ext.isbn13, c_cube ext.cube, c_lo ext.lo, c_bparr char(4)[], c_moneyarr money[]
);
create statistics public.user_stats (dependencies, ndistinct, mcv) on status, kind from public.users;
create statistics "Odd Schema"."expr stats" on (lower((name)::text)), id from public.users;
alter statistics public.user_stats set statistics 55;
alter table public.every_type replica identity full;
alter table public.empty_one add unique (a);
alter table public.empty_one alter a set not null;
alter table public.empty_one replica identity using index empty_one_a_key;
create table public.am_two (a int) using heap_two;
create table public.secret_notes (id int primary key, owner text default current_user, note text);
create table public.forced_notes (id int primary key, owner text);
`;

const code = `
create view public.active_users as select u.*, (select count(*) from public.refs_parts) as refs from public.users u
  where u.status in ('new', 'old') and u.id between 1 and 10 and (u.name like 'a%' or u.kind not in ('x', 'y')) with local check option;
create view "Odd Schema"."V 1" (a, "b c") with (security_barrier = true) as
  select l.id, string_agg(l.body, ',' order by l.at desc) filter (where l.level > 0) from public.logs l left join public.users u using (id) group by l.id having count(*) between 0 and 99;
alter view "Odd Schema"."V 1" alter column a set default 5;
create recursive view public.numbers_view (n) as values (1) union all select n + 1 from numbers_view where n < 5;
create materialized view public.user_count as select status, count(*) as n from public.users where status in ('new', 'old') group by status;
create unique index user_count_status on public.user_count (status);
create materialized view public.never_filled as select 1 as one with no data;
create view public.on_mat as select * from public.user_count;
create rule protect as on delete to public.secret_notes where old.owner in ('root', 'admin') do instead nothing;
create rule "view insert" as on insert to public.on_mat do instead (insert into public.empty_one values (1, new.status); select 1);
create trigger "T 1" before insert or update of name, status on public.users for each row when (new.status in ('new', 'old') and new.id between 1 and 2) execute function public.trigger_fn('arg''s', '2');
create trigger on_parts after insert on public.logs for each row execute function public.trigger_fn();
create constraint trigger deferred_one after update on public.users deferrable initially deferred for each row execute function public.trigger_fn();
create trigger disabled_one after delete on public.users referencing old table as gone for each statement execute function public.trigger_fn();
alter table public.users disable trigger disabled_one;
alter table public.users enable always trigger "T 1";
create trigger instead_one instead of update on public.on_mat for each row execute function public.trigger_fn();
create event trigger watch_ddl on ddl_command_end when tag in ('DROP TABLE', 'CREATE TABLE') execute function public.event_fn();
alter event trigger watch_ddl disable;
alter table public.secret_notes enable row level security;
alter table public.forced_notes enable row level security;
alter table public.forced_notes force row level security;
create policy mine on public.secret_notes as restrictive for select to lb_team, lb_reader, lb_owner using (owner = current_user and note in ('a', 'b'));
create policy "all of it" on public.forced_notes using (id between 1 and 100) with check (owner::varchar in ('x', 'y'));
create publication everything for all tables with (publish = 'insert, update', publish_via_partition_root = true);
create publication chosen for table public.users where (id > 0 and id between 1 and 5), public.hashed, tables in schema "sch.with.dots";
create subscription idle connection 'host=127.0.0.1 port=1 dbname=nowhere password=hidden' publication chosen with (connect = false, slot_name = none);
create foreign data wrapper own_fdw options (debug 'true');
create server files foreign data wrapper file_fdw;
create server "far away" type 'pg' version '15' foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1', dbname 'x');
create user mapping for lb_reader server "far away" options (user 'me', password 'hidden');
create user mapping for public server "far away" options (user 'any');
create foreign table public.from_file (line text not null) server files options (filename '/dev/null', format 'csv');
create foreign table public.from_far (id int options (column_name 'ID'), t text) server "far away" options (table_name 'far');
`;

const privileges = `
alter table public.users owner to lb_owner;
alter schema "Odd Schema" owner to 'lb_owner_placeholder';
alter function public.add_one(integer) owner to lb_owner;
alter type public.mood owner to lb_owner;
alter table "Odd Schema"."T.a ""b"" ü" owner to "lb ""odd"" rôle";
grant usage on schema "Odd Schema" to lb_reader;
grant select, insert on public.users to lb_reader with grant option;
grant update (name, status) on public.users to public;
grant select on public.logs, public.active_users to "lb ""odd"" rôle";
revoke execute on function public.add_one(integer) from public;
grant execute on procedure public.do_it(int) to lb_team;
grant usage on sequence public.counter to lb_reader;
revoke all on type public.mood from public;
grant usage on foreign server "far away" to lb_reader;
grant usage on foreign data wrapper own_fdw to lb_reader;
grant usage on language plpgsql to lb_reader;
alter default privileges for role lb_owner in schema public grant select on tables to lb_reader;
alter default privileges for role lb_owner revoke execute on functions from public;
alter default privileges in schema "Odd Schema" grant usage on sequences to lb_team;
set session authorization lb_reader;
grant select on public.users to lb_team;
reset session authorization;
comment on table public.users is 'people, é';
comment on column public.users.name is E'with \\\\ and ''quotes''\\nand lines';
comment on schema "Odd Schema" is 'odd';
comment on function public.add_one(integer) is 'plus one';
comment on index public.users_gin is 'by tag';
comment on view public.active_users is 'the living';
comment on trigger "T 1" on public.users is 'first';
comment on policy mine on public.secret_notes is 'own ones';
comment on sequence public.counter is 'down';
comment on publication chosen is 'some';
comment on subscription idle is 'sleeps';
comment on event trigger watch_ddl is 'watch';
comment on server files is 'files';
comment on rule protect on public.secret_notes is 'keep';
comment on constraint "odd check" on public.users is 'odd';
comment on statistics public.user_stats is 'stats';
comment on domain public.percent is 'share';
comment on collation public.numbers is 'natural';
comment on materialized view public.user_count is 'counts';
comment on foreign table public.from_file is 'lines';
comment on operator class public.last_digit_ops using btree is 'last digit';
comment on aggregate public.product(numeric) is 'times';
comment on conversion public.my_conv is 'conv';
`.replace("'lb_owner_placeholder'", "lb_owner");

const rows = `
insert into public.users (mail, name, feeling, home, tags, share, born, status, kind, "Spaces ""and"" quotes ü.")
select 'User' || g || '@Example.org', 'name ' || g, (enum_range(null::public.mood))[1 + g % 4], row('Street ' || g, g, point(g, -g))::public.address,
  array['t' || g % 3, null, 'x,"y"'], (g % 90) + 2.50, date '1960-01-01' + g, case when g % 2 = 0 then 'new' else 'old' end, 'x', repeat('ü' || g, g % 50)
from generate_series(1, 300) g;
insert into "Odd Schema"."T.a ""b"" ü" (user_id) select g from generate_series(1, 20) g;
insert into public.typed values ('a', '1', null), ('b', null, '(1,2)');
insert into public.no_columns select from generate_series(1, 3);
insert into public.only_dropped select from generate_series(1, 2);
insert into public.unlogged_one select g, repeat(md5(g::text), 200) from generate_series(1, 10) g;
insert into public.parent values (1, 'p', 1);
insert into public.child (id, note, extra) values (2, 'c', 2);
insert into public.grandchild (id, note, extra, more) values (3, 'g', 3, 'm');
insert into public.logs select g, timestamptz '2023-06-01 00:00+00' + g * interval '10 days', g % 4, 'log ' || g from generate_series(1, 150) g;
insert into public.hashed select 'k' || g, g from generate_series(1, 30) g;
insert into public.refs_parts select 'k' || g from generate_series(1, 10) g;
insert into public.every_type values
 (1, true, '\\x00ff', 'a', 'na me', 9223372036854775807, -32768, E'tab\\tnew\\nline\\\\', 4294967295,
  '{"b": 1,  "a": [1.10, null]}', '{"b": 1.10, "a": [1, null]}', '<?xml version="1.0" encoding="UTF-8"?><a b="c">é</a>', '(1,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(2,2),(1,1)', '((0,0),(1,1))', '((0,0),(1,0),(1,1))', '<(0,0),2.5>',
  '-0', '-0', '-12.34', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '192.168.0.1/24', '10.0.0.0/8', 'ab', 'cd ',
  'infinity', '24:00:00', '23:59:59.999999+05:30', '-infinity', 'infinity', '1 mon', '1.10', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '10101', '110', 'a:1A fat:2B cat', 'fat & (rat | !cat:*)', 'public.users', 'public.add_one(integer)', 'public.mood[]', 'lb_owner',
  'meh', row('s', 'z', '(0,1)'), 'MiXed@case', '{1.50,2}', '[1,10)', '{[2020-01-01,2020-02-01),[2021-01-01,)}', '(1.10,2.0]', 'CiText', 'a=>1, b=>NULL', 'Top.Science', 'CASE',
  '{1.10,NaN,NULL}', '{sad,meh}', '{{a,b},{NULL,"c,d"}}', array[row('a', 'b', null)::public.address], '{"1 mon","30 days"}', '{-0,NaN,Infinity}',
  '16/B374D848', '10:20:10,14,15', '$.a[*] ? (@ > 1)', '978-0-393-04002-9', '(1,2),(3,4)', null, '{ab,"c   "}', '{1.5,-2}'),
 (2, false, '', 'z', '', -9223372036854775808, 32767, '', 0, '[]', '[]', '<b/>', '(Infinity,NaN)', null, null, null, '[(0,0),(1,1)]', null, null,
  'NaN', 'inf'::float8 - 'inf'::float8, '0', null, null, '::1', '::/0', '', '', '-infinity', '00:00', '00:00-15:59', 'infinity', '-infinity', '30 days', 'NaN', '00000000-0000-0000-0000-000000000000',
  '00000', '', '', '', null, null, 'integer', null, 'sad', row(null, null, null), 'x@y', '{}', 'empty', '{}', '(,)', '', '', '', 'case',
  '{}', '{}', '{}', '{}', '{}', '{}', '0/0', '10:10:', '$', null, null, null, '{}', '{}'),
 (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'Infinity', '-Infinity', null, null, null, null, null, null, null,
  '0044-03-15 BC', null, null, '0044-03-15 12:00:00.000001 BC', '1999-12-31 23:59:59.999999+14', '-1 year -2 days +03:04:05.678', 'Infinity', null,
  null, null, null, null, null, null, null, null, null, null, 'c@d', null, null, null, null, null, null, null, null,
  null, null, null, null, null, null, null, null, null, null, null, null, null, null);
insert into public.secret_notes values (1, 'a', 'a'), (2, 'b', 'b');
insert into public.forced_notes values (1, 'x'), (2, 'y');
insert into public.am_two values (1), (1), (null);
select nextval('public.counter'), nextval('public.counter');
select nextval('"Odd Schema"."Seq. ""x"""');
select setval('public.users_id_seq', 1000, false);
select lo_from_bytea(70001, decode(repeat('0123456789abcdef', 2000), 'hex'));
select lo_from_bytea(70002, '');
select lo_from_bytea(70003, '\\x0000');
select lo_put(lo_from_bytea(70004, '\\x01'), 9000, '\\x02');
comment on large object 70001 is 'a big one';
grant select on large object 70001 to lb_reader;
alter large object 70002 owner to lb_owner;
update public.every_type set c_lo = 70001 where id = 1;
`;

/** Every feature in one script for an empty UTF-8 database; needs a superuser, FEATURE_EXTENSIONS, and xml and ICU support. */
export const featuresSql = [
  "set client_min_messages = error;",
  featureRolesSql,
  extensions,
  types,
  routines,
  tables,
  rows,
  code,
  privileges,
].join("\n");

/** Objects that give the database other OIDs than the source's: run it in the target's cluster before anything else. */
export const otherOidsSql = `
create table public.junk_for_oids (a int, b text);
${Array.from({ length: 20 }, (_, i) => `create table public.junk_${i} (a serial primary key, b text);`).join("\n")}
${Array.from({ length: 20 }, (_, i) => `drop table public.junk_${i};`).join("\n")}
drop table public.junk_for_oids;
`;

/** `count` small tables with a key, an index, a default, a comment and a few rows each, as scripts of at most `perScript` tables. */
export function* manyTablesSql(count: number, perScript = 500): Generator<string> {
  for (let from = 0; from < count; from += perScript) {
    yield Array.from({ length: Math.min(perScript, count - from) }, (_, i) => {
      const name = `many_${String(from + i).padStart(5, "0")}`;
      return `create table public.${name} (id int primary key, name text not null default 'x', at timestamptz);
create index on public.${name} (name);
insert into public.${name} select g, 'row ' || g, timestamptz '2025-01-01 00:00+00' + g * interval '1 hour' from generate_series(1, 3) g;`;
    }).join("\n");
  }
}
