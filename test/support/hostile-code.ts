// A source database whose owner, an ordinary role, has hidden code in every kind of definition that a load, a comparison or a plan runs.
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

/** A directory that the database server can write to: each piece of code that ran as a superuser leaves a file in it. */
export async function trap(t: TestContext): Promise<{ readonly directory: string; sprung(): Promise<string[]>; reset(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-trap-"));
  await chmod(directory, 0o777);
  t.after(() => rm(directory, { recursive: true, force: true }));
  return {
    directory,
    sprung: async () => (await readdir(directory)).sort(),
    reset: async () => {
      for (const name of await readdir(directory)) await rm(join(directory, name));
    },
  };
}

/**
 * The code tries to run a program on the server, after trying to regain its previous role. It ignores refusals, so that the load
 * continues; only its effect is visible.
 */
export const springSql = (directory: string): string => `
create function public.spring(what text) returns void language plpgsql volatile as $spring$
begin
  begin reset session authorization; exception when others then null; end;
  begin reset role; exception when others then null; end;
  begin execute 'set role postgres'; exception when others then null; end;
  begin execute pg_catalog.format('copy (select 1) to program %L', 'touch ${directory}/' || what); exception when others then null; end;
end $spring$;
create function public.evil(what text) returns integer language plpgsql immutable as $evil$
begin perform public.spring(what); return 1; end $evil$;
create function public.evil(what text, n integer) returns integer language plpgsql immutable as $evil$
begin perform public.spring(what); return n; end $evil$;
`;

/** Run as the database's owner. */
export const hostileSql = (directory: string): string => `
${springSql(directory)}
create domain public.label as text check (public.evil('domain') = 1);
create table public.checked (id int primary key, note text check (public.evil('check') = 1));
insert into public.checked select g, 'n' from generate_series(1, 3) g;
create table public.labelled (id int primary key, note public.label);
insert into public.labelled values (1, 'x');
create table public.computed (id int primary key, n int generated always as (id + public.evil('generated')) stored);
insert into public.computed values (1);
create table public.split (id int) partition by range ((id + public.evil('partition_key')));
create table public.bounded (id int, kind public.label) partition by list (kind);
create table public.bounded_a partition of public.bounded for values in ('a');
insert into public.bounded values (1, 'a');
create function public.joined(public.label, text) returns public.label language sql as 'select $1';
create aggregate public.all_of(text) (sfunc = public.joined, stype = public.label, initcond = 'none');
create table public.indexed (id int primary key, n int);
insert into public.indexed values (1, 1);
create index on public.indexed (public.evil('index', n));
create index on public.indexed ((n + public.evil('index_constant')));
create index on public.indexed (n) where public.evil('index_predicate') = 1;
create statistics public.counted on (n + public.evil('statistics')), id from public.indexed;
create materialized view public.filled as select public.evil('materialized_view') as one;
create view public.looked as select public.evil('view') as one;
create type public.colour as enum ('red');
create function public.colour_text(public.colour) returns text language plpgsql immutable as $f$
begin perform public.spring('foreign_key_cast'); return 'red'; end $f$;
create cast (public.colour as text) with function public.colour_text(public.colour) as implicit;
create table public.colours (name text primary key);
insert into public.colours values ('red');
create table public.painted (id int primary key, colour public.colour references public.colours);
insert into public.painted values (1, 'red');
create function public.on_row() returns trigger language plpgsql as $f$ begin perform public.spring('trigger'); return new; end $f$;
create trigger watched before insert on public.checked for each row execute function public.on_row();
create function public.on_ddl() returns event_trigger language plpgsql as $f$ begin perform public.spring('event_trigger'); end $f$;
`;
