// What a load would be refused for, asked before a byte of rows is read: for a plan, which must not promise what the restore refuses.
// Nothing is changed or locked. The same functions refuse in the load itself, where the server has the last word.
import { LifeboatError } from "../../../core/errors.ts";
import type { FitOptions } from "../../../ports/engine.ts";
import type { RestoreTarget } from "../../../ports/restore-target.ts";
import { readContents, type TocEntry } from "../archive/contents.ts";
import { type Client, openClient, ordinaryPath } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { chooseTables, listTables } from "../dump/tables.ts";
import { refuseBlocked } from "../erasure/obstacle.ts";
import { hasBareName } from "../fingerprint/scope.ts";
import { sessionOf } from "../fingerprint/session.ts";
import { refuseChildren } from "./before.ts";
import { choose, holdsOnlyData, refuseWithout } from "./choose.ts";
import { existing, OTHERWISE } from "./clear.ts";
import { namesOf } from "./hold-still.ts";
import { setAside } from "./isolation.ts";
import { refuseMissingExtensions } from "./preflight.ts";
import { refuseMissingTables, tablesOf } from "./rows-in.ts";
import { selectTables } from "./selection.ts";
import { isSuperuser } from "./superuser.ts";

/** Throws TABLE_UNKNOWN, USAGE, LOAD_FAILED, or ERASURE_BLOCKED. Without an archive, the tables are those of the database that the names mean. */
export async function assertFits(
  target: RestoreTarget,
  archive: AsyncIterable<Uint8Array> | undefined,
  options: FitOptions,
): Promise<void> {
  const { existing: isThere, tables, signal } = options;
  const all = archive && (await readContents(archive)).entries;
  const dataOnly = options.dataOnly === true || (all !== undefined && holdsOnlyData(all));
  const connection = directConnection(isThere ? target.connection : target.server);
  const client = await openClient(connection, { signal });
  try {
    const apart = options.asSuperuser !== true && (await isSuperuser(client));
    const kept = all && setAside(all, undefined, apart).kept;
    if (!isThere) return await refuseMissingExtensions(client, intoNew(kept ?? [], tables));
    // Tables that are there are not replaced unless it is asked for, which the caller knows.
    if (!dataOnly && options.replace !== true) return;
    const wanted = kept && (await choose(client, kept, { tables, dataOnly, replace: true, chosen: options.chosen }));
    if (dataOnly) {
      const entries = wanted?.entries ?? [];
      await refuseMissingTables(client, entries);
      return await refuseBlocked(client, options.erased ?? [], tablesOf(entries), options.replace === true);
    }
    await refuseMissingExtensions(client, wanted?.entries ?? []);
    const removed = await namesOf(client, options.removes ?? []);
    const names = wanted === undefined ? await meant(client, options) : await existing(client, [...wanted.tables, ...removed]);
    await refuseChildren(client, names);
    await refuseDependents(client, names);
  } finally {
    await client.close();
  }
}

/** What is loaded into a database that is made for it: nothing is there that could be depended on. */
function intoNew(entries: readonly TocEntry[], tables: readonly string[] | undefined): readonly TocEntry[] {
  if (tables === undefined || entries.length === 0) return entries;
  const { entries: own, foundations, outward } = selectTables(entries, tables);
  for (const one of outward) refuseWithout(one, tables);
  return [...own, ...foundations];
}

async function meant(client: Client, { tables = [], signal }: FitOptions): Promise<string[]> {
  const path = hasBareName(tables) ? await ordinaryPath(client.connection, { signal }) : [];
  const all = await listTables(sessionOf(client), path);
  const isMeant = tables.filter((pattern) => {
    try {
      return chooseTables(all, [pattern], client.connection.label).length > 0;
    } catch (error) {
      // What is not there is not replaced.
      if (error instanceof LifeboatError) return false;
      throw error;
    }
  });
  return isMeant.length === 0 ? [] : chooseTables(all, isMeant, client.connection.label).map(({ name }) => name);
}

/** What would go with the tables, and what else depends on any of it: the server drops neither. */
const DEPENDENTS = `
with recursive gone(class, object) as (
  select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, pg_catalog.to_regclass(one)::pg_catalog.oid
  from pg_catalog.unnest($1::pg_catalog.text[]) one
  union
  select d.classid, d.objid from gone join pg_catalog.pg_depend d on d.refclassid = gone.class and d.refobjid = gone.object and d.deptype in ('a', 'i', 'P', 'S')
), depending as (
  select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid from gone join pg_catalog.pg_depend d on d.refclassid = gone.class and d.refobjid = gone.object
  where d.deptype = 'n' and not exists (select from gone other where other.class = d.classid and other.object = d.objid)
)
select coalesce(pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0), pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)) as object,
  pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) as needs
from depending d left join pg_catalog.pg_rewrite r on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and r.oid = d.objid
where r.ev_class is null or not exists (select from gone where gone.class = 'pg_catalog.pg_class'::pg_catalog.regclass and gone.object = r.ev_class)
order by 1, 2 limit 1`;

async function refuseDependents(client: Client, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const [found] = await client.query<{ object: string; needs: string }>(DEPENDENTS, [names]);
  if (found === undefined) return;
  throw new LifeboatError("LOAD_FAILED", `${client.connection.label} could not be replaced: ${found.object} depends on ${found.needs}`, {
    hint: OTHERWISE,
  });
}
