// A load through a superuser's connection: a role of its own runs what the archive holds, the administrator only hands over.
import type { Connection } from "../../../ports/connection.ts";
import type { LoadOptions, LoadResult } from "../../../ports/engine.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { WalkedArchive } from "../archive/walker.ts";
import type { Client } from "../connect/client.ts";
import { openClient } from "../connect/client.ts";
import { quoteName as quote } from "../connect/quote.ts";
import { foreignKeysOf } from "./foreign-keys.ts";
import { ensureOrphansOwner, type Loader, ORPHANS_OWNER, removeLoader } from "./loader-role.ts";
import { ownerStatements, runAll } from "./owners.ts";
import { rightsToFill, rightsToRead } from "./rights.ts";
import { fillTables, tablesOf } from "./rows-in.ts";
import { LARGE_OBJECTS, type ServerFacts, setupOf, stagesOf } from "./stages.ts";

export interface LoaderLoad {
  /** The administrator's. */
  readonly client: Client;
  readonly target: Connection;
  readonly loader: Loader;
  readonly archiveFile: string;
  readonly walked: WalkedArchive;
  readonly entries: readonly TocEntry[];
  readonly options: LoadOptions;
  /** Each object gets the owner that the archive names. */
  readonly owners: boolean;
  /** Roles that were made for this load. */
  readonly madeRoles: readonly string[];
  /** Runs pg_restore over some of the entries. */
  readonly run: (as: Connection, entries: readonly TocEntry[], more: readonly string[], signal?: AbortSignal) => Promise<string[]>;
}

/** In the arguments of a run: with as many workers as are worth it. */
export const JOBS = "--jobs";

const DEFINITIONS = ["--no-owner", "--no-privileges"];

/** Definitions, rows, indexes and owners. `release` takes the loader's rights away; until then it may read what was restored. */
export async function loadAsLoader(load: LoaderLoad): Promise<Pick<LoadResult, "problems" | "reader" | "release">> {
  const { client, target, loader, entries, owners, options } = load;
  const problems: string[] = [];
  const run = async (as: Connection, some: readonly TocEntry[], more: readonly string[]): Promise<void> => {
    if (some.length > 0) problems.push(...(await load.run(as, some, more)));
  };
  const change = async (statements: readonly string[]): Promise<void> => void problems.push(...(await runAll(client, statements)));

  const setup = setupOf(entries);
  await run(target, setup, DEFINITIONS);
  await change(ownerStatements(setup, ({ kind }) => (kind === "SCHEMA" ? loader.name : undefined)));
  const facts = await factsOf(client, entries);
  const stages = stagesOf(
    entries.filter((entry) => !setup.includes(entry)),
    owners,
    facts,
  );
  await change(await rightsToFill(client, loader, entries));

  const last = stages.batches.at(-1);
  const main = last?.as === "loader" ? last.entries : [];
  for (const { as, entries: some } of main.length === 0 ? stages.batches : stages.batches.slice(0, -1)) {
    await run(as === "loader" ? loader.connection : target, some, DEFINITIONS);
    if (as === "administrator") await change(ownerStatements(some, ({ kind }) => (kind === "FOREIGN TABLE" ? loader.name : undefined)));
  }
  const own = [...main, ...(owners ? [] : stages.largeObjects)];
  const others = owners ? stages.largeObjects : [];
  const said = await together([
    ...(own.length > 0 ? [(signal: AbortSignal) => load.run(loader.connection, own, [...DEFINITIONS, JOBS], signal)] : []),
    ...(others.length > 0 ? [(signal: AbortSignal) => load.run(target, others, ["--no-privileges"], signal)] : []),
  ]);
  problems.push(...said.flat());

  const heldBack = new Set(stages.heldBack);
  const later = new Set([...stages.heldBack, ...stages.closing, ...stages.last]);
  const given = entries.filter((entry) => !later.has(entry));
  const ownerOf = ownerChooser(load);
  if (!owners && options.isolation === undefined) await ensureOrphansOwner(client);
  const raised = load.madeRoles.filter((role) => entries.some(({ kind, owner }) => owner === role && OWNED_BY_SUPERUSERS.has(kind)));
  await asSuperusers(client, raised, async () => {
    await change(ownerStatements(given, ownerOf));
    await change(await multiranges(client, loader));
    await run(target, stages.closing, owners ? ["--no-owner"] : DEFINITIONS);
    await change(ownerStatements(stages.closing, ownerOf));
  });
  await change(await rightsToRead(client, loader, entries));
  await fill(load, stages.refresh, facts, run);
  await change(ownerStatements(stages.heldBack, ownerOf));
  if (heldBack.size > 0) await change(await rightsToRead(client, loader, stages.heldBack));
  await run(target, stages.last, owners ? [] : DEFINITIONS);

  return {
    problems,
    reader: loader.connection,
    // Scratch is thrown away with the role, or the role after it.
    ...(options.isolation === undefined ? { release: () => release(target, loader) } : {}),
  };
}

async function release(target: Connection, loader: Loader): Promise<string[]> {
  const client = await openClient(target);
  try {
    await removeLoader(client, loader.name);
    return [];
  } finally {
    await client.close();
  }
}

/** Rows only, into tables that exist: the loader may read and fill them, and read what their keys refer to; nothing else. */
export async function loadRowsAsLoader(load: LoaderLoad): Promise<Pick<LoadResult, "problems" | "reader" | "release">> {
  const { client, target, loader, entries, options } = load;
  const keys = await foreignKeysOf(client, tablesOf(entries));
  const always = await firingTriggers(client, entries);
  const problems = await runAll(client, [
    ...(await rightsToFill(client, loader, entries)),
    ...[...new Set(keys.flatMap(({ refers, to }) => [refers, to]))].map((table) => `grant select on ${table} to ${loader.name}`),
  ]);
  const largeObjects = entries.filter(({ kind }) => LARGE_OBJECTS.has(kind));
  const others = async (): Promise<void> => {
    if (largeObjects.length > 0) await load.run(target, largeObjects, ["--data-only", "--single-transaction"]);
  };
  const filler = await openClient(loader.connection, { signal: options.signal });
  try {
    for (const { table, name } of always) await client.query(`alter table ${table} disable trigger ${name}`);
    await fillTables({ ...load, client: filler, keys, others });
  } finally {
    await filler.close();
    if (always.length > 0) problems.push(...(await restoreTriggers(target, always)));
  }
  await runAll(client, await rightsToRead(client, loader, entries));
  return { problems, reader: loader.connection, ...(options.isolation === undefined ? { release: () => release(target, loader) } : {}) };
}

interface FiringTrigger {
  readonly table: string;
  readonly name: string;
  readonly state: string;
}

/** Triggers that fire even where ordinary ones are off. */
async function firingTriggers(client: Client, entries: readonly TocEntry[]): Promise<FiringTrigger[]> {
  const tables = entries.filter(({ kind }) => kind === "TABLE DATA");
  return await client.query<{ table: string; name: string; state: string }>(
    `select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as table, pg_catalog.quote_ident(t.tgname) as name, t.tgenabled::pg_catalog.text as state
     from pg_catalog.pg_trigger t join pg_catalog.pg_class c on c.oid = t.tgrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     join rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as wanted(schema, name) on wanted.schema = n.nspname and wanted.name = c.relname
     where not t.tgisinternal and t.tgenabled in ('A', 'R')`,
    [tables.map(({ schema }) => schema), tables.map(({ name }) => name)],
  );
}

/** Over a connection of its own: also when the load was stopped, which cuts the other one. */
async function restoreTriggers(target: Connection, triggers: readonly FiringTrigger[]): Promise<string[]> {
  const client = await openClient(target);
  try {
    return await runAll(
      client,
      triggers.map(({ table, name, state }) => `alter table ${table} enable ${state === "A" ? "always" : "replica"} trigger ${name}`),
    );
  } finally {
    await client.close();
  }
}

/** Only a superuser may own them. */
const OWNED_BY_SUPERUSERS = new Set(["FOREIGN DATA WRAPPER", "EVENT TRIGGER", "PUBLICATION", "SUBSCRIPTION"]);

/** Roles that were made here get the rights that their objects ask of an owner, for the moment in which they become it. None can log in. */
async function asSuperusers(client: Client, roles: readonly string[], act: () => Promise<void>): Promise<void> {
  for (const role of roles) await client.query(`alter role ${quote(role)} superuser`);
  try {
    await act();
  } finally {
    for (const role of roles) await client.query(`alter role ${quote(role)} nosuperuser`);
  }
}

function ownerChooser({ owners, options, loader }: LoaderLoad): (entry: TocEntry) => string | undefined {
  if (owners) return ({ owner }) => owner;
  if (options.isolation !== undefined) return ({ kind }) => (OWNED_BY_SUPERUSERS.has(kind) ? undefined : loader.name);
  return ({ kind }) => (OWNED_BY_SUPERUSERS.has(kind) ? undefined : ORPHANS_OWNER);
}

/** A multirange comes with its range, and in some versions stays behind when that gets an owner. */
async function multiranges(client: Client, { name }: Loader): Promise<string[]> {
  if (client.serverVersionNumber < 140_000) return [];
  const rows = await client.query<{ sql: string }>(
    `select pg_catalog.format('alter type %s owner to %I', m.oid::pg_catalog.regtype, pg_catalog.pg_get_userbyid(t.typowner)) as sql
     from pg_catalog.pg_range r join pg_catalog.pg_type m on m.oid = r.rngmultitypid join pg_catalog.pg_type t on t.oid = r.rngtypid
     where m.typowner = $1::pg_catalog.regrole and t.typowner <> m.typowner`,
    [name],
  );
  return rows.map(({ sql }) => sql);
}

/** Each under the rights of its owner: for that the loader is a member of these roles, as short as it takes. */
async function fill(
  { client, loader }: LoaderLoad,
  refresh: readonly TocEntry[],
  facts: ServerFacts,
  run: (as: Connection, entries: readonly TocEntry[], more: readonly string[]) => Promise<void>,
): Promise<void> {
  const roles = [...new Set(refresh.map(({ owner }) => owner).filter((owner) => !facts.isSuperuser(owner)))].map(quote).join(", ");
  if (refresh.length === 0) return;
  const how = client.serverVersionNumber >= 160_000 ? " with inherit true, set false" : "";
  if (roles !== "") await client.query(`grant ${roles} to ${loader.name}${how}`);
  try {
    await run(loader.connection, refresh, [...DEFINITIONS, "--enable-row-security"]);
  } finally {
    if (roles !== "") await client.query(`revoke ${roles} from ${loader.name}`);
  }
}

async function factsOf(client: Client, entries: readonly TocEntry[]): Promise<ServerFacts> {
  const owners = [...new Set(entries.map(({ owner }) => owner))];
  const names = async (sql: string, values?: unknown[]): Promise<ReadonlySet<string>> =>
    new Set((await client.query<{ name: string }>(sql, values)).map(({ name }) => name));
  const superusers = await names("select rolname::pg_catalog.text as name from pg_catalog.pg_roles where rolsuper and rolname = any ($1)", [
    owners,
  ]);
  return {
    isSuperuser: (role) => superusers.has(role),
    trustedLanguages: await names("select lanname::pg_catalog.text as name from pg_catalog.pg_language where lanpltrusted"),
    superuserSettings: await names("select pg_catalog.lower(name) as name from pg_catalog.pg_settings where context = 'superuser'"),
  };
}

/** Side by side; when one fails the others are stopped, and its error is the one that counts. */
async function together<T>(runs: readonly ((signal: AbortSignal) => Promise<T>)[]): Promise<T[]> {
  const stop = new AbortController();
  const all = runs.map((run) =>
    run(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) stop.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(all);
  stop.signal.throwIfAborted();
  return await Promise.all(all);
}
